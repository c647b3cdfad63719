"""Figures S1 and S2: the test images misclassified at the F1-optimal threshold, with their maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.array_types import Masks
from benchmarks.figures.style import CHARACTER, DOUBLE, Axes, Figure, new_figure, wrap_name
from benchmarks.results import Cell
from benchmarks.results.maps import read_maps
from benchmarks.supplement.evaluated_trials import EvaluatedTrials
from benchmarks.supplement.judged_images import judge
from benchmarks.supplement.trials import error_trials

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.colors import Normalize


COLUMNS, ROWS = 4, 6
"""Tiles across and down a full page."""

_LEFT, _RIGHT = (0, 1, 0, 1), (1.04, 2.04, 0, 1)
"""Where a tile's pictures lie: left, right, bottom, top, in sides of a picture."""

_COLOURS = "inferno"


class _Tile(NamedTuple):
    """A misclassified image of H × W pixels; its arrays are None where no map of it is stored."""

    judged: Any  # its row, with the columns of `judge`
    image: NDArray[np.uint8] | None = None  # (H, W, 3)
    mask: Masks | None = None  # (H, W)
    map: NDArray[np.float32] | None = None  # (H, W), 1 at the threshold


def draw_misclassified(evaluated: EvaluatedTrials) -> Iterator[tuple[str, Figure]]:
    """Yield names and pages of figures S1 (false positives) and S2 (false negatives).

    Pages of `COLUMNS` × `ROWS` images are numbered in their names where there are several.

    Raises:
        BenchmarkError: a file of scores or maps is unreadable.
    """
    run = evaluated.run
    ((method, trial),) = error_trials(evaluated.settings).items()
    stored = evaluated.stored(trial)
    judged = {name: judge(evaluated, trial, name) for name in evaluated.categories}
    without = [category for category, images in judged.items() if images is None]
    notice = f" Without scores of both classes: {', '.join(without)}." if without else ""
    known = {category: images for category, images in judged.items() if images is not None}
    tiles = [tile for c, images in known.items() for tile in _tiles(run, stored[c], images)]
    scale = _scale(tiles)
    for name, kind, chosen in (
        ("figS1", "False positives", [tile for tile in tiles if tile.judged.false_positive]),
        ("figS2", "False negatives", [tile for tile in tiles if tile.judged.false_negative]),
    ):
        subject = f"{kind} of {method} at each category's F1-optimal threshold (n = {len(chosen)}"
        pages = [chosen[at : at + COLUMNS * ROWS] for at in range(0, len(chosen), COLUMNS * ROWS)]
        if not pages:
            text = evaluated.caption(f"{subject})") + notice
            yield name, _draw_none(text, "none" if known else "nothing evaluated")
        for number, page in enumerate(pages, start=1):
            several = len(pages) > 1
            part = f", page {number} of {len(pages)}" if several else ""
            text = evaluated.caption(f"{subject}{part})") + notice
            yield f"{name}-{number}" if several else name, _draw_page(page, text, scale)


def _tiles(run: Path, cell: Cell, images: pd.DataFrame) -> Iterator[_Tile]:
    """Yield the misclassified among a cell's images, each with what its maps hold of it."""
    wrong = list(images[images["false_positive"] | images["false_negative"]].itertuples())
    mapped = wrong and cell.maps and (run / cell.maps).is_file()
    stored = read_maps(run / str(cell.maps)) if mapped else None
    rows = {name: row for row, name in enumerate(stored.names.tolist())} if stored else {}
    for image in wrong:
        if stored is None or (row := rows.get(image.path)) is None:
            yield _Tile(image)
            continue
        # Copies: views would keep all of the maps in memory.
        picture, mask = stored.images[row].copy(), stored.masks[row].copy()
        heat = None if np.isnan(stored.maps[row]).all() else stored.maps[row] / image.threshold
        yield _Tile(image, picture, mask, heat)


def _scale(tiles: Sequence[_Tile]) -> Normalize:
    """Return the one colour scale of all maps, the threshold well inside it."""
    from matplotlib.colors import Normalize

    maps = [tile.map for tile in tiles if tile.map is not None]
    low = min((float(np.nanmin(heat)) for heat in maps), default=1)
    high = max((float(np.nanmax(heat)) for heat in maps), default=1)
    return Normalize(min(low, 0.9), max(high, 1.1))


def _draw_none(text: str, why: str) -> Figure:
    figure = new_figure(DOUBLE, 0.4, text)
    panel = figure.subplots()
    panel.axis("off")
    panel.text(0.5, 0.5, why, ha="center", va="center")
    return figure


def _draw_page(tiles: Sequence[_Tile], text: str, scale: Normalize) -> Figure:
    rows = ceil(len(tiles) / COLUMNS)
    if mapped := any(tile.map is not None for tile in tiles):
        text += (
            " Beside an image its anomaly map in units of the threshold, any defect outlined in"
            " both; the score below is the maximum before smoothing and may exceed the map's."
        )
    side = DOUBLE / COLUMNS
    figure = new_figure(DOUBLE, 0.5 * mapped + rows * (side / 2 + 0.45), text)
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel().tolist()
    for panel, tile in zip(panels, tiles, strict=False):
        _draw_tile(panel, tile, scale)
        judged = tile.judged
        name = f"{judged.defect}/{PurePosixPath(judged.path).stem}"
        kind = wrap_name(name, int(side / CHARACTER))
        ratio = f"score / threshold = {judged.score / judged.threshold:.3f}"
        panel.set_xlabel(f"{judged.category}\n{kind}\n{ratio}", labelpad=2)
    if mapped:
        _add_bar(figure, panels, scale)
    for panel in panels[len(tiles) :]:
        panel.axis("off")
    return figure


def _draw_tile(panel: Axes, tile: _Tile, scale: Normalize) -> None:
    panel.set(xticks=(), yticks=(), aspect="equal", anchor="N")
    panel.spines[:].set_visible(False)
    if tile.image is None or tile.mask is None or tile.map is None:
        panel.text(1, 0.5, "no map stored", ha="center", va="center")
    else:
        panel.imshow(tile.image, extent=_LEFT)
        panel.imshow(tile.image.mean(axis=-1), cmap="gray", vmin=0, vmax=255, extent=_RIGHT)
        panel.imshow(tile.map, cmap=_COLOURS, norm=scale, alpha=0.7, extent=_RIGHT)
        if tile.mask.any() and not tile.mask.all():
            _outline(panel, tile.mask)
    panel.set(xlim=(0, _RIGHT[1]), ylim=(0, 1))


def _outline(panel: Axes, mask: Masks) -> None:
    """Outline a defect in both pictures, white on black so that it shows on any ground."""
    from matplotlib.patheffects import withStroke

    for extent in (_LEFT, _RIGHT):
        lines = panel.contour(
            mask, levels=[0.5], colors="white", linewidths=0.7, extent=extent, origin="upper"
        )
        lines.set_path_effects([withStroke(linewidth=1.7, foreground="black")])


def _add_bar(figure: Figure, panels: Sequence[Axes], scale: Normalize) -> None:
    """Add the maps' colour bar below the panels, with a mark at the threshold."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.patheffects import withStroke

    maps = ScalarMappable(scale, _COLOURS)
    pad = 0.1 / figure.get_figheight()
    bar = figure.colorbar(maps, ax=panels, location="bottom", shrink=0.6, aspect=50, pad=pad)
    bar.set_label("Anomaly map / threshold")
    mark = bar.ax.axvline(1, color="white", linewidth=0.8)
    mark.set_path_effects([withStroke(linewidth=2, foreground="black")])
    across = bar.ax.get_xaxis_transform()
    bar.ax.text(1, 1.15, "1 = threshold", transform=across, ha="center", va="bottom")
