"""A run's tables, curves, pictures and times, or two runs' differences, as one HTML page."""
