"""Average ranks over the categories, methods that do not differ joined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from textwrap import fill

from benchmarks.array_types import Floats
from benchmarks.figures.style import CHARACTER, SINGLE, Axes, Drawing, Figure, new_figure, style
from benchmarks.metrics.definitions import HEADLINE, METRICS
from benchmarks.results import ResultSet
from benchmarks.statistics.pairs import LEVEL, correct_table
from benchmarks.statistics.ranks import average_ranks, compare_categories, fewest_categories, groups


def figures(results: ResultSet) -> Iterator[tuple[str, Drawing]]:
    """Yield the figure's name and what draws it, where the cells have a metric of `HEADLINE`."""
    if any(map(results.has, HEADLINE)):
        yield "critical_difference", partial(draw_critical_difference, results)


def draw_critical_difference(results: ResultSet) -> Figure:
    """Draw the average ranks, one panel a metric of `HEADLINE`, groups joined at the right.

    A line joins the methods of a group, each with a dot: no two of them differ significantly.
    """
    values = {
        METRICS[name]: results.table(name).complete_values()
        for name in filter(results.has, HEADLINE)
    }
    notes = [_lacking(len(by_method), len(results.categories)) for by_method in values.values()]
    heights = [
        0.6 if note else 0.6 + 0.17 * len(by_method)
        for note, by_method in zip(notes, values.values(), strict=True)
    ]
    caption = results.caption(
        "Average rank over the categories (1 is best); lines join methods that do not differ "
        f"(Wilcoxon signed-rank, Holm over a panel's pairs, {LEVEL:.0%})"
    )
    figure = new_figure(SINGLE, sum(heights), caption)
    panels = figure.subplots(len(heights), squeeze=False, height_ratios=heights)[:, 0]
    for panel, note, (metric, by_method) in zip(panels, notes, values.items(), strict=True):
        panel.set_title(metric.label, loc="left")
        if note:
            panel.text(0, 0.5, note, va="center", transform=panel.transAxes)
            panel.axis("off")
            continue
        _draw_ranks(panel, by_method, metric.higher_is_better)
        absent = [method for method in results.methods if method not in by_method]
        but = f"; not in every category: {', '.join(absent)}" if absent else ""
        panel.set_xlabel(fill(f"Average rank{but}", int(SINGLE / CHARACTER)))
    return figure


def _lacking(methods: int, categories: int) -> str:
    """Say what ranks lack, nothing where nothing."""
    if methods < 2:
        return "Ranks need two methods with a value in every category."
    fewest = fewest_categories(methods)
    return "" if categories >= fewest else f"Ranks of {methods} methods need {fewest} categories."


def _draw_ranks(panel: Axes, values: Mapping[str, Floats], higher_is_better: bool) -> None:
    ranks = average_ranks(values, higher_is_better)
    names = list(ranks)
    for row, (method, rank) in enumerate(ranks.items()):
        look = style(method)
        panel.plot(rank, row, look.marker, color=look.colour, markersize=4.5, label=method)
        panel.annotate(f"{rank:.1f}", (rank, row), (5, 0), textcoords="offset points", va="center")
    pairs = compare_categories({name: values[name] for name in names}, higher_is_better)
    corrected = correct_table({"all": pairs})["all"]
    across = panel.get_yaxis_transform()
    for place, group in enumerate(groups(corrected)):
        rows = [names.index(method) for method in group]
        at = [1.03 + 0.04 * place] * len(rows)
        panel.plot(at, rows, "o-", color="0.2", transform=across, clip_on=False, markersize=2.5)
    panel.set_yticks(range(len(names)), names)
    panel.set_xticks(range(1, len(names) + 1))
    # Room for the first marker's left half and the last one's number.
    panel.set(xlim=(0.7, 1.1 * len(names) + 0.3), ylim=(len(names) - 0.5, -0.5))
    panel.grid(color="0.9", linewidth=0.5)
    panel.set_axisbelow(True)
