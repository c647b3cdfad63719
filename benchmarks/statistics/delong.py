"""DeLong's variance of the AUROC: intervals, and paired tests over images."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.metrics import auroc
from benchmarks.statistics.pairs import DIGITS, LEVEL, Pair, correct_pairs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from benchmarks.array_types import Floats


def _placements(labels: ArrayLike, scores: ArrayLike) -> tuple[Floats, Floats] | None:
    """Return the share of the other class that each anomalous, and each normal image beats.

    By midranks, in O(N log N). None where a class has fewer than two images: no variance.
    """
    from scipy.stats import rankdata

    anomalous, scores = np.asarray(labels) == 1, np.asarray(scores)
    positives, negatives = scores[anomalous], scores[~anomalous]
    if min(positives.size, negatives.size) < 2:
        return None
    ranks = rankdata(scores)
    beaten = (ranks[anomalous] - rankdata(positives)) / negatives.size
    beating = (ranks[~anomalous] - rankdata(negatives)) / positives.size
    return beaten, 1 - beating


def _variance(placements: tuple[Floats, Floats]) -> float:
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


def delong_interval(labels: ArrayLike, scores: ArrayLike) -> tuple[float, float] | None:
    """Return a 95 % interval of the AUROC, symmetric on the logit scale; None as the variance.

    On that scale it keeps its coverage near 1 and stays within [0, 1]. It has no width where the
    classes are perfectly separated: the images then say nothing of how nearly they were not.
    Arguments and errors as `benchmarks.metrics.auroc`.
    """
    from scipy.special import expit, logit
    from scipy.stats import norm

    area, variance = auroc(labels, scores), delong_variance(labels, scores)
    if variance is None:
        return None
    if area in {0, 1}:
        return area, area
    reach = norm.isf(LEVEL / 2) * np.sqrt(variance) / (area * (1 - area))
    return float(expit(logit(area) - reach)), float(expit(logit(area) + reach))


def paired_delong(labels: ArrayLike, first: ArrayLike, second: ArrayLike) -> float | None:
    """Return the two-sided p value of equal AUROCs on the same images; None as the variance.

    1 where the methods rank all images alike.

    Args:
        labels: (N,), 0 normal, 1 anomalous.
        first: one method's image scores, (N,).
        second: the other's, of the same images, (N,).
    """
    from scipy.stats import norm

    ones, others = _placements(labels, first), _placements(labels, second)
    if ones is None or others is None:
        return None
    # From the differences, not from two variances less twice a covariance, which cancel.
    differences = (ones[0] - others[0], ones[1] - others[1])
    difference, variance = float(differences[0].mean()), _variance(differences)
    if abs(difference) < 10**-DIGITS:
        return 1.0
    return float(2 * norm.sf(abs(difference) / np.sqrt(variance))) if variance else 0.0


def compare_images(labels: ArrayLike, scores: Mapping[str, Floats]) -> tuple[Pair, ...]:
    """Return all pairs of methods by their AUROC on the same images, Holm-corrected.

    Args:
        labels: (N,), 0 normal, 1 anomalous.
        scores: method → image scores, (N,).
    """
    areas = {method: auroc(labels, own) for method, own in scores.items()}
    pairs = []
    for first, second in combinations(scores, 2):
        difference = areas[first] - areas[second]
        p_value = paired_delong(labels, scores[first], scores[second])
        pairs.append(Pair(first, second, difference, difference, p_value))
    return correct_pairs(pairs)
