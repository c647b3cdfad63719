"""Intervals of proportions: as published, by their definition, and everywhere."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from benchmarks.statistics.proportions import (
    effective_images,
    mean_interval,
    proportion_interval,
)

SHARES = st.integers(0, 400).map(lambda number: number / 400)


@pytest.mark.parametrize(
    ("found", "images", "published"),
    [
        (81, 263, (0.2527, 0.3676)),
        (15, 148, (0.0578, 0.1617)),
        (0, 20, (0.0000, 0.1684)),
        (1, 29, (0.0009, 0.1776)),
    ],
)
def test_intervals_are_those_of_newcombes_examples(
    found: int, images: int, published: tuple[float, float]
) -> None:
    """Clopper & Pearson's row of table I of Newcombe, Statistics in Medicine 17 (1998) 857."""
    assert proportion_interval(found / images, images) == pytest.approx(published, abs=5e-5)


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_whole_images_are_scipys_exact_interval(counts: tuple[int, int]) -> None:
    found, images = counts
    low, high = proportion_interval(found / images, images)
    exact = binomtest(found, images).proportion_ci(0.95, "exact")
    assert (low, high) == pytest.approx((exact.low, exact.high), abs=1e-9)


@pytest.mark.parametrize("images", [12, 41])
def test_coverage_is_at_least_what_it_says_summed_over_all_outcomes(images: int) -> None:
    intervals = [proportion_interval(found / images, images) for found in range(images + 1)]
    for truth in np.linspace(0.001, 0.999, 200):
        chances = binom.pmf(np.arange(images + 1), images, truth)
        held = sum(
            c for c, (low, high) in zip(chances, intervals, strict=True) if low <= truth <= high
        )
        assert held >= 0.95 - 1e-9


@given(SHARES, st.floats(1, 500), st.floats(1.01, 4))
def test_it_holds_the_share_is_symmetric_and_shrinks_with_more_images(
    share: float, images: float, factor: float
) -> None:
    low, high = proportion_interval(share, images)
    assert 0 <= low <= share <= high <= 1
    assert low < high
    assert proportion_interval(1 - share, images) == pytest.approx((1 - high, 1 - low), abs=1e-9)
    more_low, more_high = proportion_interval(share, factor * images)
    assert more_high - more_low < high - low


@given(SHARES, st.floats(1, 300))
def test_effective_images_are_those_of_a_proportions_variance(share: float, images: float) -> None:
    variance = share * (1 - share) / images
    expected = images if 0 < share < 1 else 1000
    assert effective_images(share, variance, 1000) == pytest.approx(expected)
    assert effective_images(share, variance, 0.5) == 1
    assert effective_images(share, 0.0, 77) == 77


def test_the_interval_of_a_mean_by_hand() -> None:
    found = mean_interval([(0.9, (0.8, 0.95)), (0.7, (0.66, 0.82))])
    assert found == pytest.approx(
        (0.8 - sqrt(0.1**2 + 0.04**2) / 2, 0.8 + sqrt(0.05**2 + 0.12**2) / 2)
    )
    assert mean_interval([(0.9, (0.8, 0.95)), (0.7, None)]) is None


UNIT = st.floats(0, 1)


@given(st.lists(st.tuples(UNIT, UNIT, UNIT).map(sorted), min_size=1, max_size=15))
def test_the_interval_of_a_mean_holds_it_and_is_narrower_than_the_means_of_the_ends(
    sorted_values: list[list[float]],
) -> None:
    known = [(middle, (low, high)) for low, middle, high in sorted_values]
    interval = mean_interval(known)
    assert interval is not None
    low, high = interval
    lows, middles, highs = zip(*sorted_values, strict=True)
    count = len(known)
    assert sum(lows) / count - 1e-12 <= low <= sum(middles) / count + 1e-12
    assert sum(middles) / count - 1e-12 <= high <= sum(highs) / count + 1e-12
