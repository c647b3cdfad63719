"""What a run's folder holds: the writer and the reader of each file."""

from benchmarks.results.cell import Cell
from benchmarks.results.reading import result_sets
from benchmarks.results.result_set import ResultSet
from benchmarks.results.store import Store

__all__ = ["Cell", "ResultSet", "Store", "result_sets"]
