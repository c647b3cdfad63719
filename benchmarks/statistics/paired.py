"""Exact paired test of two methods' AUROCs on the same images."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.array_types import Counts, Floats
from benchmarks.metrics.image import auroc
from benchmarks.statistics.delong import midranks, paired_delong
from benchmarks.statistics.pairs import Pair
from benchmarks.statistics.sign_flips import flip_p_value


def _doubled_wins(scores: Floats, others: Floats) -> Counts:
    """Return for each score twice the number of others that it beats, a tie being half a win."""
    ordered = np.sort(others)
    below, to = (ordered.searchsorted(scores, side=side) for side in ("left", "right"))
    return np.asarray(below + to, np.int64)


def swap_terms(labels: ArrayLike, first: ArrayLike, second: ArrayLike) -> Counts:
    """Return what each image adds to 4 · P · M · (first's AUROC − second's), (N,), integers.

    Swapping the methods' ranks of an image changes the sign of its term and leaves the others as
    they are: comparisons of a swapped with a kept image are shared by the two.
    P and M are the numbers of anomalous and of normal images; arguments as `paired_test`.
    """
    anomalous = np.asarray(labels) == 1
    ranks = midranks(first), midranks(second)
    positives, negatives = ([rank[kind] for rank in ranks] for kind in (anomalous, ~anomalous))
    terms = np.zeros(anomalous.size, np.int64)
    for sign, a, b in ((1, 0, 0), (-1, 1, 1), (1, 0, 1), (-1, 1, 0)):
        terms[anomalous] += sign * _doubled_wins(positives[a], negatives[b])
        mixed = sign if a == b else -sign
        wins = 2 * positives[a].size - _doubled_wins(negatives[b], positives[a])
        terms[~anomalous] += mixed * wins
    return terms


def paired_test(labels: ArrayLike, first: ArrayLike, second: ArrayLike) -> float | None:
    """Return the two-sided p value of equal AUROCs on the same images, None without a verdict.

    The larger of two. DeLong's holds for any two methods with equal AUROCs, on many images. That of
    swapping the methods' ranks image by image (Bandos, Rockette & Gur, Statistics in Medicine 2005)
    holds on any number of images, for methods that are alike; here it is exact, over all 2^N swaps.
    No verdict as `paired_delong`.

    Args:
        labels: (N,), 0 normal, 1 anomalous.
        first: one method's image scores, (N,).
        second: the other's, of the same images, (N,).
    """
    asymptotic = paired_delong(labels, first, second)
    if asymptotic is None:
        return None
    return max(asymptotic, flip_p_value(swap_terms(labels, first, second)))


def compare_images(labels: ArrayLike, scores: Mapping[str, Floats]) -> tuple[Pair, ...]:
    """Return all pairs of methods by their AUROC on the same images, not corrected yet.

    Args:
        labels: (N,), 0 normal, 1 anomalous.
        scores: method → image scores, (N,).
    """
    areas = {method: auroc(labels, values) for method, values in scores.items()}
    pairs = []
    for first, second in combinations(scores, 2):
        difference = areas[first] - areas[second]
        p_value = paired_test(labels, scores[first], scores[second])
        pairs.append(Pair(first, second, difference, difference, p_value))
    return tuple(pairs)
