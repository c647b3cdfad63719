"""Many cells: what is missing, who evaluates it, and what is seen meanwhile."""
