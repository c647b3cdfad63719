"""How far a run's values would move on other test images, and which differences are more than that.

python -m benchmarks.uncertainty RUN
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from math import ceil, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from benchmarks.comparison import (
    Comparison,
    comparisons,
    find_run,
    first_seed,
    plots_folder,
    read_rows,
    stored_files,
)
from benchmarks.errors import BenchmarkError
from benchmarks.figures import read_scores
from benchmarks.marks import all_pairs, pairs_markdown
from benchmarks.metrics import METRICS, PRO_LIMIT
from benchmarks.significance import delong_interval, write_critical_difference
from benchmarks.store import atomic_file
from benchmarks.tables import MAIN_METRICS

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.floating[Any]]
    Counts = NDArray[np.int64]

RESAMPLES = 1000
COVERAGE = 0.95

THRESHOLDS = 4096
"""Scores at which pixels are counted: half of them quantiles of defect pixels, half of others."""

PART = 100
"""Resamples that are weighed together: a matrix of PART × THRESHOLDS counts stays small."""

ESTIMATE = ["category", "method", "seed", "metric", "value", "interval", "low", "high"]

FILES = ("uncertainty.md", "uncertainty.csv", "pairs.md", "pairs.csv")

EXTREME = (
    "It hangs on the lowest anomalous score, which resamples can only raise: its upper end is "
    "likely too low."
)
"""What the interval of a metric at full recall is worth."""

Interval = tuple[float, float]
Bounds = tuple["Floats", "Floats"]
"""What each resample's value is at least and at most, (B,) each."""


def multiplicities(labels: ArrayLike, resamples: int = RESAMPLES, seed: int = 0) -> Counts:
    """Return how often each resample holds each image, (resamples, N).

    Normal and anomalous images are drawn apart, as many of each as there are, with replacement
    (Efron & Tibshirani, An Introduction to the Bootstrap, 1993). The same labels and seed give the
    same resamples, whatever the method.

    Args:
        labels: (N,), 0 normal, 1 anomalous.
        resamples: how many.
        seed: of the draws.
    """
    labels = np.asarray(labels)
    random = np.random.default_rng(seed)
    drawn = np.zeros((resamples, labels.size), np.int64)
    for label in (0, 1):
        members = np.flatnonzero(labels == label)
        if members.size:
            even = np.full(members.size, 1 / members.size)
            drawn[:, members] = random.multinomial(members.size, even, size=resamples)
    return drawn


def resampled_image_metrics(
    labels: ArrayLike, scores: ArrayLike, drawn: Counts
) -> dict[str, Floats]:
    """Return every image-level metric of each resample, (B,), as `metrics.image_metrics` has it.

    Args:
        labels: (N,), 0 normal, 1 anomalous, of both some.
        scores: (N,), higher is more anomalous, on any scale.
        drawn: from `multiplicities`, (B, N).
    """
    anomalous, scores = np.asarray(labels) == 1, np.asarray(scores)
    positives, negatives = scores[anomalous, None], scores[~anomalous, None]
    thresholds = np.unique(positives)
    weights, others = drawn[:, anomalous].astype(float), drawn[:, ~anomalous].astype(float)
    at, found = weights @ (positives == thresholds), weights @ (positives >= thresholds)  # (B, D)
    above, at_or_above = others @ (negatives > thresholds), others @ (negatives >= thresholds)
    defects, normals = weights.sum(axis=1), others.sum(axis=1)  # (B,)
    precision = found / np.maximum(found + at_or_above, 1)
    # A threshold that no resampled image has never wins: the next one finds as many.
    f1 = 2 * found / (found + at_or_above + defects[:, None])
    rows, lowest, best = np.arange(len(drawn)), (at > 0).argmax(axis=1), f1.argmax(axis=1)
    false, missed = at_or_above[rows, best], defects - found[rows, best]
    full = at_or_above[rows, lowest]
    return {
        "image_auroc": (at * (2 * normals[:, None] - above - at_or_above)).sum(axis=1)
        / (2 * normals * defects),
        "image_ap": (at * precision).sum(axis=1) / defects,
        "error_at_full_recall": full / (normals + defects),
        "false_positives_at_full_recall": full,
        "false_positive_rate_at_full_recall": full / normals,
        "error_at_f1_optimal": (false + missed) / (normals + defects),
        "false_positives_at_f1_optimal": false,
        "false_negatives_at_f1_optimal": missed,
        "f1_max": f1[rows, best],
    }


def resampled_pixel_bounds(
    maps: Floats, masks: NDArray[np.bool_], drawn: Counts
) -> dict[str, Bounds]:
    """Return between which bounds every pixel-level metric of each resample lies.

    Exact are the counts of pixels at or above each of `THRESHOLDS` scores. Between two of them
    the pixels' order is left open, and the bounds are what the best and the worst order give: the
    exact metric (`metrics.pixel_metrics` of the resampled maps) lies within them. Resamples without
    both defect and defect-free pixels are left out.

    Args:
        maps: anomaly maps of all test images, (N, H, W).
        masks: defect pixels, (N, H, W).
        drawn: from `multiplicities`, (B, N).
    """
    counts = _pixel_counts(maps, masks)
    there = np.logical_and(*((drawn @ part.sum(axis=1)) > 0 for part in counts[:2]))
    parts = np.array_split(drawn[there].astype(float), ceil(len(drawn) / PART))
    bounds = [_pixel_bounds(*(part @ count for count in counts)) for part in parts if len(part)]
    return {
        name: (
            np.concatenate([part[name][0] for part in bounds]),
            np.concatenate([part[name][1] for part in bounds]),
        )
        for name in (bounds[0] if bounds else ())
    }


def _pixel_counts(maps: Floats, masks: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Return each image's defect-free pixels, defect pixels and shares of regions by score.

    Each (N, K), from the highest scores down; a region's pixels share 1.
    """
    from scipy.ndimage import label

    grid = np.unique(np.concatenate([_quantiles(maps[masks]), _quantiles(maps[~masks])]))
    counts = np.zeros((3, len(maps), grid.size + 1))
    for number, (scores, mask) in enumerate(zip(maps, masks, strict=True)):
        place = grid.size - np.searchsorted(grid, scores, side="right")  # (H, W)
        region = label(mask, np.ones((3, 3)))[0][mask]
        shares = 1 / np.bincount(region)[region]
        for row, (pixels, weights) in enumerate(((~mask, None), (mask, None), (mask, shares))):
            counts[row, number] = np.bincount(place[pixels], weights, minlength=grid.size + 1)
    return counts[0], counts[1], counts[2]


def _quantiles(scores: Floats) -> Floats:
    # Any thresholds will do for bounds that hold, so that these need not be exact.
    some = np.sort(scores[:: max(1, scores.size // 2**20)])
    return some[np.linspace(0, some.size - 1, min(some.size, THRESHOLDS // 2)).astype(int)]


def _pixel_bounds(normal: Floats, defect: Floats, share: Floats) -> dict[str, Bounds]:
    """Return the bounds of resamples from their weighted counts, (B, K) each."""
    false, found, overlap = (part.cumsum(axis=1) for part in (normal, defect, share))
    false_before, found_before, overlap_before = false - normal, found - defect, overlap - share
    normals, defects = false[:, -1:], found[:, -1:]
    pairs = (normals * defects)[:, 0]
    rate, rate_before = (np.minimum(part / normals, PRO_LIMIT) for part in (false, false_before))
    regions = overlap[:, -1] * PRO_LIMIT
    return {
        "pixel_auroc": (
            (defect * (normals - false)).sum(axis=1) / pairs,
            (defect * (normals - false_before)).sum(axis=1) / pairs,
        ),
        "pixel_ap": (
            (defect * (found_before + 1) / (found_before + 1 + false)).sum(axis=1) / defects[:, 0],
            (defect * found / np.maximum(found + false_before, 1)).sum(axis=1) / defects[:, 0],
        ),
        "aupro_30": (
            ((rate - rate_before) * overlap_before).sum(axis=1) / regions,
            ((rate - rate_before) * overlap).sum(axis=1) / regions,
        ),
    }


def percentile_interval(lower: Floats, upper: Floats | None = None) -> Interval:
    """Return the 95 % percentile interval of resampled values, (B,).

    Of bounds it runs from the lower ones' quantile to the upper ones': it contains the interval of
    the values themselves.
    """
    tail = (1 - COVERAGE) / 2
    return (
        float(np.quantile(lower, tail, method="lower")),
        float(np.quantile(lower if upper is None else upper, 1 - tail, method="higher")),
    )


def bootstrap_intervals(
    labels: ArrayLike,
    scores: ArrayLike,
    maps: Floats | None = None,
    masks: NDArray[np.bool_] | None = None,
) -> dict[str, Interval]:
    """Return metric → 95 % interval over draws of the test images.

    Image-level metrics, and pixel-level ones where the maps of all images are given; none where a
    class is missing. Arguments as `resampled_image_metrics` and `resampled_pixel_bounds`.
    """
    labels = np.asarray(labels)
    if labels.size == 0 or labels.min() == labels.max():
        return {}
    drawn = multiplicities(labels)
    values = resampled_image_metrics(labels, scores, drawn)
    intervals = {name: percentile_interval(value) for name, value in values.items()}
    if maps is not None and masks is not None:
        bounds = resampled_pixel_bounds(maps, masks, drawn)
        intervals |= {name: percentile_interval(*pair) for name, pair in bounds.items()}
    return intervals


def cell_intervals(scores: Path, maps: Path | None) -> dict[str, Interval]:
    """Return `bootstrap_intervals` of a stored cell; pixel-level ones where it kept all maps.

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
            return bootstrap_intervals(labels, values, stored["maps"], stored["masks"])
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


def _estimates_table(comparison: Comparison, frame: pd.DataFrame, metric: str) -> str:
    """Return one metric's categories × methods as Markdown."""
    from tabulate import tabulate

    own = frame[(frame["metric"] == metric) & (frame["interval"] == "bootstrap")]
    fraction = METRICS[metric].unit == "fraction"
    texts = {}
    row: Any
    for row in own.itertuples():
        value, low, high = (
            f"{100 * number:.1f}" if fraction else f"{number:.0f}"
            for number in (row.value, row.low, row.high)
        )
        spread = "" if np.isnan(row.low) else f" [{low}, {high}]"
        texts[row.category, row.method] = "–" if np.isnan(row.value) else value + spread
    unit = "%" if fraction else "images"
    subject = (
        f"{METRICS[metric].label} in {unit} [{COVERAGE:.0%} bootstrap interval over test images]"
    )
    extreme = f" {EXTREME}" if metric.endswith("full_recall") else ""
    rows = [
        [category, *(texts.get((category, method), "–") for method in comparison.methods)]
        for category in comparison.categories
    ]
    header = ["category", *comparison.methods]
    table = tabulate(rows, headers=header, tablefmt="pipe", disable_numparse=True)
    return f"{comparison.caption(subject, first_seed(comparison))}{extreme}\n\n{table}\n"


def write_uncertainty(run: Path) -> tuple[list[Path], str]:
    """Write `run`/tables/uncertainty and pairs, .md and .csv; return paths and the main tables.

    Raises:
        BenchmarkError: the run has no readable metrics.csv, or a stored file is unreadable.
        StorageError: the tables can't be written.
    """
    texts: dict[str, list[str]] = {name: [] for name in FILES}
    shown = []
    for comparison in comparisons(read_rows(run)):
        cells, tests = estimates(run, comparison), all_pairs(run, comparison)
        heads = comparison.caption("Intervals", first_seed(comparison)), comparison.caption("Pairs")
        for name, head, frame in zip(FILES[1::2], heads, (cells, tests), strict=True):
            body = frame.to_csv(index=False, lineterminator="\n")
            texts[name].append(f"# {head}\n{body}")
        over_categories = tests[tests["test"] == "wilcoxon"]
        for metric in filter(comparison.has, METRICS):
            texts["uncertainty.md"].append(_estimates_table(comparison, cells, metric))
            texts["pairs.md"].append(pairs_markdown(comparison, tests, metric))
            if metric in MAIN_METRICS:
                shown.append(texts["uncertainty.md"][-1])
                shown.append(pairs_markdown(comparison, over_categories, metric))
    for name, parts in texts.items():
        with atomic_file(run / "tables" / name) as file:
            file.write("\n".join(parts).encode())
    return [run / "tables" / name for name in texts], "\n".join(shown)


def main(argv: Sequence[str] | None = None) -> int:
    """Write and print a run's uncertainty; return 0, or 2 where there is nothing to judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.uncertainty", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="a run's folder, or its name under results/")
    name = parser.parse_args(argv).run
    try:
        run = find_run(name).resolve()
        paths, text = write_uncertainty(run)
        paths += write_critical_difference(run, plots_folder(run))
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(text, end="")
    print(*paths, sep="\n", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
