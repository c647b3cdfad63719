"""How many samples lie at or above each anomalous score, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.array_types import Counts, Floats, Masks

PART = 2**20
"""Scores that one thread counts at a time."""


@dataclass(frozen=True)
class Confusion:
    """How many samples a threshold gets right and wrong: score ≥ threshold is called anomalous.

    Numbers are integers; of several thresholds, or of resamples, arrays of them.
    """

    true_positives: Any
    false_positives: Any
    false_negatives: Any
    true_negatives: Any

    @property
    def positives(self) -> Any:
        """Anomalous samples."""
        return self.true_positives + self.false_negatives

    @property
    def recall(self) -> Any:
        """Anomalous samples called so, over all of them."""
        return self.true_positives / self.positives

    @property
    def errors(self) -> Any:
        """Misclassified samples."""
        return self.false_positives + self.false_negatives

    @property
    def error(self) -> Any:
        """Misclassified samples over all samples."""
        return self.errors / (self.errors + self.true_positives + self.true_negatives)

    @property
    def false_positive_rate(self) -> Any:
        """Normal samples called anomalous, over all normal samples."""
        return self.false_positives / (self.false_positives + self.true_negatives)

    @property
    def f1(self) -> Any:
        """Harmonic mean of precision and recall."""
        # One rounded division of integers: below 2**25 samples equal F1 values are equal floats and
        # different ones differ, which the usual 2·precision·recall / (precision + recall) spoils.
        return 2 * self.true_positives / (2 * self.true_positives + self.errors)


def confusion(true_positives: Any, false_positives: Any, positives: Any, normals: Any) -> Confusion:
    """Return the confusion of anomalous samples (positives) and normal ones, so many in all."""
    missed, passed = positives - true_positives, normals - false_positives
    return Confusion(true_positives, false_positives, missed, passed)


@dataclass(frozen=True)
class WorkingPoint(Confusion):
    """What one threshold makes of the test set."""

    threshold: float

    def misclassified(self, labels: Counts, scores: Floats) -> Masks:
        """Return which samples, (N,), the threshold gets wrong.

        Args:
            labels: (N,), 0 normal, 1 anomalous.
            scores: (N,).
        """
        return (scores >= self.threshold) != (labels == 1)


@dataclass(frozen=True)
class Tally:
    """Where D distinct anomalous scores (the thresholds, ascending) stand among all scores.

    Attributes:
        thresholds: the distinct scores of the P anomalous samples, (D,).
        rank: index into `thresholds` of each anomalous sample, in the input's order, (P,).
        above: normal samples with score > threshold, (D,).
        at_or_above: normal samples with score ≥ threshold, (D,).
        normals: all normal samples.
    """

    thresholds: Floats
    rank: Counts
    above: Counts
    at_or_above: Counts
    normals: int

    @cached_property
    def true_positives(self) -> Counts:
        """The anomalous samples with score ≥ threshold, (D,)."""
        return np.bincount(self.rank)[::-1].cumsum()[::-1]

    @cached_property
    def points(self) -> Confusion:
        """What each threshold makes of the samples, (D,)."""
        return confusion(self.true_positives, self.at_or_above, self.rank.size, self.normals)

    @cached_property
    def full_recall(self) -> WorkingPoint:
        """The working point at the lowest threshold, the only one that misses nothing."""
        return self.working_point(0)

    @cached_property
    def f1_optimal(self) -> WorkingPoint:
        """The working point of maximal F1, of several the lowest threshold's."""
        return self.working_point(int(self.points.f1.argmax()))

    def auroc(self) -> float:
        """Return the area under the ROC curve, ties counted half."""
        doubled = 2 * self.normals - self.above - self.at_or_above
        return int(doubled[self.rank].sum()) / (2 * self.normals * self.rank.size)

    def average_precision(self) -> float:
        """Return Σ (recall step · precision), not interpolated."""
        precision = self.true_positives / (self.true_positives + self.at_or_above)
        return float(precision[self.rank].mean())

    def working_point(self, index: int) -> WorkingPoint:
        """Return what the threshold of that index makes of the samples."""
        numbers = {name: int(array[index]) for name, array in vars(self.points).items()}
        return WorkingPoint(**numbers, threshold=float(self.thresholds[index]))


def real_numbers(values: ArrayLike, what: str) -> Floats:
    """Return scores as they are, in this machine's order of bytes, which compiled loops need.

    Args:
        values: of any shape.
        what: what they are, for messages.

    Raises:
        ValueError: they aren't real numbers, are of more than 64 bits, NaN or infinite.
    """
    numbers = np.asarray(values)
    kind, size = numbers.dtype.kind, numbers.dtype.itemsize
    if kind not in "biuf" or size > 8:
        raise ValueError(
            f"{what} are {numbers.dtype}; give real numbers of at most 64 bits, such as float64"
        )
    if not np.isfinite(numbers).all():
        raise ValueError(f"{what} hold NaN or infinite values")
    return numbers.astype(f"{kind}{size}", copy=False)


def make_tally(scores: Floats, anomalous: Masks) -> Tally | None:
    """Count over scores (N,) and their labels (N,); None where one class is missing."""
    positives = scores[anomalous]
    normals = scores.size - positives.size
    if positives.size == 0 or normals == 0:
        return None
    from benchmarks.metrics import counting

    if scores.dtype == np.float16:  # which compiled loops don't know
        return make_tally(scores.astype(np.float32), anomalous)
    thresholds, rank = np.unique(positives, return_inverse=True)
    extent = float(thresholds[-1]) - float(thresholds[0])
    scale = counting.INTERVALS / extent if extent > np.finfo(float).tiny else 0.0
    first = counting.first_thresholds(thresholds, scale)

    def count(part: Floats, anomalous: Masks) -> Sequence[Counts]:
        return counting.count(part, anomalous, thresholds, first, scale)

    parts = 1 + scores.size // PART
    with ThreadPoolExecutor() as pool:
        counts = pool.map(count, np.array_split(scores, parts), np.array_split(anomalous, parts))
        between, tied = np.sum(list(counts), axis=0)
    # above a threshold is what lies beyond it before the next, and all from the next one on
    at_or_above = (between + tied)[::-1].cumsum()[::-1]
    return Tally(thresholds, rank, at_or_above - tied, at_or_above, normals)
