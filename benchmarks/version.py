"""The version of the package, which stands nowhere else in the code."""

__version__ = "0.2.0"
