"""The 95 % interval of every metric, from one set of test images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.metrics import image_metrics, pixel_metrics
from benchmarks.metrics.resampled import resampled_image_metrics, resampled_pixel_bounds
from benchmarks.statistics.bootstrap import multiplicities
from benchmarks.statistics.delong import auroc_interval
from benchmarks.statistics.proportions import (
    COVERAGE,
    Interval,
    effective_images,
    proportion_interval,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from benchmarks.array_types import Floats, Masks
    from benchmarks.metrics.resampled import Bounds


def metric_intervals(
    labels: ArrayLike,
    scores: ArrayLike,
    maps: Floats | None = None,
    masks: Masks | None = None,
    ignored: Masks | None = None,
) -> dict[str, Interval]:
    """Return metric → 95 % interval over draws of the test images, which contains its value.

    Image-level metrics, and pixel-level ones where the maps of all images are given; none where a
    class is missing. At 100 % recall the anomalous images are held, and false positives are exactly
    binomial; all else varies as a proportion of `effective_images`, the AUROC by DeLong's variance,
    the others by the bootstrap's.
    Arguments as `resampled_image_metrics` and `resampled_pixel_bounds`.
    """
    labels = np.asarray(labels)
    if labels.size == 0 or labels.min() == labels.max():
        return {}
    drawn = multiplicities(labels)
    values = image_metrics(labels, scores)
    resampled = resampled_image_metrics(labels, scores, drawn)
    intervals = {
        **_proportions(labels, values, resampled),
        "image_auroc": auroc_interval(labels, scores),
        **_at_full_recall(labels, values),
    }
    if maps is not None and masks is not None:
        bounds = resampled_pixel_bounds(maps, masks, drawn, ignored)
        if bounds:
            values = pixel_metrics(maps, masks, ignored)
            intervals |= _pixel_intervals(values, int(masks.any(axis=(1, 2)).sum()), bounds)
    return {name: intervals[name] for name in (*resampled, *intervals)}


def _at_full_recall(labels: Floats, values: Mapping[str, float]) -> dict[str, Interval]:
    """Return the intervals of what is counted at the lowest anomalous score.

    That threshold is a function of the anomalous images: given them each normal image is above it
    with the same chance, and no interval over other anomalous images is known that ends below 1.
    """
    normals = int((labels == 0).sum())
    rate = values["false_positive_rate_at_full_recall"]
    low, high = proportion_interval(rate, normals)
    most = {
        "error_at_full_recall": normals / labels.size,
        "false_positives_at_full_recall": normals,
        "false_positive_rate_at_full_recall": 1,
    }
    return {name: (low * scale, high * scale) for name, scale in most.items()}


def _proportions(
    labels: Floats, values: Mapping[str, float], resampled: Mapping[str, Floats]
) -> dict[str, Interval]:
    """Return the intervals of image-level metrics from their resamples."""
    anomalous = int((labels == 1).sum())
    normals = labels.size - anomalous
    counted = {
        "false_positives_at_f1_optimal": normals,
        "false_negatives_at_f1_optimal": anomalous,
    }
    # What a metric is at most a share of: F1 divides by true positives twice.
    most = {"error_at_f1_optimal": labels.size, "f1_max": 2 * anomalous, **counted}
    intervals = {}
    for name, own in resampled.items():
        scale = counted.get(name, 1)
        shares = own / scale
        images = most.get(name, anomalous)
        low, high = _interval(values[name] / scale, (shares, shares), images)
        intervals[name] = low * scale, high * scale
    return intervals


def _pixel_intervals(
    values: Mapping[str, float], defects: int, bounds: Mapping[str, Bounds]
) -> dict[str, Interval]:
    """Return the intervals of pixel-level metrics from the bounds of their resamples.

    `defects` is the number of images with defect pixels.
    """
    return {name: _interval(values[name], pair, 2 * defects) for name, pair in bounds.items()}


def _interval(share: float, bounds: Bounds, most: float) -> Interval:
    """Return the interval of a proportion with the resamples' variance, and their percentiles.

    Near an end of the scale resamples hide how far a value can be from there; where it jumps
    between two thresholds their variance hides the jump. The interval is what holds both.
    Half the bounds' distance is added to the deviation, which is then at least that of the values.

    Args:
        share: the value, in [0, 1].
        bounds: between what each resample's value lies, (B,) each.
        most: as `effective_images`.
    """
    lower, upper = bounds
    deviation = ((lower + upper) / 2).std() + ((upper - lower) / 2).max()
    images = effective_images(share, float(deviation) ** 2, most)
    low, high = proportion_interval(share, images)
    tail = (1 - COVERAGE) / 2
    least = float(np.quantile(lower, tail, method="lower"))
    greatest = float(np.quantile(upper, 1 - tail, method="higher"))
    # Sums of bounds round beyond the scale.
    return max(0.0, min(low, least)), min(1.0, max(high, greatest))
