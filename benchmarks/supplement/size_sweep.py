"""Figure S4: areas under curves against the image size, one line a patch size P."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from benchmarks.figures.style import DOUBLE, Figure, add_legend, new_figure
from benchmarks.metrics.definitions import HEADLINE, METRICS
from benchmarks.results.captions import mean_label
from benchmarks.supplement.evaluated_trials import EvaluatedTrials
from benchmarks.supplement.trials import PATCH_SIZES, SIZES, SWEPT_METHOD, Trial, sweep_trials

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

    settings, count = evaluated.settings, len(evaluated.categories)
    trials = sweep_trials(settings)
    areas = {point: _complete(evaluated, trial) for point, trial in trials.items()}
    figure = new_figure(DOUBLE, 2, _caption(evaluated, areas))
    panels = figure.subplots(1, len(HEADLINE))
    for place, (panel, area) in enumerate(zip(panels, HEADLINE, strict=True)):
        for patch, look in zip(PATCH_SIZES, _LOOKS, strict=True):
            sizes = [size for size in SIZES if len(areas[size, patch]) == count]
            means = [100 * fmean(values[place] for values in areas[s, patch]) for s in sizes]
            panel.plot([settings.scaled(size) for size in sizes], means, **look)
        panel.set(xlabel="Image size in px", ylabel=f"{METRICS[area].label} in %")
        panel.set_xticks([settings.scaled(size) for size in SIZES])
        panel.ticklabel_format(axis="y", useOffset=False)
    handles = [Line2D([], [], **look) for look in _LOOKS]
    add_legend(figure, [f"P = {patch}" for patch in PATCH_SIZES], handles)
    return figure


def _complete(evaluated: EvaluatedTrials, trial: Trial) -> list[list[float]]:
    """Return the areas of `HEADLINE` of each category that has them all."""
    rows = [
        [evaluated.value(trial, category, area) for area in HEADLINE]
        for category in evaluated.categories
    ]
    return [[value for value in row if value is not None] for row in rows if None not in row]


def _caption(
    evaluated: EvaluatedTrials, areas: Mapping[tuple[int, int], Sequence[Sequence[float]]]
) -> str:
    settings, categories = evaluated.settings, evaluated.categories
    subject = f"{SWEPT_METHOD} by image size and patch size P, {mean_label(categories)}"
    left_out = [
        f"P = {patch} at {settings.scaled(size)} px ({len(known)} of {len(categories)})"
        for (size, patch), known in areas.items()
        if len(known) < len(categories)
    ]
    notice = f" Left out, for lack of categories: {', '.join(left_out)}." if left_out else ""
    size = f"{settings.scaled(SIZES[0])}–{settings.scaled(SIZES[-1])}"
    return evaluated.caption(subject, size) + notice
