"""Classification errors at two working points."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.figures.style import DOUBLE, SINGLE, Axes, Figure, add_legend, new_figure, style
from benchmarks.results import ResultSet

WORKING_POINTS = ("error_at_full_recall", "error_at_f1_optimal")


def draw_working_points(results: ResultSet) -> Figure:
    """Draw the classification error, in per cent, of every category and method at two thresholds.

    The last group is the mean, where a method has a complete set; a cross stands for a value
    that is missing.
    """
    several = len(results.categories) > 1
    groups = [*results.categories, "mean"] if several else list(results.categories)
    width = DOUBLE if len(groups) * len(results.methods) > 10 else SINGLE
    caption = results.caption("Classification error in % (lower is better)")
    figure = new_figure(width, 3.2, caption)
    for panel, metric in zip(figure.subplots(2, sharex=True), WORKING_POINTS, strict=True):
        bars = _draw_bars(panel, results, metric, len(groups))
        panel.set_ylabel("Error (%)")
        if several:
            panel.axvline(len(groups) - 1.5, color="0.7", linewidth=0.5)
        panel.set_xticks(range(len(groups)), groups)
        panel.set_xlim(-0.5, len(groups) - 0.5)
        panel.tick_params(axis="x", length=0)
    if len(groups) > 5:
        slanted: Any = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
        panel.set_xticks(range(len(groups)), groups, **slanted)
    add_legend(figure, list(results.methods), bars)
    return figure


def _draw_bars(panel: Axes, results: ResultSet, metric: str, groups: int) -> list[Any]:
    """Draw a group of bars a category; return the legend's handles."""
    table = results.table(metric)
    thickness = 0.8 / len(results.methods)
    bars, lacking = [], False
    for place, method in enumerate(results.methods):
        look = style(method)
        at = np.arange(groups) + (place - (len(results.methods) - 1) / 2) * thickness
        values = 100 * table.values[method].to_numpy()[:groups]
        spread = 100 * table.deviations[method].to_numpy()[:groups]
        defined = ~np.isnan(values)
        fill: Any = {"color": look.colour, "hatch": look.hatch, "label": method}
        edge: Any = {"edgecolor": "white", "linewidth": 0.3, "error_kw": {"elinewidth": 0.6}}
        yerr = None if np.isnan(spread).all() else spread[defined]
        drawn = panel.bar(at[defined], values[defined], thickness, yerr=yerr, **fill, **edge)
        bars.append(drawn)
        if not defined.all():
            lacking = True
            panel.plot(at[~defined], 0 * at[~defined], "x", color=look.colour, clip_on=False)
    panel.set_title(table.metric.label, loc="left")
    if lacking:
        panel.set_title("× failed, undefined, not run, or mean of an incomplete set", loc="right")
    return bars
