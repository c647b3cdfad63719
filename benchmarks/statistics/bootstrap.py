"""Bootstrap resamples of the test images, and intervals from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.metrics.resampled import resampled_image_metrics, resampled_pixel_bounds

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from benchmarks.array_types import Counts, Floats, Masks


RESAMPLES = 1000

COVERAGE = 0.95

Interval = tuple[float, float]


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
    masks: Masks | None = None,
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
