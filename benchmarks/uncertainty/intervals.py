"""Intervals of a run's stored cells."""

from __future__ import annotations

from math import nan
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np

from benchmarks.errors import BenchmarkError
from benchmarks.results import read_scores
from benchmarks.results.result_set import Comparison, stored_files
from benchmarks.statistics import bootstrap_intervals, delong_interval
from benchmarks.statistics.bootstrap import Interval

if TYPE_CHECKING:
    import pandas as pd


ESTIMATE = ["category", "method", "seed", "metric", "value", "interval", "low", "high"]


def cell_intervals(scores: Path, maps: Path | None) -> dict[str, Interval]:
    """Return `bootstrap_intervals` of a stored cell; pixel-level ones where it kept all maps.

    Maps that are stored in an image's own proportions aren't those that were measured: there are
    image-level intervals alone.

    Args:
        scores: its image scores.
        maps: its anomaly maps, None where it kept none.

    Raises:
        BenchmarkError: a file is unreadable.
    """
    import pandas as pd

    labels, values = read_scores(scores)
    if maps is None:
        return bootstrap_intervals(labels, values)
    try:
        with np.load(maps, allow_pickle=False) as stored:
            if stored["names"].tolist() != pd.read_csv(scores)["path"].tolist():
                return bootstrap_intervals(labels, values)
            whole = stored["maps"]
            if np.isnan(whole).any():
                return bootstrap_intervals(labels, values)
            return bootstrap_intervals(labels, values, whole, stored["masks"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise BenchmarkError(f"can't read the maps in {maps}; run its cell again") from error


def estimates(run: Path, comparison: Comparison) -> pd.DataFrame:
    """Return the cells of each method's first seed with their intervals, long.

    Columns: category, method, seed, metric, value, interval ("bootstrap", and "delong" for the
    image AUROC), low, high; the last two NaN where nothing stored gives them.

    Raises:
        BenchmarkError: a file of scores or maps is unreadable.
    """
    import pandas as pd

    scores = stored_files(run, comparison, "scores")
    maps = stored_files(run, comparison, "maps")
    found: dict[str, dict[tuple[str, str], dict[str, Interval]]] = {
        "bootstrap": {key: cell_intervals(path, maps.get(key)) for key, path in scores.items()},
        "delong": {},
    }
    for key, path in scores.items():
        if interval := delong_interval(*read_scores(path)):
            found["delong"][key] = {"image_auroc": interval}
    records = []
    for row in comparison.rows.itertuples():
        category, method, metric = str(row.category), str(row.method), str(row.metric)
        if row.seed != comparison.methods[method][0]:
            continue
        for kind, cells in found.items():
            interval = cells.get((category, method), {}).get(metric)
            if interval or kind == "bootstrap":
                ends = interval or (nan, nan)
                records.append((category, method, row.seed, metric, row.value, kind, *ends))
    return pd.DataFrame(records, columns=ESTIMATE)
