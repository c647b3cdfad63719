"""Worker processes, and what one does."""
