"""The metrics of bootstrap resamples, exact for images, bounded for pixels."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.metrics.definitions import PRO_LIMIT
from benchmarks.metrics.tally import real_numbers

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from benchmarks.array_types import Counts, Floats, Masks


THRESHOLDS = 4096
"""Scores at which pixels are counted: half of them quantiles of defect pixels, half of others."""

RESAMPLES_TOGETHER = 100
"""Resamples that are weighed together, so that a matrix of them × THRESHOLDS stays small."""

Bounds = tuple["Floats", "Floats"]
"""What each resample's value is at least and at most, (B,) each."""


def resampled_image_metrics(
    labels: ArrayLike, scores: ArrayLike, drawn: Counts
) -> dict[str, Floats]:
    """Return every image-level metric of each resample, (B,), as `metrics.image_metrics` has it.

    Args:
        labels: (N,), 0 normal, 1 anomalous, of both some.
        scores: (N,), higher is more anomalous, on any scale.
        drawn: from `multiplicities`, (B, N).

    Raises:
        ValueError: scores are no real numbers of at most 64 bits, or NaN or infinite.
    """
    anomalous, scores = np.asarray(labels) == 1, real_numbers(scores, "scores")
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
    maps: Floats, masks: Masks, drawn: Counts, ignored: Masks | None = None
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
        ignored: pixels that count as nothing, (N, H, W), none of them a defect.

    Raises:
        ValueError: maps are no real numbers of at most 64 bits, or hold NaN or infinite values.
    """
    free = ~masks if ignored is None else ~(masks | ignored)
    counts = _pixel_counts(real_numbers(maps, "maps"), masks, free)
    there = np.logical_and(*((drawn @ part.sum(axis=1)) > 0 for part in counts[:2]))
    parts = np.array_split(drawn[there].astype(float), ceil(len(drawn) / RESAMPLES_TOGETHER))
    bounds = [_pixel_bounds(*(part @ count for count in counts)) for part in parts if len(part)]
    return {
        name: (
            np.concatenate([part[name][0] for part in bounds]),
            np.concatenate([part[name][1] for part in bounds]),
        )
        for name in (bounds[0] if bounds else ())
    }


def _pixel_counts(maps: Floats, masks: Masks, free: Masks) -> tuple[Floats, Floats, Floats]:
    """Return each image's defect-free pixels, defect pixels and shares of regions by score.

    Each (N, K), from the highest scores down; a region's pixels share 1. `free` are the defect-free
    pixels, (N, H, W).
    """
    from scipy.ndimage import label

    grid = np.unique(np.concatenate([_quantiles(maps[masks]), _quantiles(maps[free])]))
    counts = np.zeros((3, len(maps), grid.size + 1))
    for number, (scores, mask, other) in enumerate(zip(maps, masks, free, strict=True)):
        place = grid.size - np.searchsorted(grid, scores, side="right")  # (H, W)
        region = label(mask, np.ones((3, 3)))[0][mask]
        shares = 1 / np.bincount(region)[region]
        for row, (pixels, weights) in enumerate(((other, None), (mask, None), (mask, shares))):
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
