"""DeLong's variance of the AUROC, the interval that follows, and the paired test."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.array_types import Floats
from benchmarks.metrics.image import auroc
from benchmarks.statistics.pairs import DIGITS
from benchmarks.statistics.proportions import Interval, effective_images, proportion_interval


def midranks(values: ArrayLike) -> Floats:
    """Return the ranks of values (N,), from 1; equal ones share their mean rank."""
    _, places, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    return np.asarray((counts.cumsum() - (counts - 1) / 2)[places])


def _placements(labels: ArrayLike, scores: ArrayLike) -> tuple[Floats, Floats] | None:
    """Return the share of the other class that each anomalous, and each normal image beats.

    By midranks, in O(N log N). None where a class has fewer than two images: no variance.
    """
    anomalous, scores = np.asarray(labels) == 1, np.asarray(scores)
    positives, negatives = scores[anomalous], scores[~anomalous]
    if min(positives.size, negatives.size) < 2:
        return None
    ranks = midranks(scores)
    beaten = (ranks[anomalous] - midranks(positives)) / negatives.size
    beating = (ranks[~anomalous] - midranks(negatives)) / positives.size
    return beaten, 1 - beating


def _variance(placements: tuple[Floats, Floats]) -> float:
    """Return the variance of a mean over both classes, exactly 0 where nothing varies."""
    rounded = [part.round(DIGITS) for part in placements]
    if all(np.ptp(part) == 0 for part in rounded):
        return 0.0
    return float(sum(part.var(ddof=1) / part.size for part in placements))


def delong_variance(labels: ArrayLike, scores: ArrayLike) -> float | None:
    """Return the variance of the AUROC over draws of the test images; None below two of a class.

    (DeLong, DeLong & Clarke-Pearson, Biometrics 1988, in the form of Sun & Xu, IEEE Signal
    Processing Letters 2014.)

    Args:
        labels: (N,), 0 normal, 1 anomalous.
        scores: (N,), higher is more anomalous, on any scale.
    """
    placements = _placements(labels, scores)
    return None if placements is None else _variance(placements)


def usual_images(area: float, normals: int, anomalous: int) -> float:
    """Return of how many images a proportion varies as an AUROC usually does.

    By Hanley & McNeil's variance (Radiology 1982), which needs no scores, with both classes' sizes
    replaced by their mean where they are numerators, as Newcombe's fifth method has it (Statistics
    in Medicine 2006).

    Args:
        area: the AUROC.
        normals: how many normal images.
        anomalous: how many anomalous ones.
    """
    others = (normals + anomalous) / 2 - 1
    together = 1 + others * ((1 - area) / (2 - area) + area / (1 + area))
    return normals * anomalous / together


def auroc_interval(labels: ArrayLike, scores: ArrayLike) -> Interval:
    """Return the 95 % interval of the AUROC, with a width where the classes are separated too.

    That of a proportion of as many images as DeLong's variance says, but of no more than
    `usual_images`: near 1 the variance of these images says little. Of a class of one image nothing
    says how it varies, and they are no more than the smaller class.
    Arguments and errors as `benchmarks.metrics.image.image_metrics`, both classes there.
    """
    area, variance = auroc(labels, scores), delong_variance(labels, scores)
    anomalous = int((np.asarray(labels) == 1).sum())
    normals = np.asarray(labels).size - anomalous
    if variance is None:
        return proportion_interval(area, min(normals, anomalous))
    most = usual_images(area, normals, anomalous)
    return proportion_interval(area, effective_images(area, variance, most))


def paired_variance(
    labels: ArrayLike, first: ArrayLike, second: ArrayLike
) -> tuple[float, float] | None:
    """Return first's AUROC less second's, and its variance; None below two images of a class.

    Arguments as `paired_delong`.
    """
    ones, others = _placements(labels, first), _placements(labels, second)
    if ones is None or others is None:
        return None
    # From the differences, not from two variances less twice a covariance, which cancel.
    differences = (ones[0] - others[0], ones[1] - others[1])
    return float(differences[0].mean().round(DIGITS)), _variance(differences)


def paired_delong(labels: ArrayLike, first: ArrayLike, second: ArrayLike) -> float | None:
    """Return the two-sided p value of equal AUROCs on the same images.

    None where the difference has no variance: where both rank alike, where each separates the
    classes or fails to without a remainder, and below two images of a class.

    Args:
        labels: (N,), 0 normal, 1 anomalous.
        first: one method's image scores, (N,).
        second: the other's, of the same images, (N,).
    """
    from scipy.special import ndtr

    difference, variance = paired_variance(labels, first, second) or (0.0, 0.0)
    return float(2 * ndtr(-abs(difference) / np.sqrt(variance))) if variance else None
