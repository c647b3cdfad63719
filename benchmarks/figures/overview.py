"""Every method's mean of the three areas under curves."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.figures.style import DOUBLE, MOST_METHODS, Axes, Figure, new_figure, style
from benchmarks.metrics.definitions import HEADLINE
from benchmarks.results import ResultSet
from benchmarks.results.captions import mean_label


def draw_overview(results: ResultSet) -> Figure:
    """Draw every method's mean, or its value in the only category, of the three areas."""
    only = len(results.categories) == 1
    caption = results.caption(f"Overview: {mean_label(results.categories)}")
    figure = new_figure(DOUBLE, 0.55 + 0.24 * len(results.methods), caption)
    for panel, metric in zip(figure.subplots(1, 3, sharey=True), HEADLINE, strict=True):
        table = results.table(metric)
        for place, method in enumerate(results.methods):
            value = 100 * table.values[method].iloc[0 if only else -1]
            spread = 100 * table.deviations[method].iloc[0 if only else -1]
            _draw_dot(panel, place, method, value, None if math.isnan(spread) else spread)
        panel.set_xlabel(f"{table.metric.label} in %")
        if len(results.methods) > MOST_METHODS:  # whose lower end is out of sight
            panel.set_title(f"{table.metric.label} in %")
        panel.set_yticks(range(len(results.methods)), list(results.methods))
        panel.set_ylim(len(results.methods) - 0.4, -0.8)
        panel.margins(x=0.2)
        left, right = panel.get_xlim()
        panel.set_xticks([tick for tick in panel.get_xticks() if left <= tick <= min(right, 100)])
        panel.grid(axis="y", color="0.9", linewidth=0.5)
        panel.set_axisbelow(True)
    return figure


def _draw_dot(panel: Axes, place: int, method: str, value: float, spread: float | None) -> None:
    look = style(method)
    if math.isnan(value):
        across = panel.get_yaxis_transform()
        panel.text(0.5, place, "no complete set", transform=across, ha="center", va="center")
        return
    point: Any = {"color": look.colour, "fmt": look.marker, "ms": 4.5, "label": method}
    panel.errorbar(value, place, xerr=spread, **point)
    panel.annotate(f"{value:.1f}", (value, place), (0, 4), textcoords="offset points", ha="center")
