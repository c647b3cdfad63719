"""Methods compared on every category of a data set."""
