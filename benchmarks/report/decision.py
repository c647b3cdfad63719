"""What the first view decides by: false alarms and escapes, time, and how many images would do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from math import ceil, inf

from benchmarks.figures.pareto import latest_costs
from benchmarks.metrics.calibrated import PER_CENT, images_needed
from benchmarks.report import schema
from benchmarks.results import ResultSet
from benchmarks.results.cell import Cell
from benchmarks.results.costs import Cost
from benchmarks.results.intervals import calibrated_intervals
from benchmarks.results.result_set import category_of
from benchmarks.results.scores import read_scores
from benchmarks.statistics.delong import paired_variance
from benchmarks.statistics.pairs import LEVEL
from benchmarks.statistics.proportions import Interval, mean_interval
from benchmarks.statistics.sample_size import (
    POWER,
    mean_difference,
    times_as_many,
    times_for_observed,
)

POINT = 1.0
"""The smallest difference that matters, in points of AUROC, unless a reader says another."""

MOST_PAIRED = 12
"""Methods of which every pair is asked about, the best ones."""

UNCALIBRATED = "A run with --calibrate 0.35 sets thresholds without them."


def decision(results: ResultSet, ranked: list[str], points: float) -> schema.PageDecision:
    """Return what a method is chosen by.

    Args:
        results: the cells.
        ranked: the methods by image AUROC, best first.
        points: the smallest difference of AUROC that matters, in per cent.

    Raises:
        BenchmarkError: a file of scores is unreadable.
    """
    costs = latest_costs(results)
    every = list(results.methods)
    return schema.PageDecision(
        points=[_working_point(results, alpha) for alpha in PER_CENT] if results.calibrate else [],
        note="" if results.calibrate else UNCALIBRATED,
        enough=list(_enough(results, ranked[:MOST_PAIRED], points)),
        costs=[_page_cost(every.index(name), cost) for name, cost in costs.items()],
        timed=_timed(next(iter(costs.values()))) if costs else "",
    )


def _timed(cost: Cost) -> str:
    return (
        f"From file to verdict on {cost.machine}: {cost.images} images of {cost.category} one by "
        f"one, after {cost.warm_up} to warm up; median and 95th percentile. Memory: of the whole "
        "process on a CPU, of what is allocated on a GPU."
    )


def _page_cost(method: int, cost: Cost) -> schema.PageCost:
    return schema.PageCost(
        method=method,
        milliseconds=cost.milliseconds,
        batch=cost.batch,
        images_per_second=cost.images_per_second,
        state_bytes=cost.state_bytes,
        peak_memory_mb=cost.peak_memory_mb,
    )


def _working_point(results: ResultSet, alpha: int) -> schema.PageWorkingPoint:
    rates = [f"calibrated_{name}_{alpha:02}" for name in ("false_alarm_rate", "recall")]
    means = [_means(results, rate) for rate in rates]
    judged = [
        schema.PageJudged(
            method=place,
            alarms=list(means[0][name]),
            missed=[None if end is None else 1 - end for end in _turned(means[1][name])],
            images=_images(results, name, rates),
        )
        for place, name in enumerate(results.methods)
        if name in means[0] and name in means[1]
    ]
    said = [_how(results, alpha), _broken(results, judged, alpha)]
    return schema.PageWorkingPoint(alpha=alpha, methods=judged, note=" ".join(filter(None, said)))


def _broken(results: ResultSet, judged: list[schema.PageJudged], alpha: int) -> str:
    """Say which methods' false alarms are more than was promised, even at their interval's end."""
    every = list(results.methods)
    names = [
        every[shown["method"]] for shown in judged if 100 * (shown["alarms"][1] or 0.0) > alpha
    ]
    if not names:
        return ""
    return (
        f"{', '.join(names)}: more false alarms than promised, so the normal test images differ "
        "from those held out."
    )


Estimate = tuple[float, float | None, float | None]
"""A mean and the ends of its interval or, over seeds, of its range; None without any."""


def _turned(estimate: Estimate) -> Estimate:
    value, low, high = estimate
    return value, high, low


def _means(results: ResultSet, metric: str) -> dict[str, Estimate]:
    """Return method → the mean of a rate over the categories, of those that lack none.

    With its 95 % interval given the thresholds; over several seeds, whose splits share the test
    images, with the lowest and the highest seed's mean instead.
    """
    table, means = results.table(metric), dict[str, Estimate]()
    for name, values in table.complete_values().items():
        if len(results.methods[name]) > 1:
            ends: Interval | None = _range(results.columns[name], metric)
        else:
            cells = [results.first[category, name] for category in results.categories]
            spans = [calibrated_intervals(cell).get(metric) for cell in cells]
            ends = mean_interval(list(zip(values.tolist(), spans, strict=True)))
        means[name] = (float(values.mean()), *(ends or (None, None)))
    return means


def _range(cells: list[Cell], metric: str) -> Interval:
    """Return the lowest and the highest mean over categories that a seed has."""
    by_seed: dict[int, list[float]] = {}
    for cell in cells:
        by_seed.setdefault(cell.spec.seed, []).append(cell.metrics[metric] or 0.0)
    means = [sum(values) / len(values) for values in by_seed.values()]
    return min(means), max(means)


def _images(results: ResultSet, method: str, rates: list[str]) -> list[int]:
    """Return false alarms, normal images, missed and anomalous images of a method's first seed."""
    counts = [0, 0, 0, 0]
    for category in results.categories:
        cell = results.first[category, method]
        normal, anomalous = cell.n_test_good or 0, cell.n_test_defect or 0
        alarms, recall = (cell.metrics.get(rate) or 0.0 for rate in rates)
        found = (round(alarms * normal), normal, round((1 - recall) * anomalous), anomalous)
        counts = [total + count for total, count in zip(counts, found, strict=True)]
    return counts


def _how(results: ResultSet, alpha: int) -> str:
    """Say how the thresholds of a false-alarm rate were found."""
    held_out = sorted({cell.n_held_out for cell in results.cells if cell.n_held_out is not None})
    ranks = sorted({alpha * (count + 1) // 100 for count in held_out})
    if not ranks or not ranks[0]:
        return (
            f"A threshold for {alpha} % of false alarms takes {images_needed(alpha)} nominal "
            f"images that no method is fitted to; {_span(held_out) or 'none'} are held out."
        )
    several = len(results.categories) > 1
    return (
        f"Each threshold is the score of place {_span(ranks)} from the top among {_span(held_out)} "
        "nominal training images that the method wasn’t fitted to; a score above it is an alarm, "
        f"of a further such image with a chance of {alpha} % at most. "
        f"{'Rates are means over categories. ' * several}{_ends(results)}"
    )


def _ends(results: ResultSet) -> str:
    if any(len(seeds) > 1 for seeds in results.methods.values()):
        return "In brackets: the lowest and highest of seeds; counts are of the first."
    return "Intervals are 95 % and hold the threshold."


def _span(numbers: list[int]) -> str:
    return " to ".join(dict.fromkeys(str(number) for number in (*numbers[:1], *numbers[-1:])))


def _enough(results: ResultSet, ranked: list[str], points: float) -> Iterator[schema.PageEnough]:
    """Yield what each pair of methods would take, of one seed each and on the same images."""
    every = list(results.methods)
    singles = [name for name in ranked if len(results.methods[name]) == 1]
    if not results.same_images:
        return
    scores = {
        place: read_scores(path) for place, path in results.scores.items() if place[1] in singles
    }
    for first, second in combinations(singles, 2):
        places = [(category, name) for category in results.categories for name in (first, second)]
        if not all(place in scores for place in places):
            continue
        parts = [
            paired_variance(
                scores[category, first][0], *(scores[category, n][1] for n in (first, second))
            )
            for category in results.categories
        ]
        if estimate := mean_difference(parts):
            text = _sentence((first, second), estimate, points, _test_images(results))
            yield schema.PageEnough(first=every.index(first), second=every.index(second), text=text)


def _test_images(results: ResultSet) -> tuple[int, int]:
    """Return the numbers of normal and anomalous test images of all categories."""
    cells: Mapping[str, Cell] = {category_of(cell): cell for cell in results.first.values()}
    counts = [(cell.n_test_good or 0, cell.n_test_defect or 0) for cell in cells.values()]
    return sum(normal for normal, _ in counts), sum(anomalous for _, anomalous in counts)


def _sentence(
    names: tuple[str, str], estimate: tuple[float, float], points: float, today: tuple[int, int]
) -> str:
    """Say how many images the smallest difference that matters takes, and the observed one."""
    times = times_as_many(points / 100, estimate[1])
    observed, least, most = times_for_observed(*estimate)
    normal, anomalous = (ceil(times * count) for count in today)
    end = "no number" if most == inf else _number(most * sum(today))
    seen = "no number of them" if observed == inf else f"about {_number(observed * sum(today))}"
    return (
        f"To show a difference of {points:g} point{'s' * (points != 1)} of Image AUROC between "
        f"{names[0]} and {names[1]} (power {POWER:.0%}, level {LEVEL:.0%}) takes about "
        f"{_number(times * sum(today))} test images: {normal:,} normal, {anomalous:,} anomalous, "
        f"{times:.1f} times today’s {sum(today):,}. The observed {100 * abs(estimate[0]):.1f} "
        f"take {seen} (95 % interval: {_number(least * sum(today))} to {end})."
    )


def _number(images: float) -> str:
    return f"{ceil(images):,}"
