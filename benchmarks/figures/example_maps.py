"""Example images of a category beside each method's anomaly maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.array_types import Floats, Masks
from benchmarks.figures import style
from benchmarks.figures.style import CHARACTER, LINE, Axes, Drawing, Figure
from benchmarks.results import ResultSet
from benchmarks.results.maps import StoredMaps, read_maps
from benchmarks.results.result_set import category_of

PREFIX = "examples_"
"""Of the names of these figures."""

_MOST_EXAMPLES = 8

_COLOUR = 0.7
"""Share of a map's colour in what is shown, the rest being the image."""

Pixels = NDArray[np.uint8]

_MARGIN, _GAP, _LARGEST = 0.3, 0.05, 1.1
"""Inches at the left, between pictures, and of a picture's side at most."""


def figures(results: ResultSet) -> Iterator[tuple[str, Drawing]]:
    """Yield a name and what draws the figure, for each category of which any cell has maps."""
    if len(results.categories) <= style.MOST_CATEGORIES:
        for category in sorted({category for category, _ in results.maps}):
            cells = [cell for cell in results.cells if category_of(cell) == category]
            only = replace(results, cells=cells, categories=(category,))
            if len(only.methods) <= style.MOST_METHODS:
                yield f"{PREFIX}{category}", partial(draw_examples, only)


def draw_examples(results: ResultSet) -> Figure:
    """Draw images of one category (rows): image, ground truth, and each method's map and score.

    All in a single panel, for a panel a picture takes many times as long.

    Args:
        results: the cells of a category of which there are maps.

    Raises:
        BenchmarkError: a file of maps is unreadable.
    """
    (category,) = results.categories
    stored = {
        method: read_maps(results.maps[category, method])
        for method in results.methods
        if (category, method) in results.maps
    }
    first, *others = stored.values()
    # Methods that misclassify different images store different ones.
    rows = [row for row, name in enumerate(first.names) if all(name in o.names for o in others)]
    names = first.names[rows[:_MOST_EXAMPLES]].tolist()
    figure, grid = _example_grid(results, category, names, len(rows))
    for place, row in enumerate(rows[:_MOST_EXAMPLES]):
        grid.show(place, 0, first.images[row])
        grid.show(place, 1, first.images[row])
        grid.outline(place, 1, first.masks[row])
    for column, method in enumerate(results.methods, start=2):
        if method in stored:
            _draw_maps(grid, column, stored[method], names)
        else:
            why = results.left_out(category, [*{*results.methods} - {method}])
            grid.write(0, column, grid.side / 2, why.split(":")[0])
    return figure


@dataclass(frozen=True)
class _Grid:
    """Squares of `side` inches in a panel whose coordinates are inches from its upper left."""

    panel: Axes
    side: float
    top: float

    def corner(self, row: int, column: int) -> tuple[float, float]:
        """Return the left and upper edge of a square."""
        return _MARGIN + column * self.side, self.top + row * (self.side + LINE)

    def show(self, row: int, column: int, pixels: Pixels) -> None:
        """Draw a picture, (H, W, 3), as large as fits into a square."""
        across, down = self._edges(row, column, pixels.shape)
        extent = (across[0], across[-1], down[-1], down[0])
        self.panel.imshow(pixels, extent=extent, aspect="auto")

    def outline(self, row: int, column: int, mask: Masks) -> None:
        """Draw the outline of a mask over its picture."""
        from contourpy import contour_generator
        from matplotlib.collections import LineCollection

        if mask.any() and not mask.all():
            across, down = (
                edges[:-1] + np.diff(edges) / 2 for edges in self._edges(row, column, mask.shape)
            )
            lines: Any = contour_generator(across, down, mask).lines(0.5)
            self.panel.add_collection(LineCollection(lines, colors="cyan", linewidths=0.6))

    def write(self, row: int, column: int, down: float, text: str) -> None:
        """Write into the middle of a square, `down` inches below its upper edge."""
        left, top = self.corner(row, column)
        self.panel.text(left + self.side / 2, top + down, text, ha="center", va="center")

    def _edges(self, row: int, column: int, shape: Sequence[int]) -> list[Any]:
        """Return the edges between a picture's columns, and those between its rows."""
        pixel = (self.side - _GAP) / max(shape[:2])
        return [
            start + (self.side - count * pixel) / 2 + pixel * np.arange(count + 1)
            for start, count in zip(self.corner(row, column), shape[1::-1], strict=True)
        ]


def _example_grid(
    results: ResultSet, category: str, names: Sequence[str], total: int
) -> tuple[Figure, _Grid]:
    """Return a figure and its squares, one row a name and one titled column a method."""
    columns = 2 + len(results.methods)
    side = min(_LARGEST, (style.DOUBLE - _MARGIN) / columns)
    width = int(side / CHARACTER)
    titles = [
        style.wrap_name(title, width) for title in ("image", "ground truth", *results.methods)
    ]
    part = "" if len(names) == total else f" ({len(names)} of {total})"
    caption = results.caption(f"Anomaly maps of {category}{part}", results.first_seed)
    caption += " Colours span each method's least to greatest value over these images;"
    caption += " true defects are outlined; image scores stand below."
    header = LINE * max(1 + title.count("\n") for title in titles)
    size = _MARGIN + side * columns, header + (side + LINE) * len(names)
    figure = style.new_figure(*size, caption)
    figure.set_layout_engine("none")
    figure.texts[0].set_y(1 - 0.03 / figure.get_figheight())
    panel = figure.add_axes((0, 0, 1, size[1] / figure.get_figheight()))
    panel.set_axis_off()
    grid = _Grid(panel, side, header)
    for column, title in enumerate(titles):
        left, _ = grid.corner(0, column)
        panel.text(left + side / 2, header, title, ha="center", va="bottom")
    upright: Any = {"rotation": 90, "ha": "right", "va": "center", "multialignment": "center"}
    for row, name in enumerate(names):
        parts = (style.wrap_name(part, width) for part in Path(name).with_suffix("").parts[-2:])
        panel.text(_MARGIN, grid.corner(row, 0)[1] + side / 2, "\n".join(parts), **upright)
    panel.set(xlim=(0, size[0]), ylim=(size[1], 0), autoscale_on=False)
    return figure, grid


def _draw_maps(grid: _Grid, column: int, examples: StoredMaps, names: Sequence[str]) -> None:
    """Draw one method's maps over the grey images, on one colour scale, their scores below."""
    rows = {name: row for row, name in enumerate(examples.names.tolist())}
    shown = [rows[name] for name in names]
    pictures = _blended(examples.images[shown], examples.maps[shown])
    for place, row in enumerate(shown):
        grid.show(place, column, pictures[place])
        grid.outline(place, column, examples.masks[row])
        grid.write(place, column, grid.side + LINE / 2, f"{examples.scores[row]:.3g}")


def _blended(images: Pixels, maps: Floats) -> Pixels:
    """Return maps, (n, H, W), in colours over grey images, (n, H, W, 3), as such images.

    Not as two layers, which take matplotlib twice as long. NaN, around images and of methods
    without maps, has no colour.
    """
    from matplotlib import colormaps
    from matplotlib.colors import Normalize

    known = maps[~np.isnan(maps)]
    scale = Normalize(*((known.min(), known.max()) if known.size else (0, 1)))
    colours = colormaps["inferno"](scale(maps))
    share = _COLOUR * colours[..., 3:]
    grey = images.mean(axis=-1, keepdims=True)
    blended: Pixels = (255 * share * colours[..., :3] + (1 - share) * grey).round().astype(np.uint8)
    return blended
