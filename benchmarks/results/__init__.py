"""What a run's folder holds: the writer and the reader of each file."""

from benchmarks.results.cell import Cell
from benchmarks.results.published import Published
from benchmarks.results.scores import read_scores
from benchmarks.results.store import Store

__all__ = ["Cell", "Published", "Store", "read_scores"]
