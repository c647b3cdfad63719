"""Several runs' cells in one folder, so that they stand in one table."""
