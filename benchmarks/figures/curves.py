"""Image-level ROC and precision-recall curves, one panel a category."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any, Literal

import numpy as np

from benchmarks.array_types import Curve, Floats
from benchmarks.figures import style
from benchmarks.figures.style import MOST_CATEGORIES, MOST_METHODS, Axes, Drawing, Figure
from benchmarks.metrics.image import precision_recall_curve, roc_curve
from benchmarks.results import ResultSet
from benchmarks.results.scores import read_scores


@dataclass(frozen=True)
class DrawnCurve:
    """A curve over thresholds: `points` of labels and scores, both (N,), as x and y."""

    title: str
    x: str
    y: str
    points: Callable[[Floats, Floats], Curve]
    drawstyle: Literal["default", "steps-post"]


CURVES = {
    "roc": DrawnCurve(
        "Image-level ROC curves", "False-positive rate", "True-positive rate", roc_curve, "default"
    ),
    # Precision between two recalls is not linear: steps, as average precision sums them.
    "precision_recall": DrawnCurve(
        *("Image-level precision and recall", "Recall", "Precision"),
        precision_recall_curve,
        "steps-post",
    ),
}


def figures(results: ResultSet) -> Iterator[tuple[str, Drawing]]:
    """Yield the names and what draws the figures, where any cell has scores."""
    if results.scores and len(results.methods) <= MOST_METHODS:
        draw = draw_curves if len(results.categories) <= MOST_CATEGORIES else draw_spread
        for name, curve in CURVES.items():
            yield name, partial(draw, results, curve)


def draw_curves(results: ResultSet, curve: DrawnCurve) -> Figure:
    """Draw one panel a category and one line a method, labelled by its name.

    Args:
        results: the cells.
        curve: one of `CURVES`.

    Raises:
        BenchmarkError: a score file is unreadable.
    """
    from matplotlib.lines import Line2D

    count = len(results.categories)
    figure, axes, columns = _grid(results, count, curve.title)
    for place, (panel, category) in enumerate(zip(axes, results.categories, strict=True)):
        _draw_panel(panel, results, category, curve)
        if place + columns >= count:
            panel.tick_params(labelbottom=True)
            panel.set_xlabel(curve.x)
        if place % columns == 0:
            panel.set_ylabel(curve.y)
    handles = [Line2D([], [], **style.line(method)) for method in results.methods]
    style.add_legend(figure, list(results.methods), handles)
    return figure


def draw_spread(results: ResultSet, curve: DrawnCurve) -> Figure:
    """Draw one panel a method, with a thin line a category; arguments and errors as `draw_curves`.

    They say how far categories, too many for a panel each, differ.
    """
    from matplotlib.collections import LineCollection

    title = f"{curve.title}, a line each of {len(results.categories)} categories"
    figure, axes, columns = _grid(results, len(results.methods), title)
    for panel, method in zip(axes, results.methods, strict=True):
        stored = [path for (_, name), path in results.scores.items() if name == method]
        lines = [np.column_stack(curve.points(*read_scores(path))) for path in stored]
        if curve.drawstyle == "steps-post":
            lines = [
                np.column_stack([x.repeat(2)[1:], y.repeat(2)[:-1]])
                for x, y in (line.T for line in lines)
            ]
        look: dict[str, Any] = {"colors": style.style(method).colour}
        look |= {"linewidths": 0.4, "alpha": 0.5, "label": method}
        panel.add_collection(LineCollection(lines, **look))
        width = int(figure.get_figwidth() / columns / style.CHARACTER)
        panel.set_title(style.wrap_name(method, width))
        panel.set(xlabel=curve.x, ylabel=curve.y)
        panel.label_outer()
    return figure


def _grid(results: ResultSet, count: int, title: str) -> tuple[Figure, Sequence[Axes], int]:
    """Return a figure, its panels with scales of rates, and how many of them are in a row.

    They are at most five in a row, in a grid as full as may be.
    """
    rows = ceil(count / 5)
    columns = ceil(count / rows)
    width = style.SINGLE if columns < 3 else style.DOUBLE
    caption = results.caption(title, results.first_seed)
    figure = style.new_figure(width, 0.25 + rows * width / columns, caption)
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel().tolist()
    axes[0].set(xlim=(0, 1), ylim=(0, 1))
    for axis in (axes[0].xaxis, axes[0].yaxis):
        axis.set_ticks((0, 0.5, 1), ("0", "0.5", "1"))
    for panel in axes[count:]:
        panel.remove()
    return figure, axes[:count], columns


def _draw_panel(panel: Axes, results: ResultSet, category: str, curve: DrawnCurve) -> None:
    drawn, notes = [], []
    for place, method in enumerate(results.methods):
        if (category, method) not in results.scores:
            continue
        drawn.append(method)
        labels, scores = read_scores(results.scores[category, method])
        if labels.min() == labels.max():
            notes.append(f"one class only: {method}")
            continue
        # Markers start at different points of the way, so that coinciding lines both show.
        every = (0.05 + 0.2 * place / len(results.methods), 0.25)
        look = {"markevery": every, "drawstyle": curve.drawstyle, **style.line(method)}
        panel.plot(*curve.points(labels, scores), label=method, **look)
    notes.append(results.left_out(category, drawn))
    panel.text(0.5, 0.1, "\n".join(filter(None, notes)), ha="center", transform=panel.transAxes)
    panel.set_title(category)
