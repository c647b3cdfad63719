"""What anomalous images among those for training do: metrics against their share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from benchmarks.figures.style import DOUBLE, Drawing, Figure, add_legend, line, new_figure
from benchmarks.metrics.definitions import HEADLINE, METRICS
from benchmarks.results import ResultSet
from benchmarks.results.captions import caption, condition_labels
from benchmarks.results.intervals import method_means


def figures(sets: Sequence[ResultSet]) -> Iterator[tuple[str, Drawing]]:
    """Yield name and drawing of each group of sets that differ by their share of contamination."""
    groups: dict[tuple[object, ...], list[ResultSet]] = {}
    for results in sets:
        others = {**results.spec.conditions, "contamination": 0}
        key = results.dataset, results.measure, *others.values()
        groups.setdefault(key, []).append(results)
    curves = [group for group in groups.values() if len(group) > 1]
    for number, group in enumerate(curves, start=1):
        ordered = sorted(group, key=lambda results: results.spec.contamination)
        name = f"contamination-{number}" if len(curves) > 1 else "contamination"
        yield name, partial(draw_contamination, ordered)


def draw_contamination(sets: Sequence[ResultSet]) -> Figure:
    """Draw a panel a metric and a line a method's first seed, with intervals where there are any.

    Each seed has test images of its own, and with them an interval of its own.

    Args:
        sets: of one reserve, by ascending share.

    Raises:
        BenchmarkError: a file of scores or maps is unreadable.
    """
    sets = [replace(results, cells=list(results.first.values())) for results in sets]
    first, shown = sets[0], [metric for metric in HEADLINE if sets[0].has(metric)]
    dirt = condition_labels(first.spec)[:1]
    described = first.describe(
        "Metrics and 95 % intervals by the share of anomalous training images"
    )
    text = caption(first.dataset, [part for part in described if part not in dirt])
    figure = new_figure(DOUBLE, 2.4, text)
    handles = {}
    for panel, metric in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        means = [method_means(results, metric) for results in sets]
        for place, method in enumerate(first.methods):
            aside = (place - (len(first.methods) - 1) / 2) * sets[-1].spec.contamination
            points = [
                (aside + 100 * results.spec.contamination, value, *(ends or (value, value)))
                for results, known in zip(sets, means, strict=True)
                for value, ends in ([known[method]] if method in known else ())
            ]
            if points:
                shares, values, low, high = np.transpose(points)
                bars = np.maximum(0, (values - low, high - values))
                look = {**line(method), "elinewidth": 0.5, "capsize": 1.5}
                handles[method] = panel.errorbar(shares, values, bars, **look)
        panel.set_title(METRICS[metric].label, loc="left")
        panel.set_xlabel("% of the training images")
    add_legend(figure, list(handles), list(handles.values()))
    return figure
