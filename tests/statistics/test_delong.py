"""DeLong's variance, interval and paired test: by hand, by definition, as published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from benchmarks.metrics.image import auroc
from benchmarks.statistics.delong import (
    auroc_interval,
    delong_variance,
    paired_delong,
    usual_images,
)
from benchmarks.statistics.proportions import proportion_interval
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
    # 5/36 over 1/18 are 2.5 images; usually 6 / (1 + 1.5 · (1/7 + 5/11)) are 3.2.
    assert auroc_interval(labels, scores) == pytest.approx(proportion_interval(5 / 6, 2.5))


def test_the_usual_variance_is_hanley_and_mcneils() -> None:
    """58 normal and 51 abnormal images, 0.893 with a standard error of 0.032 (Radiology 1982)."""
    area = 0.893
    error = (area * (1 - area) / usual_images(area, 58, 51)) ** 0.5
    assert round(error, 3) == 0.032
    # Of classes of one size it is their formula as it stands.
    once, twice = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + 49 * (once - area**2) + 49 * (twice - area**2)) / 50**2
    assert area * (1 - area) / usual_images(area, 50, 50) == pytest.approx(variance)


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
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    if p_value is None:
        assert variance == pytest.approx(0)
    else:
        expected = 2 * norm.sf(abs(difference) / variance**0.5)
        assert p_value == pytest.approx(expected, abs=1e-9)


@settings(max_examples=30)
@given(SEEDS, st.integers(0, 3), st.sampled_from([0, 2, 9]))
def test_the_interval_is_symmetric_under_turned_labels_and_scores(
    seed: int, digits: int, apart: int
) -> None:
    scores = drawn_scores(seed, digits) + apart * LABELS
    low, high = auroc_interval(LABELS, scores)
    assert 0 <= low <= auroc(LABELS, scores) <= high <= 1
    assert auroc_interval(1 - LABELS, -scores) == pytest.approx((low, high))
    assert auroc_interval(LABELS, -scores) == pytest.approx((1 - high, 1 - low))
    # The same images again and again tell more, and the AUROC stays.
    again = auroc_interval(np.tile(LABELS, 4), np.tile(scores, 4))
    assert low < again[0] or low == 0
    assert again[1] < high or high == 1


def test_separated_classes_have_a_width() -> None:
    perfect = LABELS + 0.01 * np.arange(20)
    low, high = auroc_interval(LABELS, perfect)
    assert high == 1
    assert low == pytest.approx(0.025 ** (1 / usual_images(1, 8, 12)))
    assert auroc_interval(LABELS, -perfect) == pytest.approx((0, 1 - low))
    assert delong_variance([0, 1, 1], [0, 1, 2]) is None
    assert auroc_interval([0, 1, 1], [0, 1, 2]) == pytest.approx((0.025, 1))  # of one image
    with pytest.raises(ValueError, match="NaN"):
        auroc_interval([0, 0, 1, 1], [0, 1, 2, np.nan])


@pytest.mark.parametrize("area", [0.8, 0.95, 0.99, 0.999])
@pytest.mark.parametrize(("normals", "anomalous"), [(12, 20), (41, 119)])
def test_intervals_cover_the_true_auroc_as_often_as_they_say(
    normals: int, anomalous: int, area: float
) -> None:
    """The scores' classes are normal; four deviations of the rounds below 95 % are a fault."""
    random = np.random.default_rng(5)
    labels, rounds = np.repeat([0, 1], [normals, anomalous]), 400
    scores = random.normal(loc=labels * 2**0.5 * norm.ppf(area), size=(rounds, labels.size))
    ends = np.array([auroc_interval(labels, own) for own in scores])
    covered = ((ends[:, 0] <= area) & (area <= ends[:, 1])).mean()
    assert covered > 0.95 - 4 * (0.95 * 0.05 / rounds) ** 0.5
