"""How many images show a difference: by hand, and by drawing that many."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np
import pytest
from scipy.stats import norm

from benchmarks.statistics.delong import paired_delong, paired_variance
from benchmarks.statistics.sample_size import (
    mean_difference,
    times_as_many,
    times_for_observed,
)


def test_by_hand() -> None:
    # (1.960 + 0.842)² is 7.849: a deviation of 0.05 shows 0.05 · 2.8016 with power 0.8.
    assert times_as_many(0.01, 0.0025) == pytest.approx(7.8489 * 25, rel=1e-4)
    assert times_as_many(2.8016 * 0.05, 0.0025) == pytest.approx(1, rel=1e-4)
    assert times_as_many(-0.01, 0.0025) == times_as_many(0.01, 0.0025)
    assert times_as_many(0.0, 0.0025) == inf


def test_the_observed_difference_has_an_interval() -> None:
    spread = norm.ppf(0.975) * sqrt(0.0025)
    value, least, most = times_for_observed(-0.2, 0.0025)
    assert value == times_as_many(0.2, 0.0025)
    assert least == pytest.approx(times_as_many(0.2 + spread, 0.0025))
    assert most == pytest.approx(times_as_many(0.2 - spread, 0.0025))
    assert least < value < most
    assert times_for_observed(0.05, 0.0025)[2] == inf  # 0 is in its interval
    value, least, most = times_for_observed(0.0, 0.0025)
    assert (value, most) == (inf, inf)
    assert least == pytest.approx(times_as_many(spread, 0.0025))


def test_categories_are_averaged() -> None:
    difference, variance = mean_difference([(0.1, 0.02), (0.3, 0.04)]) or (0, 0)
    assert (difference, variance) == pytest.approx((0.2, 0.06 / 4))
    assert mean_difference([(0.1, 0.02), None]) is None
    assert mean_difference([(0.1, 0.0), (0.1, 0.0)]) is None  # nothing varies
    assert mean_difference([]) is None


def test_the_paired_variance_is_that_of_differences() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], (30, 50))
    first, second = random.normal(size=(2, 80)) + labels
    wins = [
        (s[labels == 1, None] > s[labels == 0]) + 0.5 * (s[labels == 1, None] == s[labels == 0])
        for s in (first, second)
    ]
    apart = wins[0] - wins[1]
    expected = apart.mean(1).var(ddof=1) / 50 + apart.mean(0).var(ddof=1) / 30
    assert paired_variance(labels, first, second) == pytest.approx((apart.mean(), expected))
    assert paired_variance([0, 1, 1], [1, 2, 3], [1, 2, 3]) is None


def drawn(random: np.random.Generator, normal: int, anomalous: int) -> tuple[np.ndarray, ...]:
    """Return labels and two methods' correlated scores, AUROCs of 0.760 and 0.856."""
    labels = np.repeat([0, 1], (normal, anomalous))
    shared, *own = random.normal(size=(3, labels.size))
    return (
        labels,
        shared + own[0] + np.sqrt(2) * labels,
        shared + own[1] + 1.5 * np.sqrt(2) * labels,
    )


def test_so_many_images_show_it_in_four_of_five_draws() -> None:
    random = np.random.default_rng(1)
    true = norm.cdf(1.5 / np.sqrt(2)) - norm.cdf(1 / np.sqrt(2))
    known = paired_variance(*drawn(random, 20_000, 40_000))
    assert known is not None
    assert known[0] == pytest.approx(-true, abs=0.005)
    times = times_as_many(true, known[1])
    normal, anomalous = (int(np.ceil(times * count)) for count in (20_000, 40_000))
    assert 50 < normal < 300
    p_values = [paired_delong(*drawn(random, normal, anomalous)) for _ in range(1000)]
    power = np.mean([p is not None and p < 0.05 for p in p_values])
    assert power == pytest.approx(0.8, abs=0.04)  # three deviations of 1000 draws
