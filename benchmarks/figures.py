"""Figures of a run's stored cells: an overview, working points, curves and example maps.

python -m benchmarks.figures RUN
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from benchmarks.comparison import (
    Comparison,
    Files,
    comparisons,
    find_run,
    first_seed,
    left_out,
    plots_folder,
    read_rows,
    stored_files,
)
from benchmarks.errors import BenchmarkError
from benchmarks.example_maps import draw_examples
from benchmarks.palette import (
    DOUBLE,
    LOOK,
    SINGLE,
    add_legend,
    line,
    new_figure,
    save,
    style,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

OVERVIEW = ("image_auroc", "pixel_auroc", "aupro_30")
WORKING_POINTS = ("error_at_full_recall", "error_at_f1_optimal")


@dataclass(frozen=True)
class Curve:
    """A curve over thresholds: `points` of labels and scores, both (N,), as x and y."""

    title: str
    x: str
    y: str
    points: Callable[[Floats, Floats], tuple[Floats, Floats]]
    drawstyle: Literal["default", "steps-post"]


def _roc(labels: Floats, scores: Floats) -> tuple[Floats, Floats]:
    from sklearn.metrics import roc_curve

    false_positive_rate, true_positive_rate, _ = roc_curve(labels, scores)
    return false_positive_rate, true_positive_rate


def _precision_recall(labels: Floats, scores: Floats) -> tuple[Floats, Floats]:
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(labels, scores)
    return recall, precision


CURVES = {
    "roc": Curve(
        "Image-level ROC curves", "False-positive rate", "True-positive rate", _roc, "default"
    ),
    # Precision between two recalls is not linear: steps, as average precision sums them.
    "precision_recall": Curve(
        "Image-level precision and recall",
        "Recall",
        "Precision",
        _precision_recall,
        "steps-post",
    ),
}


def read_scores(path: Path) -> tuple[Floats, Floats]:
    """Return labels and scores of the test images, each (N,); raises as `read_images`."""
    frame = read_images(path)
    return frame["label"].to_numpy(), frame["score"].to_numpy()


def read_images(path: Path) -> pd.DataFrame:
    """Return path, label and score of the test images, a row each.

    Raises:
        BenchmarkError: the file is unreadable.
    """
    import pandas as pd

    try:
        frame = pd.read_csv(path, dtype={"path": str, "label": int, "score": float})
        if frame.empty or frame["score"].isna().any():
            raise ValueError("incomplete")
    except (OSError, ValueError, KeyError) as error:
        raise BenchmarkError(f"can't read the scores in {path}; run its cell again") from error
    return frame


def draw_curves(comparison: Comparison, files: Files, curve: Curve) -> Figure:
    """Draw one panel a category and one line a method, labelled by its name.

    Args:
        comparison: the cells.
        files: (category, method) → scores, as `stored_files` returns.
        curve: one of `CURVES`.

    Raises:
        BenchmarkError: a score file is unreadable.
    """
    from matplotlib.lines import Line2D

    count = len(comparison.categories)
    rows, columns = _panels(count)
    width = SINGLE if columns < 3 else DOUBLE
    caption = comparison.caption(curve.title, first_seed(comparison))
    figure = new_figure(width, 0.25 + rows * width / columns, caption)
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for place, (panel, category) in enumerate(zip(axes, comparison.categories, strict=False)):
        _draw_panel(panel, comparison, category, files, curve)
        if place + columns >= count:
            panel.tick_params(labelbottom=True)
            panel.set_xlabel(curve.x)
        if place % columns == 0:
            panel.set_ylabel(curve.y)
    for panel in axes[count:]:
        panel.remove()
    handles = [Line2D([], [], **line(method)) for method in comparison.methods]
    add_legend(figure, list(comparison.methods), handles)
    return figure


def _panels(count: int) -> tuple[int, int]:
    """Return the rows and columns of a grid: at most five columns, as full as may be."""
    rows = math.ceil(count / 5)
    return rows, math.ceil(count / rows)


def _draw_panel(
    panel: Axes, comparison: Comparison, category: str, files: Files, curve: Curve
) -> None:
    drawn, notes = [], []
    for place, method in enumerate(comparison.methods):
        if (category, method) not in files:
            continue
        drawn.append(method)
        labels, scores = read_scores(files[category, method])
        if labels.min() == labels.max():
            notes.append(f"one class only: {method}")
            continue
        # Markers start at different points of the way, so that coinciding lines both show.
        every = (0.05 + 0.2 * place / len(comparison.methods), 0.25)
        x, y = curve.points(labels, scores)
        panel.plot(x, y, label=method, markevery=every, drawstyle=curve.drawstyle, **line(method))
    notes.append(left_out(comparison, category, drawn))
    panel.text(0.5, 0.1, "\n".join(filter(None, notes)), ha="center", transform=panel.transAxes)
    panel.set(title=category, xlim=(0, 1), ylim=(0, 1))
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_ticks((0, 0.5, 1), ("0", "0.5", "1"))


def draw_working_points(comparison: Comparison) -> Figure:
    """Draw the classification error, in per cent, of every category and method at two thresholds.

    The last group is the mean, where a method has a complete set; a cross stands for a value
    that is missing.
    """
    several = len(comparison.categories) > 1
    groups = [*comparison.categories, "mean"] if several else list(comparison.categories)
    width = DOUBLE if len(groups) * len(comparison.methods) > 10 else SINGLE
    caption = comparison.caption("Classification error in % (lower is better)")
    figure = new_figure(width, 3.2, caption)
    for panel, metric in zip(figure.subplots(2, sharex=True), WORKING_POINTS, strict=True):
        bars = _draw_bars(panel, comparison, metric, len(groups))
        panel.set_ylabel("Error (%)")
        if several:
            panel.axvline(len(groups) - 1.5, color="0.7", linewidth=0.5)
        panel.set_xticks(range(len(groups)), groups)
        panel.set_xlim(-0.5, len(groups) - 0.5)
        panel.tick_params(axis="x", length=0)
    if len(groups) > 5:
        panel.set_xticks(
            range(len(groups)), groups, rotation=45, ha="right", rotation_mode="anchor"
        )
    add_legend(figure, list(comparison.methods), bars)
    return figure


def _draw_bars(panel: Axes, comparison: Comparison, metric: str, groups: int) -> list[Any]:
    """Draw a group of bars a category; return the legend's handles."""
    table = comparison.table(metric)
    thickness = 0.8 / len(comparison.methods)
    bars, lacking = [], False
    for place, method in enumerate(comparison.methods):
        look = style(method)
        at = np.arange(groups) + (place - (len(comparison.methods) - 1) / 2) * thickness
        values = 100 * table.values[method].to_numpy()[:groups]
        spread = 100 * table.deviations[method].to_numpy()[:groups]
        there = ~np.isnan(values)
        bars.append(
            panel.bar(
                at[there],
                values[there],
                thickness,
                yerr=spread[there] if not np.isnan(spread).all() else None,
                label=method,
                color=look.colour,
                hatch=look.hatch,
                edgecolor="white",
                linewidth=0.3,
                error_kw={"elinewidth": 0.6},
            )
        )
        if not there.all():
            lacking = True
            panel.plot(at[~there], 0 * at[~there], "x", color=look.colour, clip_on=False)
    panel.set_title(table.metric.label, loc="left")
    if lacking:
        panel.set_title("× failed, undefined, not run, or mean of an incomplete set", loc="right")
    return bars


def draw_overview(comparison: Comparison) -> Figure:
    """Draw every method's mean, or its value in the only category, of the three areas."""
    only = len(comparison.categories) == 1
    what = comparison.categories[0] if only else f"mean of {len(comparison.categories)} categories"
    caption = comparison.caption(f"Overview: {what}")
    figure = new_figure(DOUBLE, 0.55 + 0.24 * len(comparison.methods), caption)
    for panel, metric in zip(figure.subplots(1, 3, sharey=True), OVERVIEW, strict=True):
        table = comparison.table(metric)
        for place, method in enumerate(comparison.methods):
            value = 100 * table.values[method].iloc[0 if only else -1]
            spread = 100 * table.deviations[method].iloc[0 if only else -1]
            _draw_dot(panel, place, method, value, None if math.isnan(spread) else spread)
        panel.set_xlabel(f"{table.metric.label} in %")
        panel.set_yticks(range(len(comparison.methods)), list(comparison.methods))
        panel.set_ylim(len(comparison.methods) - 0.4, -0.8)
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
    panel.errorbar(
        value, place, xerr=spread, color=look.colour, fmt=look.marker, ms=4.5, label=method
    )
    panel.annotate(f"{value:.1f}", (value, place), (0, 4), textcoords="offset points", ha="center")


def write_figures(run: Path, out: Path) -> list[Path]:
    """Write every figure of `run` to `out` as PNG and SVG; return the paths.

    Where the run holds several protocols each has its own figures, numbered in order of
    appearance. Figures that need scores or maps are left out where no cell has any.

    Raises:
        BenchmarkError: the run's metrics.csv, or a file that it refers to, is unreadable.
        StorageError: the figures can't be written.
    """
    import matplotlib.style

    found = comparisons(read_rows(run))
    paths: list[Path] = []
    with matplotlib.style.context(["default", LOOK]):
        for number, comparison in enumerate(found, start=1):
            suffix = f"-{number}" if len(found) > 1 else ""
            for name, figure in _figures(run, comparison):
                paths += save(figure, out, f"{name}{suffix}")
    return paths


def _figures(run: Path, comparison: Comparison) -> Iterator[tuple[str, Figure]]:
    if any(map(comparison.has, OVERVIEW)):
        yield "overview", draw_overview(comparison)
    if any(map(comparison.has, WORKING_POINTS)):
        yield "working_points", draw_working_points(comparison)
    if scores := stored_files(run, comparison, "scores"):
        for name, curve in CURVES.items():
            yield name, draw_curves(comparison, scores, curve)
    maps = stored_files(run, comparison, "maps")
    for category in sorted({category for category, _ in maps}):
        yield f"examples_{category}", draw_examples(comparison, maps, category)


def main(argv: Sequence[str] | None = None) -> int:
    """Write a run's figures; return 0, or 2 where there is nothing to make them from."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.figures", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="a run's folder, or its name under results/")
    name = parser.parse_args(argv).run
    try:
        run = find_run(name).resolve()
        paths = write_figures(run, plots_folder(run))
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(*paths, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
