"""Intervals of a run's stored cells."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.metrics.calibrated import CALIBRATED
from benchmarks.results.cell import Cell
from benchmarks.results.maps import open_maps
from benchmarks.results.result_set import ResultSet, category_of
from benchmarks.results.scores import read_image_scores
from benchmarks.statistics.intervals import metric_intervals
from benchmarks.statistics.proportions import Interval, mean_interval, proportion_interval

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


ESTIMATE = ["category", "method", "seed", "metric", "value", "low", "high"]


def cell_intervals(scores: Path, maps: Path | None) -> dict[str, Interval]:
    """Return `metric_intervals` of a stored cell; pixel-level ones where it kept all maps.

    Args:
        scores: its image scores.
        maps: its anomaly maps, None where it kept none.

    Raises:
        BenchmarkError: a file is unreadable.
    """
    frame = read_image_scores(scores)
    labels, values = frame["label"].to_numpy(), frame["score"].to_numpy()
    if maps is not None:
        with open_maps(maps) as stored:
            whole = stored["names"].tolist() == frame["path"].tolist()
            if whole and not np.isnan(stored["maps"]).all():  # a method may make none
                return metric_intervals(labels, values, **_measured(stored))
    return metric_intervals(labels, values)


def calibrated_intervals(cell: Cell) -> dict[str, Interval]:
    """Return Clopper & Pearson's intervals of a cell's calibrated rates, given its thresholds.

    They hold the threshold: what other held-out images would set isn't in them.
    """
    rates = {name: cell.metrics.get(name) for name, metric in CALIBRATED.items()}
    return {
        name: proportion_interval(rate, getattr(cell, counted))
        for name, rate in rates.items()
        for counted in CALIBRATED[name].counted_images
        if rate is not None
    }


def _measured(stored: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return a file's maps as they were measured, with masks, ignored pixels and regions."""
    regions = stored.get("measured_regions")
    names = ("measured", "measured_masks") if "measured" in stored else ("maps", "masks")
    maps, masks = (stored[name] for name in names)
    around = np.isnan(maps)  # of padded images, and where a shift has uncovered pixels
    return {
        "maps": np.nan_to_num(maps),
        "masks": masks,
        "ignored": around if around.any() else None,
        "regions": regions,
    }


def estimates(results: ResultSet, *, every_seed: bool = False) -> pd.DataFrame:
    """Return the cells of each method's first seed, or of every seed, with their intervals, long.

    Columns: category, method, seed, metric, value, low, high; the last two NaN where nothing stored
    gives them.

    Raises:
        BenchmarkError: a file of scores or maps is unreadable.
    """
    import pandas as pd

    records = []
    for method, cell in results.titled:
        if not every_seed and cell.spec.seed != results.methods[method][0]:
            continue
        scores, maps = results.file_of(cell, "scores"), results.file_of(cell, "maps")
        intervals = cell_intervals(scores, maps) if scores else {}
        if len(results.methods[method]) == 1:  # else their splits share the test images
            intervals |= calibrated_intervals(cell)
        for metric in results.metrics:
            value = cell.metrics.get(metric)
            number = nan if value is None else float(value)
            ends = intervals.get(metric, (nan, nan))
            at = category_of(cell), method, cell.spec.seed, metric
            records.append((*at, number, *ends))
    return pd.DataFrame(records, columns=ESTIMATE)


def method_means(results: ResultSet, metric: str) -> dict[str, tuple[float, Interval | None]]:
    """Return method → the mean of a metric over the run's categories, with its interval.

    Of the methods that lack no category; the interval is None where one category has none.

    Raises:
        BenchmarkError: a file of scores or maps is unreadable.
    """
    frame = estimates(results)
    chosen = frame[frame["metric"] == metric]
    means = {}
    for name, values in results.table(metric).complete_values().items():
        ends = chosen[chosen["method"] == name].set_index("category")[["low", "high"]]
        intervals = ends.reindex(list(results.categories)).to_numpy().tolist()
        known = [None if np.isnan(low) else (low, high) for low, high in intervals]
        within = zip(values.tolist(), known, strict=True)
        means[name] = float(values.mean()), mean_interval(list(within))
    return means
