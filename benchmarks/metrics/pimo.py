"""AUPIMO: how much of each defect shows where hardly a pixel of a nominal image does.

(Bertoldo et al., "AUPIMO: Redefining Visual Anomaly Detection Benchmarks with High Speed and Low
Tolerance", BMVC 2024.)
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np

from benchmarks.array_types import Counts, Floats, Masks

RATES = (1e-5, 1e-4)
"""Between these false-positive rates the overlap is averaged, over their logarithm."""

DEPTH = 10
"""How many times the tail of the value is kept for resamples, which may lack its images."""

THRESHOLDS = 4096
"""At most so many scores of a tail are told apart in resamples."""


@dataclass(frozen=True)
class NominalTail:
    """The highest scores of nominal images' pixels.

    Attributes:
        scores: ascending, (K,).
        images: which nominal image each is of, from 0, (K,).
        sizes: pixels of each nominal image, (M,).
    """

    scores: Floats
    images: Counts
    sizes: Counts

    def rates(self, thresholds: Floats) -> Floats:
        """Return the mean over images of their false-positive rates at each threshold, (D,)."""
        shares = 1 / (self.sizes.size * self.sizes[self.images[::-1]])
        sums = np.concatenate(([0.0], shares.cumsum()))
        return sums[self.scores.size - np.searchsorted(self.scores, thresholds, "left")]


def nominal_tail(
    maps: Floats, nominal: Masks, ignored: Masks | None, depth: int = 1
) -> NominalTail | None:
    """Return the pixels that score highest, as many as all `RATES` need, and those that tie.

    None where nominal images have fewer pixels than 1 / `RATES[0]`: a single one is above the rate.

    Args:
        maps: anomaly maps, (N, H, W), finite.
        nominal: which images count, (N,).
        ignored: pixels that count as nothing, (N, H, W).
        depth: how many times as many are returned.
    """
    numbers = np.flatnonzero(nominal)
    images = [maps[i].ravel() if ignored is None else maps[i][~ignored[i]] for i in numbers]
    sizes = np.array([image.size for image in images], np.int64)
    if sizes.sum() * RATES[0] < 1:
        return None
    wanted = int(depth * RATES[1] * sizes.size * sizes.max()) + 1
    scores, owners = images[0][:0], np.empty(0, np.int64)
    least = None
    for number, image in enumerate(images):
        high = image if least is None else image[image >= least]
        scores = np.concatenate((scores, high))
        owners = np.concatenate((owners, np.full(high.size, number)))
        if scores.size > wanted:
            least = np.partition(scores, scores.size - wanted)[scores.size - wanted]
            scores, owners = scores[scores >= least], owners[scores >= least]
    order = scores.argsort(kind="stable")
    return NominalTail(scores[order], owners[order], sizes)


def overlap_weights(rates: Floats) -> Floats:
    """Return over which share of ln x, x from `RATES[0]` to `RATES[1]`, a pixel is found.

    Integrating an image's true-positive rate over ln x is to sum this over its defect pixels: each
    is found from the false-positive rate at its own score on.

    Args:
        rates: the false-positive rates at the pixels' scores.
    """
    low, high = RATES
    return np.log(high / np.clip(rates, low, high)) / np.log(high / low)


def aupimo(tail: NominalTail | None, scores: Floats, rank: Counts, pixels: Counts) -> float:
    """Return the mean over images with defect pixels of their overlap; nan without a tail.

    Args:
        tail: of nominal images.
        scores: distinct scores of defect pixels, (D,).
        rank: which of them each pixel has, in the images' order, (P,).
        pixels: defect pixels of each image, (N,).
    """
    if tail is None:
        return nan
    marked = pixels[pixels > 0]
    starts = marked.cumsum() - marked
    sums = np.add.reduceat(overlap_weights(tail.rates(scores))[rank], starts)
    return float((sums / marked).mean())


@dataclass(frozen=True)
class Overlaps:
    """What AUPIMO of resamples follows from, at G thresholds, ascending.

    Attributes:
        above: share of each image's pixels with score > threshold, 0 but for nominal ones, (N, G).
        at_or_above: likewise with score ≥ threshold.
        nominal: which images are nominal, (N,).
        marked: which have defect pixels, (N,).
        overlap: share of each one's defect pixels above the threshold before, up to this one; last,
            above all, (N, G + 1).
    """

    above: Floats
    at_or_above: Floats
    nominal: Masks
    marked: Masks
    overlap: Floats

    def bounds(self, drawn: Floats) -> tuple[Floats, Floats]:
        """Return at least and at most the values of resamples, (B,) each; nan without an image.

        Args:
            drawn: how often each resample holds each image, (B, N).
        """
        images = drawn @ self.nominal
        images[images == 0] = nan
        above, at_or_above = (
            drawn @ part / images[:, None] for part in (self.above, self.at_or_above)
        )
        last = np.zeros((len(drawn), 1))
        overlap = drawn @ self.overlap / (drawn @ self.marked)[:, None]
        # Of pixels between two thresholds all are as low as they can be, or as high.
        worst = np.concatenate((last + 1, above), axis=1)
        best = np.concatenate((at_or_above, last), axis=1)
        low, high = ((overlap * overlap_weights(rates)).sum(axis=1) for rates in (worst, best))
        return low, high


def count_overlaps(
    maps: Floats, masks: Masks, nominal: Masks, ignored: Masks | None
) -> Overlaps | None:
    """Return what resamples' AUPIMO follows from; None where the value is undefined.

    Arguments as `nominal_tail`, and

    Args:
        masks: defect pixels, (N, H, W).
    """
    tail = nominal_tail(maps, nominal, ignored, DEPTH)
    if tail is None:
        return None
    grid = np.unique(tail.scores)
    if grid.size > THRESHOLDS:
        grid = grid[np.linspace(0, grid.size - 1, THRESHOLDS).astype(int)]
    above, at_or_above = (np.zeros((len(maps), grid.size)) for _ in range(2))
    overlap = np.zeros((len(maps), grid.size + 1))
    for number, image in enumerate(np.flatnonzero(nominal)):
        scores = tail.scores[tail.images == number]
        size = tail.sizes[number]
        above[image] = (scores.size - np.searchsorted(scores, grid, "right")) / size
        at_or_above[image] = (scores.size - np.searchsorted(scores, grid, "left")) / size
    marked = np.asarray(masks.any(axis=(1, 2)))
    for image in np.flatnonzero(marked):
        place = np.searchsorted(grid, maps[image][masks[image]], "left")
        overlap[image] = np.bincount(place, minlength=grid.size + 1) / place.size
    return Overlaps(above, at_or_above, nominal, marked, overlap)
