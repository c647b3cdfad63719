"""Bootstrap intervals: of ranks alone, around the estimate, the same every time."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from benchmarks.metrics import auroc
from benchmarks.statistics import (
    bootstrap_intervals,
)
from benchmarks.statistics.bootstrap import multiplicities, percentile_interval
from tests.statistics.drawing import LABELS, SEEDS, drawn_scores


def test_resamples_keep_both_classes_as_large_as_they_are() -> None:
    drawn = multiplicities(LABELS, 50)
    assert drawn.shape == (50, 20)
    assert (drawn[:, LABELS == 0].sum(axis=1) == 8).all()
    assert (drawn[:, LABELS == 1].sum(axis=1) == 12).all()
    assert drawn.mean() == 1
    np.testing.assert_array_equal(drawn, multiplicities(LABELS, 50))
    assert (drawn != multiplicities(LABELS, 50, seed=1)).any()


@settings(max_examples=20)
@given(SEEDS)
def test_image_intervals_depend_on_ranks_alone_and_hold_the_estimate(seed: int) -> None:
    scores = drawn_scores(seed, 1)
    intervals = bootstrap_intervals(LABELS, scores)
    assert bootstrap_intervals(LABELS, np.exp(3 * scores) - 7) == intervals
    low, high = intervals["image_auroc"]
    assert low <= auroc(LABELS, scores) <= high


def test_one_class_has_no_interval() -> None:
    assert bootstrap_intervals([1, 1], [0.1, 0.2]) == {}
    assert bootstrap_intervals([], []) == {}


def test_percentile_interval_of_known_values() -> None:
    values = np.arange(1001) / 1000  # of 1001 values the 26th and the 976th
    assert percentile_interval(values) == (0.025, 0.975)
    assert percentile_interval(values - 0.5, values + 0.5) == (-0.475, 1.475)
