"""Tables of a run's stored cells."""
