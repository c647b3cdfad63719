"""The embedded synthetic data set."""
