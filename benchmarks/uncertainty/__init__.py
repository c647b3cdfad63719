"""How far a run's values would move on other test images."""
