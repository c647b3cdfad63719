"""Figure S3: the main methods' image-level curves, and their errors at two working points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.array_types import Floats
from benchmarks.figures.curves import CURVES, DrawnCurve
from benchmarks.figures.style import DOUBLE, Axes, Figure, new_figure, style
from benchmarks.figures.working_points import WORKING_POINTS
from benchmarks.metrics.definitions import METRICS
from benchmarks.results import Cell
from benchmarks.results.captions import mean_label
from benchmarks.supplement.evaluated_trials import EvaluatedTrials
from benchmarks.supplement.judged_images import judge
from benchmarks.supplement.trials import main_trials

if TYPE_CHECKING:
    import pandas as pd

Line = tuple[Floats, Floats]


GRID = np.linspace(0, 1, 1001)[1:]
"""False-positive rates, or recalls, where curves are averaged; at 0 they have no single height."""


def draw_method_curves(evaluated: EvaluatedTrials) -> Figure:
    """Draw ROC (first row) and precision-recall curves, a column a method, above their errors.

    A grey line or a dot is a category; the method's own line or bar is the mean, drawn only where
    every category is there.

    Raises:
        BenchmarkError: a file of scores is unreadable.
    """
    categories = evaluated.categories
    subject = "Image-level ROC and precision-recall curves, and classification errors"
    text = evaluated.caption(f"{subject}, {mean_label(categories)}")
    if len(categories) > 1:
        text += " Grey lines and dots: categories; coloured lines and bars: their mean."
    figure = new_figure(DOUBLE, 4.9, text)
    parts = figure.subfigures(2, 1, height_ratios=(3.1, 1.8), squeeze=False)
    above, below = parts[:, 0]
    trials = main_trials(evaluated.settings)
    stored = {method: evaluated.stored(trial) for method, trial in trials.items()}
    axes = above.subplots(len(CURVES), len(stored), sharex="row", sharey=True)
    for column, (method, trial) in zip(axes.T, trials.items(), strict=True):
        judged = (judge(evaluated, trial, name) for name in categories)
        known = [images for images in judged if images is not None]
        column[0].set_title(_heading(method, len(known), len(categories)))
        for panel, name in zip(column, CURVES, strict=True):
            _draw_curves(panel, name, method, known, len(categories))
    for panel, curve in zip(axes[:, 0], CURVES.values(), strict=True):
        panel.set_ylabel(curve.y)
    for panel, metric in zip(below.subplots(1, 2, sharey=True), WORKING_POINTS, strict=True):
        _draw_errors(panel, metric, stored, categories)
    return figure


def mean_curve(curve: DrawnCurve, lines: Sequence[Line]) -> Floats:
    """Return the mean height at `GRID` of lines, each x and y as `curve.points` gives them."""
    return np.mean([_heights(curve, x, y) for x, y in lines], axis=0)


def _heights(curve: DrawnCurve, x: Floats, y: Floats) -> Floats:
    if curve.drawstyle == "default":
        return np.interp(GRID, x, y)
    # Recalls descend. A precision holds down to the next lower recall; of several at the same
    # recall it is that of the highest threshold, the last.
    return y[::-1][np.searchsorted(x[::-1], GRID)]


def _heading(method: str, known: int, needed: int) -> str:
    return method if known == needed else f"{method}\nno mean: {known} of {needed}"


def _draw_curves(
    panel: Axes, name: str, method: str, known: Sequence[pd.DataFrame], needed: int
) -> None:
    """Draw a grey line a category, where several are needed, and their mean, where all are there.

    Args:
        panel: where to draw.
        name: of the curve.
        method: whose look the mean has.
        known: the test images of each category that has any.
        needed: how many categories a mean is over.
    """
    from matplotlib.patheffects import withStroke

    curve, look = CURVES[name], style(method)
    lines = [
        curve.points(images["label"].to_numpy(), images["score"].to_numpy()) for images in known
    ]
    if needed > 1:
        for x, y in lines:
            panel.plot(x, y, color="0.7", linewidth=0.4, drawstyle=curve.drawstyle)
    if len(lines) == needed:
        edge = [withStroke(linewidth=2.2, foreground="black")]  # on the grey lines
        line: Any = {"color": look.colour, "linestyle": look.line, "linewidth": 1.6}
        panel.plot(GRID, mean_curve(curve, lines), label=method, path_effects=edge, **line)
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_ticks((0, 0.5, 1), ("0", "0.5", "1"))
    # A little wider, so that lines along the edge show whole.
    panel.set(xlabel=curve.x, xlim=(-0.02, 1.02), ylim=(0, 1.02))


def _draw_errors(
    panel: Axes, metric: str, stored: Mapping[str, Mapping[str, Cell]], categories: Sequence[str]
) -> None:
    """Draw a dot a category, where there are several, and a bar a method that has them all."""
    headings = []
    for place, (method, cells) in enumerate(stored.items()):
        known = (cells[name].metrics.get(metric) for name in categories if name in cells)
        errors = [100 * error for error in known if error is not None]
        headings.append(_heading(method, len(errors), len(categories)))
        if len(errors) == len(categories):
            look = style(method)
            bar = panel.barh(place, np.mean(errors), 0.7, label=method, color=look.colour)
            bar[0].set(hatch=look.hatch, edgecolor="white", linewidth=0.3)
        if errors and len(categories) > 1:
            dots: Any = {"color": "black", "markersize": 2.6, "clip_on": False}
            dots |= {"markeredgecolor": "white", "markeredgewidth": 0.3}
            panel.plot(errors, [place] * len(errors), "o", **dots)
    panel.set(ylim=(len(headings) - 0.5, -0.5), xlabel=f"{METRICS[metric].label}, in %")
    panel.set_yticks(range(len(headings)), headings)
    panel.set_xlim(left=0)
