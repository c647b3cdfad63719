"""Features: every image passes a backbone once, and what it gave is kept."""
