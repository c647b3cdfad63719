"""DeLong's intervals and paired test: by hand, by definition, and in many drawings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from benchmarks.metrics import auroc
from benchmarks.metrics.resampled import resampled_image_metrics
from benchmarks.statistics import (
    compare_images,
    delong_interval,
)
from benchmarks.statistics.bootstrap import multiplicities, percentile_interval
from benchmarks.statistics.delong import delong_variance, paired_delong
from benchmarks.statistics.pairs import LEVEL
from tests.statistics.drawing import LABELS, SEEDS, drawn_scores


def by_definition(scores: Sequence[Any]) -> Any:
    """Return the covariance of AUROCs from all pairs of images: DeLong's structural components."""
    tens, ones = [], []
    for own in scores:
        positives, negatives = own[LABELS == 1, None], own[LABELS == 0]
        wins = (positives > negatives) + 0.5 * (positives == negatives)
        tens.append(wins.mean(axis=1))
        ones.append(wins.mean(axis=0))
    return np.cov(tens) / 12 + np.cov(ones) / 8


def test_delong_by_hand() -> None:
    # Shares beaten: 1/2, 1, 1 with variance 1/12; beating: 1, 2/3 with 1/18. 1/36 + 1/36.
    labels, scores = [0, 1, 0, 1, 1], [1, 2, 3, 4, 5]
    assert delong_variance(labels, scores) == pytest.approx(1 / 18)
    area = 5 / 6
    reach = 1.959963984540054 / 18**0.5 / (area * (1 - area))
    low, high = 5 * np.exp(-reach), 5 * np.exp(reach)  # odds of 5/6 are 5
    assert delong_interval(labels, scores) == pytest.approx((low / (1 + low), high / (1 + high)))


@settings(max_examples=30)
@given(SEEDS, SEEDS, st.integers(0, 2))
def test_delong_is_its_definition(seed: int, other: int, digits: int) -> None:
    first, second = drawn_scores(seed, digits), drawn_scores(other, digits)
    covariance = by_definition([first, second])
    assert delong_variance(LABELS, first) == pytest.approx(covariance[0, 0])
    p_value = paired_delong(LABELS, first, second)
    assert p_value == paired_delong(LABELS, second, first)
    assert p_value == paired_delong(LABELS, np.exp(first), 2 * second - 1)
    difference = auroc(LABELS, first) - auroc(LABELS, second)
    if abs(difference) < 1e-12:
        assert p_value == 1
    else:
        variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
        assert p_value == pytest.approx(2 * norm.sf(abs(difference) / variance**0.5), abs=1e-9)


def test_delong_at_its_ends() -> None:
    perfect = LABELS + 0.01 * np.arange(20)
    assert delong_interval(LABELS, perfect) == (1, 1)
    assert delong_interval(LABELS, -perfect) == (0, 0)
    assert paired_delong(LABELS, perfect, perfect**3) == 1
    assert paired_delong(LABELS, perfect, -perfect) == 0
    assert delong_variance([0, 1, 1], [0, 1, 2]) is None
    assert delong_interval([0, 1, 1], [0, 1, 2]) is None
    (pair,) = compare_images([0, 1, 1], {"a": np.arange(3), "b": np.arange(3)})
    assert (pair.p_value, pair.holm, pair.significant) == (None, None, False)
    with pytest.raises(ValueError, match="NaN"):
        delong_interval([0, 0, 1, 1], [0, 1, 2, np.nan])


def test_intervals_cover_the_true_auroc_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(5)
    labels, truth, rounds = np.repeat([0, 1], 50), float(norm.cdf(1 / 2**0.5)), 300
    covered = np.zeros(2)
    for _ in range(rounds):
        scores = random.normal(loc=labels)
        values = resampled_image_metrics(labels, scores, multiplicities(labels, 300))
        delong = delong_interval(labels, scores)
        assert delong is not None
        for place, (low, high) in enumerate((percentile_interval(values["image_auroc"]), delong)):
            covered[place] += low <= truth <= high
    # Within three standard deviations of 300 rounds, and a percent for what is asymptotic.
    assert abs(covered / rounds - 0.95).max() < 3 * (0.95 * 0.05 / rounds) ** 0.5 + 0.01


def test_the_paired_test_errs_about_as_often_as_it_says_and_sees_what_one_sample_hides() -> None:
    random = np.random.default_rng(6)
    labels, rounds = np.repeat([0, 1], 50), 400
    wrong = found = 0
    for _ in range(rounds):
        shared = random.normal(loc=labels)
        noisy = [shared + random.normal(scale=scale, size=100) for scale in (0.3, 0.3, 3)]
        wrong += (paired_delong(labels, noisy[0], noisy[1]) or 0) < LEVEL
        found += (paired_delong(labels, noisy[0], noisy[2]) or 0) < LEVEL
    assert wrong / rounds < LEVEL + 3 * (0.05 * 0.95 / rounds) ** 0.5
    assert found / rounds > 0.5
