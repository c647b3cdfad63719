"""Every metric's interval: holds the value, of ranks alone, and covers the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from benchmarks.metrics.definitions import METRICS
from benchmarks.metrics.image import full_recall, image_metrics
from benchmarks.metrics.pixel import pixel_metrics
from benchmarks.statistics.bootstrap import multiplicities
from benchmarks.statistics.intervals import metric_intervals
from benchmarks.statistics.proportions import proportion_interval
from tests.statistics.drawing import LABELS, SEEDS, drawn_scores

IMAGES = {"n_test_good": 8, "n_test_defect": 12}
"""Of LABELS."""
MOST = {
    name: sum(IMAGES[cells] for cells in metric.counted_images) if metric.unit == "images" else 1
    for name, metric in METRICS.items()
}


def test_resamples_keep_both_classes_as_large_as_they_are() -> None:
    drawn = multiplicities(LABELS, 50)
    assert drawn.shape == (50, 20)
    assert (drawn[:, LABELS == 0].sum(axis=1) == 8).all()
    assert (drawn[:, LABELS == 1].sum(axis=1) == 12).all()
    assert drawn.mean() == 1
    np.testing.assert_array_equal(drawn, multiplicities(LABELS, 50))
    assert (drawn != multiplicities(LABELS, 50, seed=1)).any()


@settings(max_examples=20)
@given(SEEDS, st.integers(0, 3), st.sampled_from([-5, 0, 1, 5]))
def test_intervals_hold_the_value_and_stay_on_its_scale(
    seed: int, digits: int, apart: float
) -> None:
    scores = drawn_scores(seed, digits) + apart * LABELS
    intervals, values = metric_intervals(LABELS, scores), image_metrics(LABELS, scores)
    assert intervals.keys() == {name for name in values if METRICS[name].interval}
    for name, (low, high) in intervals.items():
        assert 0 <= low <= values[name] <= high <= MOST[name]
        assert low < high
    ranks = np.unique(scores, return_inverse=True)[1]  # a function that rounds may make ties
    assert metric_intervals(LABELS, ranks**3 - 7) == intervals


def test_pixel_intervals_hold_the_exact_value() -> None:
    random = np.random.default_rng(3)
    masks = np.zeros((9, 16, 16), bool)
    masks[4:, 2:7, 3:9] = True
    for shift in (0.5, 3, 20):
        maps = (random.normal(size=masks.shape) + shift * masks).astype(np.float32)
        labels = np.repeat([0, 1], [4, 5])
        intervals = metric_intervals(labels, maps.max(axis=(1, 2)), maps, masks)
        with_interval = {name for name, metric in METRICS.items() if metric.interval}
        assert intervals.keys() == with_interval - {"aupimo"}  # which takes 100,000 pixels
        values = pixel_metrics(maps, masks)
        assert np.isnan(values.pop("aupimo"))
        for name, value in values.items():
            low, high = intervals.get(name, (value, 1))
            assert 0 <= low <= value <= high <= 1
            assert low < high or name not in intervals
    assert intervals["pixel_auroc"][1] == 1  # separated, and yet with a width


def test_one_class_has_no_interval() -> None:
    assert metric_intervals([1, 1], [0.1, 0.2]) == {}
    assert metric_intervals([], []) == {}


def test_full_recall_is_binomial_over_normal_images() -> None:
    labels = np.repeat([0, 1], [10, 4])
    scores = np.array([0, 0, 0, 0, 0, 0, 0, 2, 3, 9, 1, 4, 5, 6])  # three above the lowest
    intervals = metric_intervals(labels, scores)
    low, high = proportion_interval(3 / 10, 10)
    assert intervals["false_positive_rate_at_full_recall"] == (low, high)
    assert intervals["false_positives_at_full_recall"] == (10 * low, 10 * high)
    assert intervals["error_at_full_recall"] == pytest.approx((low * 10 / 14, high * 10 / 14))


def test_the_full_recall_interval_holds_the_rate_at_its_threshold() -> None:
    """At least 95 % exactly; below that by four deviations of the rounds is a fault."""
    random = np.random.default_rng(8)
    labels, rounds = np.repeat([0, 1], [12, 30]), 1000
    held = 0
    for _ in range(rounds):
        scores = random.normal(loc=2 * labels)
        point = full_recall(labels, scores)
        assert point is not None
        low, high = proportion_interval(point.false_positive_rate, 12)
        held += low <= norm.sf(point.threshold) <= high
    assert held / rounds > 0.95 - 4 * (0.95 * 0.05 / rounds) ** 0.5
