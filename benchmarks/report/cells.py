"""A comparison's cells as the page reads them: image scores, working points, curves, times."""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from benchmarks.errors import BenchmarkError
from benchmarks.metrics.image import f1_optimal, full_recall
from benchmarks.metrics.tally import WorkingPoint
from benchmarks.report.pictures import Sheets
from benchmarks.report.schema import PageCell, PageImages, PagePoint
from benchmarks.results import Cell, ResultSet
from benchmarks.results.cell import AGAIN
from benchmarks.results.previews import Previews, columns, read_previews, tile_side
from benchmarks.results.scores import read_image_scores

if TYPE_CHECKING:
    import pandas as pd


DIGITS = 6
"""Decimals of what is only drawn or told: points of a PRO curve, shares of an image."""


def category_parts(
    results: ResultSet, category: str, sheets: Sheets
) -> tuple[PageImages | None, list[PageCell | None]]:
    """Return a category's test images, None without scores, and the cell of every method.

    Args:
        results: the cells.
        category: one of its categories.
        sheets: where its pictures are added.

    Raises:
        BenchmarkError: a file of scores or maps is unreadable.
    """
    paths = {method: results.scores.get((category, method)) for method in results.methods}
    scores = {method: read_image_scores(path) for method, path in paths.items() if path}
    maps = {method: results.maps.get((category, method)) for method in scores}
    stored = {method: read_previews(path) for method, path in maps.items() if path}
    previews = {method: shown for method, shown in stored.items() if shown is not None}
    first = next(iter([*previews, *scores]), None)
    images = None if first is None else _images(scores[first], previews.get(first), sheets)
    cells: list[PageCell | None] = []
    for method, path in paths.items():
        cell = results.first.get((category, method))
        cells.append(None if cell is None else _page_cell(cell))
        if cells[-1] is not None and images is not None and path is not None:
            _add_scores(cells[-1], path, scores[method], images["names"])
            same = scores[method]["path"].tolist() == images["names"]
            if same and method in previews:
                _add_maps(cells[-1], previews[method], len(images["names"]), sheets)
    return images, cells


def _images(frame: pd.DataFrame, previews: Previews | None, sheets: Sheets) -> PageImages:
    """Return the test images of a category, in the order of their tiles."""
    names, labels = frame["path"].tolist(), frame["label"].tolist()
    folders = (PurePosixPath(name).parent.name for name in names)
    count = len(names)
    areas = _areas(previews.masks, count) if previews else None
    masked = previews is not None and any(areas or ())  # else there are no masks to show
    return PageImages(
        names=names,
        labels=labels,
        kinds=[folder if label else "good" for folder, label in zip(folders, labels, strict=True)],
        images=sheets.add(previews.images, count) if previews else None,
        masks=sheets.add(previews.masks, count) if previews and masked else None,
        columns=columns(count),
        areas=areas if masked else None,
    )


def _areas(masks: bytes, count: int) -> list[float]:
    """Return which share of each image its defect covers, as its tile of the sheet has it."""
    across, side = columns(count), tile_side(masks, count)
    with Image.open(io.BytesIO(masks)) as picture:
        pixels = np.asarray(picture, float)
    tiles = pixels.reshape(-1, side, across, side).mean(axis=(1, 3)).ravel()[:count]
    return tiles.round(DIGITS).tolist()


def _page_cell(cell: Cell) -> PageCell:
    """Return a cell without what its files hold."""
    return PageCell(
        status=cell.status,
        error=cell.failure,
        scores=None,
        full_recall=None,
        f1_optimal=None,
        pro=None,
        maps=None,
        thresholds=dict(cell.thresholds),
        fit_seconds=cell.fit_seconds,
        score_seconds=cell.score_seconds,
        peak_memory_mb=cell.peak_memory_mb,
    )


def _add_scores(cell: PageCell, path: Path, frame: pd.DataFrame, names: list[str]) -> None:
    """Add the scores of the images `names`, and the working points of all images in `path`.

    An image that has no score gets None.
    """
    labels, scores = frame["label"].to_numpy(), frame["score"].to_numpy()
    known = dict(zip(frame["path"], scores.tolist(), strict=True))
    cell["scores"] = [known.get(name) for name in names]
    try:
        cell["full_recall"] = _point(full_recall(labels, scores))
        cell["f1_optimal"] = _point(f1_optimal(labels, scores))
    except ValueError as error:
        raise BenchmarkError(f"{path}: {error}; {AGAIN}") from error


def _add_maps(cell: PageCell, previews: Previews, count: int, sheets: Sheets) -> None:
    """Add the previews of `count` maps, and the PRO curve where it is defined."""
    cell["pro"] = previews.pro.round(DIGITS).tolist() if previews.pro.size else None
    cell["maps"] = sheets.add(previews.maps, count) if previews.maps else None


def _point(point: WorkingPoint | None) -> PagePoint | None:
    return None if point is None else PagePoint(threshold=point.threshold)
