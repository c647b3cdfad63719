"""The 95 % interval of every metric, from one set of test images."""

from __future__ import annotations

from math import isnan

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.array_types import Floats, Masks, RegionNumbers
from benchmarks.metrics.definitions import METRICS, Metric
from benchmarks.metrics.image import full_recall, image_metrics, resampled_image_metrics
from benchmarks.metrics.pixel import Bounds, pixel_metrics, resampled_pixel_bounds
from benchmarks.statistics.bootstrap import multiplicities
from benchmarks.statistics.delong import auroc_interval
from benchmarks.statistics.proportions import (
    COVERAGE,
    Interval,
    effective_images,
    proportion_interval,
)


def metric_intervals(
    labels: ArrayLike,
    scores: ArrayLike,
    maps: Floats | None = None,
    masks: Masks | None = None,
    ignored: Masks | None = None,
    *,
    regions: RegionNumbers | None = None,
) -> dict[str, Interval]:
    """Return metric → 95 % interval over draws of the test images, which contains its value.

    Image-level metrics, and pixel-level ones where the maps of all images are given; none where a
    class is missing. At 100 % recall the anomalous images are held, and false positives are exactly
    binomial; all else varies as a proportion of `effective_images`, the AUROC by DeLong's variance,
    the others by the bootstrap's. Arguments and errors as `image_metrics` and `measure_pixels`.
    """
    labels = np.asarray(labels)
    if labels.size == 0 or labels.min() == labels.max():
        return {}
    drawn, values = multiplicities(labels), image_metrics(labels, scores)
    intervals = {
        name: _image_interval(METRICS[name], values[name], resamples, labels, scores)
        for name, resamples in resampled_image_metrics(labels, scores, drawn).items()
    }
    if maps is not None and masks is not None:
        nominal = labels == 0
        values = pixel_metrics(maps, masks, ignored, regions, nominal)
        defects = int(masks.any(axis=(1, 2)).sum())
        resamples = resampled_pixel_bounds(maps, masks, drawn, ignored, regions, nominal=nominal)
        for name, bounds in resamples.items():
            if isnan(values[name]):
                continue
            most = METRICS[name].images_per_defect * defects
            intervals[name] = _interval(values[name], bounds, most)
    return intervals


def _image_interval(
    metric: Metric, value: float, resamples: Floats, labels: Floats, scores: ArrayLike
) -> Interval:
    """Return an image-level metric's interval from its value, and those of resamples, (B,)."""
    if metric.interval == "delong":
        return auroc_interval(labels, scores)
    anomalous = int((labels == 1).sum())
    images = {"n_test_good": labels.size - anomalous, "n_test_defect": anomalous}
    counted = sum(images[cells] for cells in metric.counted_images)
    if metric.interval == "binomial":
        scale = images["n_test_good"] / (1 if metric.unit == "images" else counted)
        low, high = _full_recall_interval(labels, scores)
    else:
        scale = counted if metric.unit == "images" else 1
        shares = resamples / scale
        most = counted or metric.images_per_defect * anomalous
        low, high = _interval(value / scale, (shares, shares), most)
    return low * scale, high * scale


def _full_recall_interval(labels: Floats, scores: ArrayLike) -> Interval:
    """Return the interval of the false-positive rate at the lowest anomalous score.

    That threshold is a function of the anomalous images: given them each normal image is above it
    with the same chance, and no interval over other anomalous images is known that ends below 1.
    """
    point = full_recall(labels, scores)
    assert point is not None  # of both classes there are some
    return proportion_interval(point.false_positive_rate, int((labels == 0).sum()))


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
