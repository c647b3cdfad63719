"""The exact test of a sum whose terms could as well have had the other sign."""

from __future__ import annotations

import numpy as np

from benchmarks.array_types import Counts

MOST = 10**8
"""Steps that the exact test takes at most; beyond, sums of so many terms are normal."""


def flip_p_value(terms: Counts) -> float:
    """Return how many of all 2^K choices of signs have a sum at least as far from 0.

    Args:
        terms: (K,) with their observed signs; 1 where all are 0.
    """
    sizes = np.sort(abs(terms[terms != 0]))
    if not sizes.size:
        return 1.0
    unit = int(np.gcd.reduce(sizes))
    sizes //= unit
    total, apart = int(sizes.sum()), abs(int(terms.sum())) // unit
    tail = (total - apart) // 2  # the positive terms' sum where it is the smaller
    if sizes.size * tail > MOST:
        from scipy.special import ndtr

        return float(2 * ndtr(-apart / np.sqrt((sizes.astype(float) ** 2).sum())))
    chance = np.zeros(tail + 1)  # of each sum of the positive terms
    chance[0], reached = 1, 0
    for size in sizes.tolist():
        reached = min(reached + size, tail)  # the smallest terms first, so that few sums are there
        chance[size : reached + 1] += chance[: max(0, reached + 1 - size)].copy()
        chance[: reached + 1] /= 2
    return min(1.0, 2 * float(chance.sum()))
