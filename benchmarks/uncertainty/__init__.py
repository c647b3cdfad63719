"""How far a run's values would move on other test images."""

from benchmarks.uncertainty.intervals import cell_intervals
from benchmarks.uncertainty.writing import write_uncertainty

__all__ = ["cell_intervals", "write_uncertainty"]
