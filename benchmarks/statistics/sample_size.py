"""How many test images would show that two AUROCs differ, by the paired variance of those at hand.

The variance of a difference falls as one over the number of images, of both classes alike, so that
what is asked is how many times as many as today (Obuchowski & McClish, Statistics in Medicine 1997,
for AUROCs on the same images). Of several categories it is so many times as many in each.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, sqrt
from statistics import NormalDist

from benchmarks.statistics.pairs import LEVEL

_quantile = NormalDist().inv_cdf

POWER = 0.8
"""Chance of a significant difference, where the AUROCs differ by so much."""


def mean_difference(
    estimates: Sequence[tuple[float, float] | None],
) -> tuple[float, float] | None:
    """Return the mean of categories' differences, and its variance.

    Args:
        estimates: each category's, as `paired_variance` returns it. None where one is missing or
            nothing varies in any.
    """
    known = [estimate for estimate in estimates if estimate is not None]
    variance = sum(variance for _, variance in known) / max(1, len(known)) ** 2
    if len(known) < len(estimates) or not variance:
        return None
    return sum(difference for difference, _ in known) / len(known), variance


def times_as_many(difference: float, variance: float) -> float:
    """Return how many times today's images show a difference at `LEVEL` with the chance `POWER`.

    Two-sided, by normal quantiles; infinity where there is no difference.

    Args:
        difference: of AUROCs, in [-1, 1].
        variance: of that difference, on today's images.
    """
    reach = _quantile(1 - LEVEL / 2) + _quantile(POWER)
    return reach**2 * variance / difference**2 if difference else inf


def times_for_observed(difference: float, variance: float) -> tuple[float, float, float]:
    """Return `times_as_many` of an observed difference, and the ends of its 95 % interval.

    The ends are those of the difference's own: the greater is infinity where that interval holds 0.
    That the variance was estimated, too, isn't in them. Arguments as `times_as_many`.
    """
    size, spread = abs(difference), _quantile(1 - LEVEL / 2) * sqrt(variance)
    ends = size, size + spread, max(0.0, size - spread)
    value, least, most = (times_as_many(end, variance) for end in ends)
    return value, least, most
