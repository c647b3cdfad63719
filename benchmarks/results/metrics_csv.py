"""The long table of a run's cells, one row a cell and metric: written and read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchmarkError
from benchmarks.files import as_csv
from benchmarks.metrics.calibrated import KNOWN
from benchmarks.metrics.definitions import METRICS, Metric
from benchmarks.results.cell import Cell, checked_time
from benchmarks.specs import BackboneSpec, CellSpec, EvaluationProtocol, canonical_json

# fmt: off
COLUMNS = (
    "run", "dataset", "dataset_fingerprint", "category", "method", "params", "backbone",
    "weights", "weights_sha256", "image_size", "seed", "shots", "metric", "value", "unit",
    "higher_is_better", "n_train", "n_test_good", "n_test_defect", "status", "error",
    "fit_seconds", "score_seconds", "peak_memory_mb", "device", "git_sha", "versions",
    "started_utc", "layers", "dtype", "mask_resize", "smoothing_sigma", "resize", "spec",
    "fit", "unseen_defects", "unseen_share", "warnings", "interpolation", "regions", "score_area",
    "unseen_area", "vanished_defects", "defect_regions", "vanished_regions", "torn_regions",
    "measured_regions", "calibrate", "n_held_out", "unmarked_defects", "augment",
    "contamination", "reserve", "shift", "tiles",
)
# fmt: on

_NEEDED = {
    *("dataset", "dataset_fingerprint", "category", "method", "seed", "shots", "backbone"),
    *("weights", "weights_sha256", "layers", "image_size", "dtype", "mask_resize", "resize"),
    *("smoothing_sigma", "metric", "value", "status", "started_utc", "spec"),
}
"""Columns that a file must have; what stands in others is unknown, or as usual, without them."""

_SPECIFIED = Cell, CellSpec, EvaluationProtocol
"""Whose fields columns hold, under the fields' names."""

_TYPES: Mapping[str, Callable[[str], Any]] = {
    "int": int,
    "float": lambda text: int(text) if text.isdecimal() else float(text),  # --calibrate has both
    "Mapping[str, Any]": json.loads,
    "Mapping[str, str]": json.loads,
    "Sequence[str]": lambda text: text.split("\n") if text else [],
}
"""Type of a field, but for None → what makes it of its column's text, which is itself else."""

_DTYPES = {"int": "int64", "int | None": "Int64", "float": "float64", "float | None": "float64"}

NUMBERS = {
    **{
        field.name: _DTYPES[str(field.type)]
        for kind in _SPECIFIED
        for field in fields(kind)
        if field.name in COLUMNS and field.type in _DTYPES
    },
    **{"value": "float64", "higher_is_better": "bool"},
}
"""Column → pandas' type, of those that aren't text."""

MEAN = "mean"
"""Label of a table's last row; a category of that name gets another label."""


def category_label(name: str) -> str:
    """Return what a category is called beside rows of means."""
    return f"{MEAN} (category)" if name == MEAN else name


def named_metrics(cells: Iterable[Cell]) -> list[Metric]:
    """Return the metrics that any cell names, all of them where none does."""
    named = {name for cell in cells for name in cell.metrics}
    return [metric for metric in KNOWN.values() if metric.name in named] or [*METRICS.values()]


def as_metrics_csv(run: str, cells: Iterable[Cell]) -> bytes:
    """Return the content of a run's metrics.csv.

    Args:
        run: the run's name.
        cells: its cells, in the order of their rows.
    """
    cells = list(cells)
    metrics = named_metrics(cells)
    rows = (row.values() for cell in cells for row in rows_of(run, cell, metrics))
    return as_csv([COLUMNS, *rows])


def rows_of(run: str, cell: Cell, metrics: Iterable[Metric]) -> Iterator[dict[str, Any]]:
    """Yield a cell's rows, one a metric: column → value, in the order of `COLUMNS`."""
    spec, protocol = cell.spec, cell.spec.protocol
    values = {
        **vars(cell),
        **vars(spec),
        **vars(protocol),
        "run": run,
        "params": canonical_json(spec.params),
        "versions": canonical_json(cell.versions),
        "backbone": protocol.backbone.name,
        "weights": protocol.backbone.weights,
        "weights_sha256": protocol.backbone.weights_sha256,
        "layers": canonical_json(protocol.backbone.layers),
        "spec": cell.short_key,
        "warnings": "\n".join(cell.warnings),
    }
    for metric in metrics:
        values |= {
            "metric": metric.name,
            "value": cell.metrics.get(metric.name),
            "unit": metric.unit,
            "higher_is_better": metric.higher_is_better,
        }
        yield {column: values[column] for column in COLUMNS}


def read_cells(path: Path) -> list[Cell]:
    """Return the cells in a metrics.csv, in the order of their first rows; no files beside them.

    Raises:
        BenchmarkError: it can't be read, is truncated, empty or no such table.
    """
    try:
        text = path.read_bytes().decode()
        header, *records = csv.reader(io.StringIO(text, newline=""), strict=True)
        if not text.endswith("\n") or any(len(record) != len(header) for record in records):
            raise ValueError("truncated")
        if missing := sorted(_NEEDED.difference(header)):
            raise ValueError(f"columns missing: {', '.join(missing)}")
        cells = _cells(dict(zip(header, record, strict=True)) for record in records)
        if unknown := sorted({name for cell in cells for name in cell.metrics} - {*KNOWN}):
            raise ValueError(f"unknown metrics: {', '.join(unknown)}")
    except (OSError, ValueError, TypeError, AttributeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise BenchmarkError(
            f"can't read {path} ({why}), and there are no cells to make it from; python -m "
            "benchmarks.run evaluates them"
        ) from error
    if not cells:
        raise BenchmarkError(f"{path} holds no cells yet; python -m benchmarks.run adds some")
    return cells


def _cells(rows: Iterable[Mapping[str, Any]]) -> list[Cell]:
    """Return the cells behind rows, each with the metrics that its rows name."""
    cells: dict[tuple[str, str], Cell] = {}
    for row in rows:
        key = row["spec"], row["started_utc"]
        cell = cells.get(key) or _cell(row)
        value = {row["metric"]: float(row["value"]) if row["value"] else None}
        cells[key] = replace(cell, metrics={**cell.metrics, **value})
    return list(cells.values())


def _cell(row: Mapping[str, str]) -> Cell:
    """Return the cell of a row, without its metrics."""
    row = {"params": "{}", "score_area": "square", **row}  # which the first files didn't have
    layers = {int(level): name for level, name in json.loads(row["layers"] or "{}").items()}
    of_cell, of_spec, of_protocol = (_fields(kind, row) for kind in _SPECIFIED)
    backbone = BackboneSpec(row["backbone"], row["weights"], row["weights_sha256"], layers)
    protocol = EvaluationProtocol(**{**of_protocol, "backbone": backbone})
    checked_time(row["started_utc"])
    return Cell(**{**of_cell, "spec": CellSpec(protocol=protocol, **of_spec)})


def _fields(kind: type[Any], row: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a dataclass that a row has columns of, in their own types."""
    values: dict[str, Any] = {}
    for field in fields(kind):
        if (text := row.get(field.name)) is not None:
            read = _TYPES.get(field.type.removesuffix(" | None"), str)
            values[field.name] = None if not text and field.type.endswith("None") else read(text)
    return values
