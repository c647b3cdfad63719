"""From a run's folder to its result sets."""

from __future__ import annotations

from pathlib import Path

from benchmarks.console import say
from benchmarks.errors import BenchmarkError
from benchmarks.results.agreement import Measure, settings_of
from benchmarks.results.cell import Cell
from benchmarks.results.metrics_csv import named_metrics, read_cells
from benchmarks.results.result_set import ResultSet, category_of
from benchmarks.results.standing import Standing, standing
from benchmarks.results.store import Store


def result_sets(run: Path) -> list[ResultSet]:
    """Return the result sets of a run, one a data set, crop and conditions.

    They are in order of appearance, and hold all backbones, and imported maps.

    Its cells are what counts, those that stand: a metrics.csv that doesn't match them is written
    anew. Cells that can't be read are named on stderr and left out.

    Raises:
        BenchmarkError: no cell stands; or there are none, and the run's metrics.csv is missing,
            unreadable, truncated or empty.
    """
    store = Store(run)
    stand = store.standing(say)
    if stand.cells:
        store.update_metrics(stand.cells, say)
    elif stand.awaited:
        raise BenchmarkError(f"{run}: no cell of what was asked for last; run its command again")
    else:
        stand = standing(read_cells(run / "metrics.csv"), {})
    return _sets(run, stand)


def sets_so_far(run: Path) -> list[ResultSet]:
    """Return the result sets of the cells that stand by now; say nothing, and write nothing."""
    return _sets(run, Store(run).standing())


def _sets(run: Path, stand: Standing) -> list[ResultSet]:
    metrics = tuple(metric.name for metric in named_metrics(stand.cells))
    categories: dict[str, set[str]] = {}
    groups: dict[tuple[object, ...], list[Cell]] = {}
    for dataset, cell in zip(stand.datasets, stand.cells, strict=True):
        categories.setdefault(dataset, set()).add(category_of(cell))
        spec = cell.spec
        key = dataset, Measure.of(spec.protocol), *spec.conditions.values()
        groups.setdefault(key, []).append(cell)
    varying = {name for name, values in settings_of(stand.cells).items() if len(values) > 1}
    varying |= {"dataset"} if len(categories) > 1 else set()
    return [
        ResultSet(
            run, str(name), group, tuple(sorted(categories[str(name)])), metrics, frozenset(varying)
        )
        for (name, *_), group in groups.items()
    ]
