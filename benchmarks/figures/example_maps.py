"""Example images of a category beside each method's anomaly maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.array_types import Masks
from benchmarks.figures.style import CHARACTER, DOUBLE, Axes, Drawing, Figure, new_figure, wrap_name
from benchmarks.results import ResultSet
from benchmarks.results.maps import StoredMaps, read_maps

_MOST_EXAMPLES = 8


def figures(results: ResultSet) -> Iterator[tuple[str, Drawing]]:
    """Yield a name and what draws the figure, for each category of which any cell has maps."""
    for category in sorted({category for category, _ in results.maps}):
        yield f"examples_{category}", partial(draw_examples, results, category)


def draw_examples(results: ResultSet, category: str) -> Figure:
    """Draw images of one category (rows): image, ground truth, and each method's map and score.

    Args:
        results: the cells.
        category: one of which there are maps.

    Raises:
        BenchmarkError: a file of maps is unreadable.
    """
    stored = {
        method: read_maps(results.maps[category, method])
        for method in results.methods
        if (category, method) in results.maps
    }
    first, *others = stored.values()
    # Methods that misclassify different images store different ones.
    rows = [row for row, name in enumerate(first.names) if all(name in o.names for o in others)]
    names = first.names[rows[:_MOST_EXAMPLES]].tolist()
    figure, axes = _example_grid(results, category, names, len(rows))
    for panels, row in zip(axes, rows, strict=False):
        panels[0].imshow(first.images[row])
        panels[1].imshow(first.images[row])
        _outline(panels[1], first.masks[row])
    for panels, method in zip(axes.T[2:], results.methods, strict=True):
        if method in stored:
            _draw_maps(panels, stored[method], names)
        else:
            why = results.left_out(category, [*{*results.methods} - {method}])
            panels[0].text(0.5, 0.5, why.split(":")[0], ha="center", va="center")
    return figure


def _example_grid(
    results: ResultSet, category: str, names: Sequence[str], total: int
) -> tuple[Figure, NDArray[Any]]:
    """Return a figure and its panels, one row a name and one titled column a method."""
    columns = 2 + len(results.methods)
    side = min(1.1, (DOUBLE - 0.3) / columns)
    width = int(side / CHARACTER)
    titles = ["image", "ground truth", *(wrap_name(method, width) for method in results.methods)]
    part = "" if len(names) == total else f" ({len(names)} of {total})"
    caption = results.caption(f"Anomaly maps of {category}{part}", results.first_seed)
    caption += " Colours span each method's least to greatest value over these images;"
    caption += " true defects are outlined; image scores stand below."
    header = 0.15 * max(1 + title.count("\n") for title in titles)
    figure = new_figure(side * columns + 0.3, header + (side + 0.12) * len(names), caption)
    axes = figure.subplots(len(names), columns, squeeze=False)
    for panel in axes.flat:
        panel.set(xticks=(), yticks=(), box_aspect=1)
        panel.spines[:].set_visible(False)
    for panel, title in zip(axes[0], titles, strict=True):
        panel.set_title(title)
    for panel, name in zip(axes[:, 0], names, strict=True):
        parts = Path(name).with_suffix("").parts[-2:]
        panel.set_ylabel("\n".join(wrap_name(part, width) for part in parts))
    return figure, axes


def _draw_maps(panels: NDArray[Any], examples: StoredMaps, names: Sequence[str]) -> None:
    """Draw one method's maps over the grey images, on one colour scale."""
    rows = {name: row for row, name in enumerate(examples.names.tolist())}
    shown = [rows[name] for name in names]
    low, high = np.nanmin(examples.maps[shown]), np.nanmax(examples.maps[shown])
    for panel, row in zip(panels, shown, strict=True):
        panel.imshow(examples.images[row].mean(axis=-1), cmap="gray", vmin=0, vmax=255)
        panel.imshow(examples.maps[row], cmap="inferno", vmin=low, vmax=high, alpha=0.7)
        _outline(panel, examples.masks[row])
        panel.set_xlabel(f"{examples.scores[row]:.3g}", labelpad=1)


def _outline(panel: Axes, mask: Masks) -> None:
    if mask.any() and not mask.all():
        panel.contour(mask, levels=[0.5], colors="cyan", linewidths=0.6)
