"""The long table of a run's cells, one row a cell and metric: written and read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.errors import BenchmarkError
from benchmarks.metrics import METRICS, Metric
from benchmarks.results.cell import Cell
from benchmarks.specs import EvaluationProtocol, canonical_json, resize_for

if TYPE_CHECKING:
    import pandas as pd


# fmt: off
COLUMNS = (
    "run", "dataset", "dataset_fingerprint", "category", "method", "params", "backbone",
    "weights", "weights_sha256", "image_size", "seed", "shots", "metric", "value", "unit",
    "higher_is_better", "n_train", "n_test_good", "n_test_defect", "status", "error",
    "fit_seconds", "score_seconds", "peak_memory_mb", "device", "git_sha", "versions",
    "started_utc", "layers", "dtype", "mask_resize", "smoothing_sigma", "resize", "spec",
    "fit", "unseen_defects", "unseen_share", "warnings", "interpolation",
)
# fmt: on


def named_metrics(cells: Iterable[Cell]) -> list[Metric]:
    """Return the metrics that any cell names, all of them where none does."""
    named = {name for cell in cells for name in cell.metrics}
    return [one for one in METRICS.values() if one.name in named] or list(METRICS.values())


def rows_of(run: str, cell: Cell, metrics: Iterable[Metric]) -> Iterator[list[Any]]:
    """Yield a cell's rows, one a metric, their values in the order of `COLUMNS`."""
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
        yield [values[column] for column in COLUMNS]


PROTOCOL_COLUMNS = [
    *("dataset", "backbone", "weights", "weights_sha256", "layers", "image_size"),
    *("dtype", "mask_resize", "smoothing_sigma", "fit", "resize", "interpolation", "shots"),
]
"""What a cell has of its protocol."""

MEASURED_COLUMNS = [
    *("dataset", "image_size", "mask_resize", "fit", "resize", "interpolation", "shots"),
]
"""What the cells of one table share: the data, the crop, the masks, the shots."""

CELL_COLUMNS = [*PROTOCOL_COLUMNS, "category", "method", "seed"]

_LATER = {
    "fit": EvaluationProtocol.fit,
    "interpolation": EvaluationProtocol.interpolation,
    **dict.fromkeys(("unseen_defects", "unseen_share", "warnings"), ""),
}
"""Columns that older tables lack, and what stands for them."""

_NEEDED = {*CELL_COLUMNS, "dataset_fingerprint", "metric", "value", "status", "started_utc", "spec"}
_NEEDED -= {*_LATER}


def usual_settings(image_size: int, fit: str) -> dict[str, str]:
    """Return column → its text where nobody asked for anything else; the shorter side by `fit`."""
    return {
        "fit": EvaluationProtocol.fit,
        "resize": str(resize_for(image_size) if fit == "crop" else image_size),
        "interpolation": EvaluationProtocol.interpolation,
        "dtype": EvaluationProtocol.dtype,
        "mask_resize": EvaluationProtocol.mask_resize,
        "smoothing_sigma": str(EvaluationProtocol.smoothing_sigma),
        "shots": "",
    }


MEAN = "mean"
"""Label of a table's last row; a category of that name gets another label."""


def category_label(name: str) -> str:
    """Return what a category is called beside rows of means."""
    return f"{MEAN} (category)" if name == MEAN else name


def read_rows(content: bytes, path: Path) -> pd.DataFrame:
    """Return the rows of a metrics.csv.

    Columns are text, but for `value` (float, NaN where failed or undefined), `seed` (int) and
    `started_utc` (timestamp).

    Args:
        content: of the file.
        path: where it lies, for messages.

    Raises:
        BenchmarkError: it is truncated, empty or none.
    """
    import pandas as pd

    try:
        text = content.decode()
        header, *records = csv.reader(io.StringIO(text, newline=""), strict=True)
        if not text.endswith("\n") or any(len(record) != len(header) for record in records):
            raise ValueError("truncated")
        if missing := sorted(_NEEDED.difference(header)):
            raise ValueError(f"columns missing: {', '.join(missing)}")
        rows = pd.DataFrame(records, columns=header, dtype=object)
        rows = rows.assign(**{name: v for name, v in _LATER.items() if name not in header})
        if unknown := sorted({*rows["metric"]}.difference(METRICS)):
            raise ValueError(f"unknown metrics: {', '.join(unknown)}")
        rows["value"] = [float(value) if value else float("nan") for value in rows["value"]]
        rows["seed"] = rows["seed"].astype(int)
        rows["started_utc"] = pd.to_datetime(rows["started_utc"], utc=True, format="ISO8601")
    except (ValueError, csv.Error) as error:
        raise unreadable(path, str(error).splitlines()[0]) from error
    if rows.empty:
        raise BenchmarkError(f"{path} holds no cells yet; python -m benchmarks.run adds some")
    rows["category"] = rows["category"].map(category_label)
    return rows


def unreadable(path: Path, why: str) -> BenchmarkError:
    """Return the error of a file that can't be read, in a run without cells to make it from."""
    return BenchmarkError(
        f"can't read {path} ({why}), and there are no cells to make it from; python -m "
        "benchmarks.run evaluates them"
    )


def newest_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Return of cells with the same identity the newest alone."""
    newest = rows.groupby(CELL_COLUMNS)["started_utc"].transform("max")
    rows = rows[rows["started_utc"] == newest]
    return rows.drop_duplicates([*CELL_COLUMNS, "metric"], keep="last")
