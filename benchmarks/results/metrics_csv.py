"""The long table of a run's cells, one row a cell and metric: written and read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.errors import BenchmarkError
from benchmarks.metrics import METRICS
from benchmarks.results.cell import Cell
from benchmarks.specs import EvaluationProtocol, canonical_json

if TYPE_CHECKING:
    import pandas as pd


# fmt: off
COLUMNS = (
    "run", "dataset", "dataset_fingerprint", "category", "method", "params", "backbone",
    "weights", "weights_sha256", "image_size", "seed", "shots", "metric", "value", "unit",
    "higher_is_better", "n_train", "n_test_good", "n_test_defect", "status", "error",
    "fit_seconds", "score_seconds", "peak_memory_mb", "device", "git_sha", "versions",
    "started_utc", "layers", "dtype", "mask_resize", "smoothing_sigma", "resize", "spec",
    "fit", "unseen_defects", "unseen_share", "warnings",
)
# fmt: on


def rows_of(run: str, cell: Cell) -> Iterator[list[Any]]:
    """Yield a cell's rows, one a metric, their values in the order of `COLUMNS`."""
    spec, protocol = cell.spec, cell.spec["protocol"]
    values = {
        **asdict(cell),
        "fit": EvaluationProtocol.fit,
        **protocol,
        **spec,
        "run": run,
        "params": canonical_json(spec["params"]),
        "versions": canonical_json(cell.versions),
        "backbone": protocol["backbone"]["name"],
        "weights": protocol["backbone"]["weights"],
        "weights_sha256": protocol["backbone"]["weights_sha256"],
        "layers": canonical_json(protocol["backbone"]["layers"]),
        "spec": cell.key[:16],
        "warnings": "\n".join(cell.warnings),
    }
    for metric in METRICS.values():
        values |= {
            "metric": metric.name,
            "value": cell.metrics.get(metric.name),
            "unit": metric.unit,
            "higher_is_better": metric.higher_is_better,
        }
        yield [values[column] for column in COLUMNS]


def as_csv(rows: Sequence[Sequence[Any]]) -> bytes:
    """Return rows as CSV."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


USUAL = {
    "dtype": EvaluationProtocol.dtype,
    "mask_resize": EvaluationProtocol.mask_resize,
    "smoothing_sigma": str(EvaluationProtocol.smoothing_sigma),
    "fit": EvaluationProtocol.fit,
}

PROTOCOL_COLUMNS = ["dataset", "backbone", "weights", "weights_sha256", "layers", "image_size"]
PROTOCOL_COLUMNS += [*USUAL, "resize", "shots"]

CELL_COLUMNS = [*PROTOCOL_COLUMNS, "category", "method", "seed"]

_LATER = {"fit": EvaluationProtocol.fit, "unseen_defects": "", "unseen_share": "", "warnings": ""}
"""Columns that older tables lack, and what stands for them."""

_NEEDED = {*CELL_COLUMNS, "dataset_fingerprint", "metric", "value", "status", "started_utc", "spec"}
_NEEDED -= {*_LATER}


def read_rows(run: Path) -> pd.DataFrame:
    """Return the rows of `run`'s metrics.csv; of two cells with the same identity only the newest.

    Columns are text, but for `value` (float, NaN where failed or undefined), `seed` (int) and
    `started_utc` (timestamp).

    Raises:
        BenchmarkError: the file is missing, unreadable, truncated or empty.
    """
    import pandas as pd

    path = run / "metrics.csv"
    try:
        text = path.read_bytes().decode()
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
    except (OSError, ValueError, csv.Error) as error:
        detail = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        raise BenchmarkError(
            f"can't read {path} ({detail}); python -m benchmarks.run writes it anew"
        ) from error
    if rows.empty:
        raise BenchmarkError(f"{path} holds no cells yet; python -m benchmarks.run adds some")
    newest = rows.groupby(CELL_COLUMNS)["started_utc"].transform("max")
    rows = rows[rows["started_utc"] == newest]
    return rows.drop_duplicates([*CELL_COLUMNS, "metric"], keep="last")
