"""What a run's folder holds: the writer and the reader of each file."""

from benchmarks.results.cell import Cell
from benchmarks.results.frames import Run
from benchmarks.results.frames import open_run as open
from benchmarks.results.reading import result_sets
from benchmarks.results.result_set import ResultSet
from benchmarks.results.store import Store

__all__ = ["Cell", "ResultSet", "Run", "Store", "open", "result_sets"]
