"""Figure S4: areas under curves against the image size, one line a patch size P."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from benchmarks.figures.style import DOUBLE, Figure, add_legend, new_figure
from benchmarks.metrics.definitions import HEADLINE, METRICS
from benchmarks.results import Cell
from benchmarks.results.captions import mean_label
from benchmarks.supplement.evaluated_trials import EvaluatedTrials
from benchmarks.supplement.trials import (
    PATCH_SIZES,
    SIZES,
    SWEPT_METHOD,
    sweep_trials,
)

# Lighter with P; line style and marker tell them apart in grey-scale.
_LOOKS: tuple[dict[str, Any], ...] = (
    {"color": "#000000", "linestyle": "-", "marker": "o"},
    {"color": "#3b528b", "linestyle": "--", "marker": "s"},
    {"color": "#21918c", "linestyle": "-.", "marker": "^"},
    {"color": "#8bc34a", "linestyle": ":", "marker": "D"},
)


def draw_size_sweep(evaluated: EvaluatedTrials) -> Figure:
    """Draw image AUROC, pixel AUROC and AUPRO in per cent, each the mean over the categories.

    A point is left out, and the caption says so, where a category lacks any of the three.
    """
    from matplotlib.lines import Line2D

    settings, categories = evaluated.settings, evaluated.categories
    whole = {
        point: _whole(evaluated.stored(trial), categories)
        for point, trial in sweep_trials(settings).items()
    }
    complete = [point for point, metrics in whole.items() if len(metrics) == len(categories)]
    figure = new_figure(DOUBLE, 2, _caption(evaluated, whole))
    for panel, area in zip(figure.subplots(1, len(HEADLINE)), HEADLINE, strict=True):
        for patch, look in zip(PATCH_SIZES, _LOOKS, strict=True):
            sizes = [size for size in SIZES if (size, patch) in complete]
            means = [100 * fmean(metrics[area] for metrics in whole[s, patch]) for s in sizes]
            panel.plot([settings.scaled(size) for size in sizes], means, **look)
        panel.set(xlabel="Image size in px", ylabel=f"{METRICS[area].label} in %")
        panel.set_xticks([settings.scaled(size) for size in SIZES])
        panel.ticklabel_format(axis="y", useOffset=False)
    handles = [Line2D([], [], **look) for look in _LOOKS]
    add_legend(figure, [f"P = {patch}" for patch in PATCH_SIZES], handles)
    return figure


def _whole(stored: Mapping[str, Cell], categories: Sequence[str]) -> list[dict[str, float]]:
    """Return the areas of each category that has them all."""
    known = [stored[category].metrics for category in categories if category in stored]
    areas = [{area: metrics.get(area) for area in HEADLINE} for metrics in known]
    return [
        {area: value for area, value in of_category.items() if value is not None}
        for of_category in areas
        if None not in of_category.values()
    ]


def _caption(
    evaluated: EvaluatedTrials, whole: Mapping[tuple[int, int], Sequence[Mapping[str, float]]]
) -> str:
    settings, categories = evaluated.settings, evaluated.categories
    sizes = [settings.scaled(size) for size in SIZES]
    subject = f"{SWEPT_METHOD} by image size and patch size P, {mean_label(categories)}"
    left_out = [
        f"P = {patch} at {settings.scaled(size)} px ({len(metrics)} of {len(categories)})"
        for (size, patch), metrics in whole.items()
        if len(metrics) < len(categories)
    ]
    notice = f" Left out, for lack of categories: {', '.join(left_out)}." if left_out else ""
    return evaluated.caption(subject, sizes) + notice
