"""Exact intervals of proportions, and of values that move like one."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot

COVERAGE = 0.95

Interval = tuple[float, float]


def proportion_interval(share: float, images: float) -> Interval:
    """Return the 95 % interval of a proportion by Clopper & Pearson (Biometrika 1934).

    It covers at least that often whatever the proportion, and has a width at 0 and 1. Of a number
    of images that is no integer it is Korn & Graubard's (Survey Methodology 1998), for values whose
    variance is that of a proportion of so many images.

    Args:
        share: in [0, 1].
        images: how many it is a proportion of, at least 1.
    """
    from scipy.special import betainccinv, betaincinv  # scipy.stats takes a second to import

    tail = (1 - COVERAGE) / 2
    successes, failures = share * images, (1 - share) * images
    low = betaincinv(successes, failures + 1, tail) if share > 0 else 0.0
    high = betainccinv(successes + 1, failures, tail) if share < 1 else 1.0
    return float(low), float(high)


def effective_images(share: float, variance: float, most: float) -> float:
    """Return of how many images a proportion has this variance, at least 1.

    Args:
        share: in [0, 1].
        variance: of the share.
        most: the most that are believed, however small the variance of these images is; all of
            them where it is 0.
    """
    spread = share * (1 - share)
    return max(1.0, min(most, spread / variance) if variance > 0 < spread else most)


def mean_interval(estimates: Sequence[tuple[float, Interval | None]]) -> Interval | None:
    """Return the interval of a mean of independent values, None where an interval is missing.

    Their squared distances to their intervals' ends add up, each end by itself (Zou & Donner,
    Statistics in Medicine 2008).

    Args:
        estimates: each value with its interval.
    """
    below, above = [], []
    for value, interval in estimates:
        if interval is None:
            return None
        below.append(max(0.0, value - interval[0]))
        above.append(max(0.0, interval[1] - value))
    count = len(estimates)
    mean = sum(value for value, _ in estimates) / count
    return mean - hypot(*below) / count, mean + hypot(*above) / count
