"""The layouts that data sets are distributed in, one a file."""
