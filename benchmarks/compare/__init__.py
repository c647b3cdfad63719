"""A run against a stored baseline."""

from benchmarks.compare.baseline import Baseline
from benchmarks.compare.check import compare

__all__ = ["Baseline", "compare"]
