"""What a run's folder holds: the writer and the reader of each file."""

from benchmarks.results import captions, folders, journal
from benchmarks.results.cell import Cell
from benchmarks.results.maps import StoredMaps, read_maps
from benchmarks.results.previews import read_previews
from benchmarks.results.published import Published
from benchmarks.results.reading import result_sets
from benchmarks.results.result_set import ResultSet
from benchmarks.results.scores import read_image_scores, read_scores
from benchmarks.results.store import Store

__all__ = [
    "Cell",
    "Published",
    "ResultSet",
    "Store",
    "StoredMaps",
    "captions",
    "folders",
    "journal",
    "read_image_scores",
    "read_maps",
    "read_previews",
    "read_scores",
    "result_sets",
]
