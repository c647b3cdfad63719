"""What differences and intervals are worth; numbers only, no files."""
