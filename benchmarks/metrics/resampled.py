"""What bootstrap resamples count at each threshold: exact for images, bounded for pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.array_types import Counts, Floats, Masks
from benchmarks.metrics.tally import Confusion, confusion

THRESHOLDS = 4096
"""Scores at which pixels are counted: half of them quantiles of defect pixels, half of others."""


@dataclass(frozen=True)
class Resampled:
    """Counts of B resamples at D thresholds, for the same functions as a `Tally`.

    Attributes:
        at: anomalous samples that score between this threshold and the next higher one, (B, D).
        true_positives: anomalous samples with score ≥ threshold, (B, D).
        above: normal samples with score > threshold, (B, D).
        at_or_above: normal samples with score ≥ threshold, (B, D).
        positives: all anomalous samples, (B, 1).
        normals: all normal samples, (B, 1).
    """

    at: Floats
    true_positives: Floats
    above: Floats
    at_or_above: Floats
    positives: Floats
    normals: Floats

    @cached_property
    def points(self) -> Confusion:
        """What each threshold makes of each resample, (B, D)."""
        return confusion(self.true_positives, self.at_or_above, self.positives, self.normals)

    @cached_property
    def full_recall(self) -> Confusion:
        """What the highest threshold that misses nothing makes of each resample, (B,)."""
        misses = self.points.false_negatives > 0
        return self._best(np.where(misses, -np.inf, -self.at_or_above))

    @cached_property
    def f1_optimal(self) -> Confusion:
        """What the threshold of maximal F1 makes of each resample, (B,)."""
        # A threshold that no resampled image has never wins: the next one finds as many.
        return self._best(self.points.f1)

    def auroc(self) -> Floats:
        """Return the area under the ROC curve, ties counted half, (B,)."""
        doubled = self.at * (2 * self.normals - self.above - self.at_or_above)
        return doubled.sum(axis=1) / (2 * self.normals * self.positives)[:, 0]

    def average_precision(self) -> Floats:
        """Return Σ (recall step · precision), (B,)."""
        precision = self.true_positives / np.maximum(self.true_positives + self.at_or_above, 1)
        return (self.at * precision).sum(axis=1) / self.positives[:, 0]

    def _best(self, values: Floats) -> Confusion:
        place = np.arange(len(values)), values.argmax(axis=1)
        return Confusion(*(array[place] for array in vars(self.points).values()))


def count_images(anomalous: Masks, scores: Floats, drawn: Counts) -> Resampled:
    """Return the counts of resamples at every distinct anomalous score.

    Args:
        anomalous: (N,), of both classes some.
        scores: (N,), finite.
        drawn: how often each resample holds each image, (B, N), of both classes some.
    """
    positives, negatives = scores[anomalous, None], scores[~anomalous, None]
    thresholds = np.unique(positives)
    weights, others = drawn[:, anomalous].astype(float), drawn[:, ~anomalous].astype(float)
    return Resampled(
        at=weights @ (positives == thresholds),
        true_positives=weights @ (positives >= thresholds),
        above=others @ (negatives > thresholds),
        at_or_above=others @ (negatives >= thresholds),
        positives=weights.sum(axis=1, keepdims=True),
        normals=others.sum(axis=1, keepdims=True),
    )


@dataclass(frozen=True)
class ResampledPixels(Resampled):
    """Counts of pixels at some thresholds, as one order of the pixels between them has them.

    Attributes:
        counted: with how many true positives each of `at` has its precision, (B, D).
        rates: false-positive rates from 0 up, between which overlaps are, (B, D + 1).
        overlap: the mean share of a region that is found there, (B, D).
        aupimo: the AUPIMO, (B,).
    """

    counted: Floats
    rates: Floats
    overlap: Floats
    aupimo: Floats

    def aupro(self, limit: float) -> Floats:
        """Return the area under the PRO curve up to a rate, divided by that rate, (B,)."""
        widths = np.diff(np.minimum(self.rates, limit))
        return (widths * self.overlap).sum(axis=1) / limit

    def average_precision(self) -> Floats:
        """Return Σ (recall step · precision), (B,)."""
        called = np.maximum(self.counted + self.at_or_above, 1)
        return (self.at * self.counted / called).sum(axis=1) / self.positives[:, 0]


def pixel_orders(
    normal: Floats, defect: Floats, share: Floats, aupimo: tuple[Floats, Floats]
) -> tuple[ResampledPixels, ResampledPixels]:
    """Return the counts for the worst order of the pixels between two thresholds, and the best.

    Worst, all defect-free pixels come before the defects; best, after them.

    Args:
        normal: each resample's defect-free pixels from one threshold to the next higher one, from
            the highest down, (B, D).
        defect: likewise its defect pixels.
        share: likewise their shares of regions, where a region's pixels share 1.
        aupimo: the AUPIMO of the worst order, and of the best, (B,) each.
    """
    false, true, overlap = (part.cumsum(axis=1) for part in (normal, defect, share))
    normals, positives = false[:, -1:], true[:, -1:]
    regions = overlap[:, -1:]
    rates = np.pad(false / normals, ((0, 0), (1, 0)))

    def order(above: Floats, counted: Floats, reached: Floats, aupimo: Floats) -> ResampledPixels:
        counts = defect, true, above, above, positives, normals, counted
        return ResampledPixels(*counts, rates, reached / regions, aupimo)

    worst = order(false, true - defect + 1, overlap - share, aupimo[0])
    return worst, order(false - normal, true, overlap, aupimo[1])


def count_pixels(
    maps: Floats, masks: Masks, free: Masks, shares: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return each image's defect-free pixels, defect pixels and shares of regions by score.

    Each (N, D), from the highest scores down; a region's pixels share 1.

    Args:
        maps: anomaly maps, (N, H, W), finite.
        masks: defect pixels, (N, H, W), some.
        free: defect-free pixels, (N, H, W), some.
        shares: each defect pixel's share of its region, (P,).
    """
    grid = np.unique(np.concatenate([_quantiles(maps[masks]), _quantiles(maps[free])]))
    counts = np.zeros((3, len(maps), grid.size + 1))
    of_image = np.split(shares, masks.sum(axis=(1, 2)).cumsum()[:-1])
    for number, (scores, mask, other) in enumerate(zip(maps, masks, free, strict=True)):
        place = grid.size - np.searchsorted(grid, scores, side="right")  # (H, W)
        weighed = ((other, None), (mask, None), (mask, of_image[number]))
        for row, (pixels, weights) in enumerate(weighed):
            counts[row, number] = np.bincount(place[pixels], weights, minlength=grid.size + 1)
    return counts[0], counts[1], counts[2]


def _quantiles(scores: Floats) -> Floats:
    # Any thresholds will do for bounds that hold, so that these need not be exact.
    some = np.sort(scores[:: max(1, scores.size // 2**20)])
    return some[np.linspace(0, some.size - 1, min(some.size, THRESHOLDS // 2)).astype(int)]
