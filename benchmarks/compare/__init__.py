"""A run against a stored baseline."""
