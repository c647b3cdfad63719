"""What the first view decides by: false alarms and escapes, time, and how many images would do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import combinations
from math import ceil, inf
from statistics import fmean

from benchmarks.figures.pareto import latest_costs
from benchmarks.metrics.calibrated import PER_CENT, images_needed
from benchmarks.report import schema
from benchmarks.results import ResultSet
from benchmarks.results.intervals import calibrated_intervals
from benchmarks.results.scores import read_scores
from benchmarks.statistics.delong import paired_variance
from benchmarks.statistics.pairs import LEVEL
from benchmarks.statistics.proportions import mean_interval
from benchmarks.statistics.sample_size import (
    POWER,
    mean_difference,
    times_as_many,
    times_for_observed,
)
from benchmarks.tables.costs import how_timed

POINT = 1.0
"""The smallest difference that matters, in points of AUROC, unless a reader says another."""

MOST_PAIRED = 12
"""Methods of which every pair is asked about, the best ones."""

UNCALIBRATED = "A run with --calibrate 0.35 sets thresholds without them."


def decision(results: ResultSet) -> schema.PageDecision:
    """Return what a method is chosen by, but for how many images would tell two apart."""
    costs, every = latest_costs(results), list(results.methods)
    return schema.PageDecision(
        points=[_working_point(results, alpha) for alpha in PER_CENT if results.spec.calibrate],
        note="" if results.spec.calibrate else UNCALIBRATED,
        costs=[{"method": every.index(name), "cost": asdict(cost)} for name, cost in costs.items()],
        timed=how_timed(next(iter(costs.values()))) if costs else "",
    )


def _working_point(results: ResultSet, alpha: int) -> schema.PageWorkingPoint:
    rates = [f"calibrated_{name}_{alpha:02}" for name in ("false_alarm_rate", "recall")]
    known = [results.table(rate).complete_values() for rate in rates]
    names = [name for name in results.methods if all(name in values for values in known)]
    judged = [_judged(results, name, rates) for name in names]
    above = [
        name
        for name, shown in zip(names, judged, strict=True)
        if 100 * (shown["alarms"][1] or 0) > alpha and len(results.methods[name]) == 1
    ]
    broken = (
        f" {', '.join(above)}: more false alarms than promised. The normal test images differ from "
        "those held out, which may show objects that the method was fitted to."
    )
    note = _how(results, alpha) + broken * bool(above)
    return schema.PageWorkingPoint(alpha=alpha, methods=judged, note=note)


def _judged(results: ResultSet, method: str, rates: Sequence[str]) -> schema.PageJudged:
    """Return the means of a method's rates over categories, with intervals or seeds' range."""
    cells = [results.first[category, method] for category in results.categories]
    shown = []
    for rate in rates:
        by_seed = [
            fmean(c.metrics[rate] or 0 for c in results.columns[method] if c.spec.seed == seed)
            for seed in results.methods[method]
        ]
        known = [(cell.metrics[rate] or 0, calibrated_intervals(cell)[rate]) for cell in cells]
        several = len(by_seed) > 1
        ends = (min(by_seed), max(by_seed)) if several else mean_interval(known) or (None, None)
        shown.append([fmean(by_seed), *ends])
    normal, anomalous = [c.n_test_good or 0 for c in cells], [c.n_test_defect or 0 for c in cells]
    alarms, caught = (
        sum(round((cell.metrics[rate] or 0) * count) for cell, count in zip(cells, of, strict=True))
        for rate, of in zip(rates, (normal, anomalous), strict=True)
    )
    return schema.PageJudged(
        method=list(results.methods).index(method),
        alarms=shown[0],
        missed=[None if end is None else 1 - end for end in (shown[1][0], *shown[1][:0:-1])],
        images=[alarms, sum(normal), sum(anomalous) - caught, sum(anomalous)],
    )


def _how(results: ResultSet, alpha: int) -> str:
    """Say how the thresholds of a false-alarm rate were found."""
    held_out = sorted({cell.n_held_out for cell in results.cells if cell.n_held_out is not None})
    ranks = sorted({alpha * (count + 1) // 100 for count in held_out})
    if not ranks or not ranks[0]:
        return (
            f"A threshold for {alpha} % of false alarms takes {images_needed(alpha)} nominal "
            f"images that no method is fitted to; {_span(held_out) or 'none'} are held out."
        )
    means = "Rates are means over categories. " * (len(results.categories) > 1)
    several = any(len(seeds) > 1 for seeds in results.methods.values())
    without = "; several seeds, which share the test images, have their range (–)" * several
    return (
        f"Each threshold is the score of place {_span(ranks)} from the top among {_span(held_out)} "
        "nominal training images that the method wasn’t fitted to; a score above it is an alarm, "
        f"of a further such image with a chance of {alpha} % at most. {means}Intervals are 95 % "
        f"and hold the threshold{without}."
    )


def _span(numbers: Sequence[int]) -> str:
    return " to ".join(dict.fromkeys(map(str, (*numbers[:1], *numbers[-1:]))))


def enough(results: ResultSet, points: float) -> Iterator[schema.PageEnough]:
    """Yield two methods, the better first, and how many images would tell them apart, in words.

    Of methods of one seed, with scores of the same images in every category.

    Args:
        results: the cells.
        points: the smallest difference of AUROC that matters, in per cent.

    Raises:
        BenchmarkError: a file of scores is unreadable.
    """
    means = {n: v.mean() for n, v in results.table("image_auroc").complete_values().items()}
    ranked = sorted(means, key=means.__getitem__, reverse=True)[:MOST_PAIRED]
    scores = {
        name: [read_scores(results.scores[category, name]) for category in results.categories]
        for name in ranked
        if all((category, name) in results.scores for category in results.categories)
        and len(results.methods[name]) == 1
        and results.same_images
    }
    every = list(results.methods)
    for pair in combinations(scores, 2):
        both = zip(*(scores[name] for name in pair), strict=True)
        parts = [paired_variance(labels, first, second) for (labels, first), (_, second) in both]
        if estimate := mean_difference(parts):
            labels = [label for labels, _ in scores[pair[0]] for label in labels]
            text = _sentence(pair, estimate, points, (labels.count(0), labels.count(1)))
            first, second = map(every.index, pair)
            yield schema.PageEnough(first=first, second=second, text=text)


def _sentence(
    names: tuple[str, str], estimate: tuple[float, float], points: float, today: tuple[int, int]
) -> str:
    """Say how many images the smallest difference that matters takes, and the observed one."""
    times, images = times_as_many(points / 100, estimate[1]), sum(today)
    normal, anomalous = (ceil(times * count) for count in today)
    observed, least, most = (
        "no number" if factor == inf else f"{ceil(factor * images):,}"
        for factor in times_for_observed(*estimate)
    )
    return (
        f"To show a difference of {points:g} point{'s' * (points != 1)} of Image AUROC between "
        f"{' and '.join(names)} (power {POWER:.0%}, level {LEVEL:.0%}) takes about "
        f"{ceil(times * images):,} test images: {normal:,} normal, {anomalous:,} anomalous, "
        f"{times:.1f} times today’s {images:,}. The observed {100 * abs(estimate[0]):.1f} take "
        f"about {observed} (95 % interval: {least} to {most})."
    )
