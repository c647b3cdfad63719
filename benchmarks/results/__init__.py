"""What a run's folder holds: the writer and the reader of each file."""
