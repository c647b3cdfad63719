"""How methods are compared, from the ground up; a package with a `__main__` is also a command.

Ground: `errors`, `specs` (what makes a number), `array_types`, `files`, `places`, `names`,
`markdown`, `processes`, `control_groups`, `device_memory`, `interrupts`, `console` (what programs
say, and how they end); `options` that commands share, and what is `chosen` by them.

- `metrics`: scores against ground truth.
- `datasets`: what is known, what lies on disk, its images. `synthetic`: the embedded set.
- `backbones`: networks with verified weights, cut into pyramid levels.
- `statistics`: what differences and intervals are worth; numbers only.
- `features`: every image passes a backbone once, and what it gave is kept.
- `results`: what a run's folder holds, the writer and the reader of each file. `published`: values
  of papers and public code, with their sources.
- `evaluation`: one cell: a method fitted and scored on a category, and measured.
- `execution`: many cells: what is missing, who evaluates it, what is seen meanwhile.
- `detection`: one detector on images at hand, by what evaluates a cell.
- `tables`, `figures`, `uncertainty`, `reproduction`, `report`, `compare`: what a run stored, shown;
  none of them imports what computes. `join`: several runs' cells in one folder.
- `run`, `supplement`, `maps`, `cost`, `speed`, `gpu_check`: the programs that compute. `commands`:
  the one program that starts all.

`tests/end_to_end/test_imports.py` says which of them may import which.

In Python, `benchmarks.detector`, `load_detector`, `evaluate` and `results.open` are the way in
(docs/python.md); they are imported when they are asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks.interrupts import guard_imports
from benchmarks.version import __version__

if TYPE_CHECKING:
    from benchmarks import results
    from benchmarks.detection.detector import detector, load_detector
    from benchmarks.statistics.evaluating import evaluate

__all__ = ["__version__", "detector", "evaluate", "load_detector", "results"]

_HOMES = {
    "detector": "benchmarks.detection.detector",
    "load_detector": "benchmarks.detection.detector",
    "evaluate": "benchmarks.statistics.evaluating",
}

guard_imports()


def __getattr__(name: str) -> Any:
    if name == "results":
        return import_module("benchmarks.results")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'benchmarks' has no attribute {name!r}")
