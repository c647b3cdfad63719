"""What checks a method on a machine without a GPU."""
