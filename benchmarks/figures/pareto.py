"""Accuracy against the time that an image takes, and the methods that no other beats in both."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

from benchmarks.figures.style import DOUBLE, Axes, Drawing, Figure, new_figure, style
from benchmarks.metrics.definitions import METRICS
from benchmarks.results import ResultSet
from benchmarks.results.costs import Cost, read_costs
from benchmarks.results.intervals import method_means

METRIC = "image_auroc"


class Point(NamedTuple):
    """A method: milliseconds, its mean over the run's categories, the interval of that mean."""

    method: str
    cost: Cost
    value: float
    interval: tuple[float, float] | None


def figures(results: ResultSet) -> Iterator[tuple[str, Drawing]]:
    """Yield the figure's name and what draws it, where some methods' costs are stored."""
    if results.has(METRIC) and (chosen := points(results, METRIC)):
        yield "pareto", partial(draw_pareto, results, chosen)


def points(results: ResultSet, metric: str) -> list[Point]:
    """Return the methods whose cost is stored, on the machine that was measured last, and that
    have a value of a metric in every category."""
    means = method_means(results, metric)
    costs = latest_costs(results)
    return [Point(name, cost, *means[name]) for name, cost in costs.items() if name in means]


def latest_costs(results: ResultSet) -> dict[str, Cost]:
    """Return method → its stored cost on the machine that was measured last."""
    keys = {cell.spec.key: method for method, cell in results.titled}
    costs = [cost for cost in read_costs(results.run) if cost.cell in keys]
    return {keys[cost.cell]: cost for cost in costs if cost.machine == costs[-1].machine}


def front(chosen: list[Point], *, higher_is_better: bool) -> list[Point]:
    """Return the points, fastest first, that no other is at least as good as in both."""
    sign = 1 if higher_is_better else -1
    best: list[Point] = []
    for point in sorted(chosen, key=lambda p: (p.cost.milliseconds[0], -sign * p.value)):
        if not best or sign * point.value > sign * best[-1].value:
            best.append(point)
    return best


def draw_pareto(results: ResultSet, chosen: list[Point]) -> Figure:
    """Draw a metric's mean against the median milliseconds of an image, with the front as a line.

    Bars are the 95 % interval of the mean over test images, and end at the 95th percentile of time.
    Left of and above the grey line no method is.
    """
    from matplotlib.ticker import LogLocator, NullLocator

    metric = METRICS[METRIC]
    caption = results.caption(
        f"{metric.label} against time from file to verdict ({chosen[0].cost.machine}), median and "
        "95th percentile; 95 % intervals; no method is above the grey line,"
    )
    figure = new_figure(DOUBLE, 3.2, caption)
    panel = figure.subplots()
    for point in chosen:
        _draw_point(panel, point)
    panel.margins(0.15)
    panel.set(xscale="log", xlabel="Milliseconds an image, scored alone")
    panel.set_ylabel(f"{metric.label} in %")
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter("{x:g}")
    best, right = front(chosen, higher_is_better=metric.higher_is_better), panel.get_xlim()[1]
    times = [*(point.cost.milliseconds[0] for point in best), right]
    heights = [100 * point.value for point in [*best, best[-1]]]
    panel.step(times, heights, where="post", color="0.6", zorder=1)
    panel.set_xlim(right=right)
    return figure


def _draw_point(panel: Axes, point: Point) -> None:
    look, (median, late) = style(point.method), point.cost.milliseconds
    low, high = point.interval or (point.value, point.value)
    place = median, 100 * point.value
    above, below = 100 * (high - point.value), 100 * (point.value - low)
    bars: Any = {"xerr": [[0.0], [late - median]], "yerr": [[below], [above]], "elinewidth": 0.7}
    panel.errorbar(*place, fmt=look.marker, color=look.colour, **bars)
    panel.annotate(point.method, place, (5, 5), textcoords="offset points")
