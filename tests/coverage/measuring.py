"""Shares of simulated test sets: whose interval holds the truth, whose test finds what is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.metrics.image import full_recall, resampled_image_metrics
from benchmarks.metrics.pixel import pixel_metrics
from benchmarks.statistics.intervals import metric_intervals
from benchmarks.statistics.paired import compare_images, paired_test
from benchmarks.statistics.pairs import LEVEL, correct_table
from tests.coverage.maps import FINE_SIDE, SIDE, draw_maps
from tests.coverage.scores import SHAPES, draw_scores

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.array_types import Counts
    from benchmarks.statistics.proportions import Interval

SETS = 2000
"""Test sets whose mean is a metric's true value where there is no formula."""

MAP_SETS = 300
"""The same of maps."""

HELD = "held"
"""Behind a metric's name: its interval against the rate at its own threshold."""

ROWS = 15
"""Categories of MVTec AD."""


def labels_of(normals: int, anomalous: int) -> Counts:
    """Return labels, normal images first, (N,)."""
    return np.repeat(np.arange(2), [normals, anomalous])


def image_coverage(
    random: np.random.Generator, labels: Counts, area: float, shape: str, rounds: int
) -> dict[str, float]:
    """Return metric → share of test sets whose interval holds its mean over all test sets.

    That is the AUROC itself, and for the other metrics the mean over `SETS` test sets with as many
    images. At 100 % recall each metric is there a second time, as `HELD`: whether the interval
    holds the rate of normal images above the threshold that the set gave.

    Args:
        random: where chance comes from.
        labels: (N,), 0 normal, 1 anomalous.
        area: the true AUROC.
        shape: a key of `SHAPES`.
        rounds: how many test sets are tried.
    """
    once = np.ones((1, labels.size), np.int64)
    many = draw_scores(random, labels, area, [shape], SETS)[:, 0]
    values = [resampled_image_metrics(labels, scores, once) for scores in many]
    truth = {name: float(np.mean([value[name] for value in values])) for name in values[0]}
    truth["image_auroc"] = area
    held: Counter[str] = Counter()
    for scores in draw_scores(random, labels, area, [shape], rounds)[:, 0]:
        intervals = metric_intervals(labels, scores)
        point = full_recall(labels, scores)
        assert point is not None
        rate = SHAPES[shape].above(area, point.threshold)
        truth[f"false_positive_rate_at_full_recall {HELD}"] = rate
        held.update(_holding(intervals, truth))
    return {name: held[name] / rounds for name in truth}


def pixel_coverage(
    random: np.random.Generator, labels: Counts, clarity: str, rounds: int
) -> dict[str, float]:
    """Return metric → share of test sets whose interval holds its mean over `MAP_SETS` others.

    AUPIMO's is of maps of `FINE_SIDE`.

    Args:
        random: where chance comes from.
        labels: (N,), 0 normal, 1 anomalous, normal images first.
        clarity: a key of `maps.CLARITIES`.
        rounds: how many test sets are tried.
    """
    (apart,) = random.spawn(1)
    coarse = _map_coverage(random, labels, clarity, rounds, SIDE)
    return {**coarse, "aupimo": _map_coverage(apart, labels, clarity, rounds, FINE_SIDE)["aupimo"]}


def _map_coverage(
    random: np.random.Generator, labels: Counts, clarity: str, rounds: int, side: int
) -> dict[str, float]:
    anomalous = int(labels.sum())
    sizes = labels.size - anomalous, anomalous
    values = [pixel_metrics(*draw_maps(random, *sizes, clarity, side)) for _ in range(MAP_SETS)]
    truth = {name: float(np.mean([value[name] for value in values])) for name in values[0]}
    held: Counter[str] = Counter()
    for _ in range(rounds):
        maps, masks = draw_maps(random, *sizes, clarity, side)
        intervals = metric_intervals(labels, maps.max(axis=(1, 2)), maps, masks)
        held.update(_holding(intervals, truth))
    return {name: held[name] / rounds for name in truth}


def _holding(intervals: Mapping[str, Interval], truth: Mapping[str, float]) -> Iterable[str]:
    """Yield the metrics whose interval holds the truth."""
    for name, value in truth.items():
        low, high = intervals.get(name.removesuffix(f" {HELD}"), (nan, nan))
        if low <= value <= high:
            yield name


def false_differences(
    random: np.random.Generator, labels: Counts, area: float, shapes: list[str], rounds: int
) -> tuple[float, float]:
    """Return how often the paired test tells two methods apart whose AUROCs are equal.

    Args:
        random: where chance comes from.
        labels: (N,), 0 normal, 1 anomalous.
        area: the AUROC of both.
        shapes: of each, keys of `SHAPES`.
        rounds: how many test sets are tried.

    Returns:
        The share of all test sets with p below `LEVEL`, and the share without a verdict.
    """
    drawn = draw_scores(random, labels, area, shapes, rounds)
    p_values = [paired_test(labels, *scores) for scores in drawn]
    false = sum(p_value is not None and p_value < LEVEL for p_value in p_values)
    return false / rounds, p_values.count(None) / rounds


def false_tables(
    random: np.random.Generator, labels: Counts, area: float, methods: int, rounds: int
) -> float:
    """Return the share of tables of `ROWS` rows with any difference between equal methods.

    Arguments as `false_differences`; the methods are alike.
    """
    names = [str(number) for number in range(methods)]
    wrong = 0
    for _ in range(rounds):
        drawn = draw_scores(random, labels, area, ["alike"] * methods, ROWS)
        rows = {
            row: compare_images(labels, dict(zip(names, scores, strict=True)))
            for row, scores in enumerate(drawn)
        }
        wrong += any(pair.significant for row in correct_table(rows).values() for pair in row)
    return wrong / rounds
