"""What each step asks of a GPU, counted without one, and an estimate of the time it takes."""
