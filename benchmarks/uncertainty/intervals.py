"""Intervals of a run's stored cells."""

from __future__ import annotations

from math import nan
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.results import ResultSet
from benchmarks.results.maps import open_maps
from benchmarks.results.scores import read_image_scores
from benchmarks.statistics import metric_intervals
from benchmarks.statistics.proportions import Interval

if TYPE_CHECKING:
    import pandas as pd


ESTIMATE = ["category", "method", "seed", "metric", "value", "low", "high"]


def cell_intervals(scores: Path, maps: Path | None) -> dict[str, Interval]:
    """Return `metric_intervals` of a stored cell; pixel-level ones where it kept all maps.

    Maps that are stored in an image's own proportions aren't those that were measured: there are
    image-level intervals alone.

    Args:
        scores: its image scores.
        maps: its anomaly maps, None where it kept none.

    Raises:
        BenchmarkError: a file is unreadable.
    """
    frame = read_image_scores(scores)
    labels, values, names = (
        frame["label"].to_numpy(),
        frame["score"].to_numpy(),
        frame["path"].tolist(),
    )
    if maps is None:
        return metric_intervals(labels, values)
    with open_maps(maps) as stored:
        whole = stored["maps"] if stored["names"].tolist() == names else None
        if whole is None or np.isnan(whole).any():
            return metric_intervals(labels, values)
        return metric_intervals(labels, values, whole, stored["masks"])


def estimates(results: ResultSet) -> pd.DataFrame:
    """Return the cells of each method's first seed with their intervals, long.

    Columns: category, method, seed, metric, value, low, high; the last two NaN where nothing stored
    gives them.

    Raises:
        BenchmarkError: a file of scores or maps is unreadable.
    """
    import pandas as pd

    found = {
        key: cell_intervals(path, results.maps.get(key)) for key, path in results.scores.items()
    }
    records = []
    for row in results.rows.itertuples():
        category, method, metric = str(row.category), str(row.method), str(row.metric)
        if row.seed == results.methods[method][0]:
            ends = found.get((category, method), {}).get(metric, (nan, nan))
            records.append((category, method, row.seed, metric, row.value, *ends))
    return pd.DataFrame(records, columns=ESTIMATE)
