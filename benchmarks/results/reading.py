"""From a run's folder to its result sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from benchmarks.console import say
from benchmarks.results.agreement import Measure, settings_of
from benchmarks.results.cell import Cell
from benchmarks.results.identity import dataset_labels
from benchmarks.results.metrics_csv import named_metrics, read_cells
from benchmarks.results.result_set import ResultSet, category_of
from benchmarks.results.store import Store
from benchmarks.specs import canonical_json


def result_sets(run: Path) -> list[ResultSet]:
    """Return the result sets of a run, one a data set, crop and number of shots.

    They are in order of appearance, and hold all backbones, and imported maps.

    Its cells are what counts: a metrics.csv that doesn't match them is written anew. Cells that
    can't be read are named on stderr and left out.

    Raises:
        BenchmarkError: there are no cells, and the run's metrics.csv is missing, unreadable,
            truncated or empty.
    """
    store = Store(run)
    cells = store.cells(say)
    if cells:
        store.update_metrics(cells, say)
    else:
        cells = read_cells(run / "metrics.csv")
    labels = dataset_labels(cells)
    newest = _newest(cells, labels)
    metrics = tuple(metric.name for metric in named_metrics(cells))
    categories: dict[str, set[str]] = {}
    groups: dict[tuple[str, Measure, int | None], list[Cell]] = {}
    for cell in newest:
        dataset = labels.get(cell.short_key, cell.spec.dataset)
        categories.setdefault(dataset, set()).add(category_of(cell))
        key = dataset, Measure.of(cell.spec.protocol), cell.spec.shots
        groups.setdefault(key, []).append(cell)
    varying = {name for name, values in settings_of(newest).items() if len(values) > 1}
    varying |= {"dataset"} if len(categories) > 1 else set()
    return [
        ResultSet(
            run, dataset, group, tuple(sorted(categories[dataset])), metrics, frozenset(varying)
        )
        for (dataset, *_), group in groups.items()
    ]


def _newest(cells: Iterable[Cell], labels: Mapping[str, str]) -> list[Cell]:
    """Return of cells that would stand at one place of one table the newest alone."""
    newest: dict[tuple[object, ...], Cell] = {}
    for cell in cells:
        spec, dataset = cell.spec, labels.get(cell.short_key, cell.spec.dataset)
        protocol = canonical_json(asdict(spec.protocol))
        key = dataset, spec.category, spec.method, spec.seed, spec.shots, protocol
        if key not in newest or cell.started >= newest[key].started:
            newest.pop(key, None)
            newest[key] = cell
    return list(newest.values())
