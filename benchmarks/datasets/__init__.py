"""Data sets: what is known, what lies on disk, its images read and checked."""
