"""A comparison's cells as the page reads them: image scores, working points, curves, times."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from benchmarks.errors import BenchmarkError
from benchmarks.metrics import f1_optimal, full_recall
from benchmarks.report.pictures import Sheets
from benchmarks.results import Cell, ResultSet
from benchmarks.results.cell import AGAIN
from benchmarks.results.previews import Previews, columns, read_previews, tile_side
from benchmarks.results.scores import read_image_scores

if TYPE_CHECKING:
    import pandas as pd


DIGITS = 6
"""Decimals of what is only drawn or told: points of a PRO curve, shares of an image."""

Parts = tuple[dict[str, Any] | None, list[dict[str, Any] | None]]


def category_parts(results: ResultSet, category: str, sheets: Sheets) -> Parts:
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
    found = {method: read_previews(path) for method, path in maps.items() if path}
    previews = {method: one for method, one in found.items() if one is not None}
    shown = next(iter([*previews, *scores]), None)
    images = None if shown is None else _images(scores[shown], previews.get(shown), sheets)
    cells = []
    for method, path in paths.items():
        cell = _cell(results.first.get((category, method)))
        if cell and images and path:
            cell |= _judged(path, scores[method], images["names"])
            same = scores[method]["path"].tolist() == images["names"]
            if method in previews and same:
                cell |= _maps(previews[method], len(images["names"]), sheets)
        cells.append(cell)
    return images, cells


def _images(frame: pd.DataFrame, previews: Previews | None, sheets: Sheets) -> dict[str, Any]:
    """Return the test images of a category, in the order of their tiles."""
    names, labels = frame["path"].tolist(), frame["label"].tolist()
    images: dict[str, Any] = dict.fromkeys(("images", "masks", "side", "columns", "areas"))
    if previews is not None:
        number = sheets.add(previews.images, len(names))
        images = {
            "images": number,
            "masks": sheets.add(previews.masks, len(names)),
            "side": sheets.side(number),
            "columns": columns(len(names)),
            "areas": _areas(previews.masks, len(names)),
        }
    folders = (PurePosixPath(name).parent.name for name in names)
    kinds = [folder if label else "good" for folder, label in zip(folders, labels, strict=True)]
    return {"names": names, "labels": labels, "kinds": kinds, **images}


def _areas(masks: bytes, count: int) -> list[float]:
    """Return which share of each image its defect covers, as its tile of the sheet has it."""
    across, side = columns(count), tile_side(masks, count)
    with Image.open(io.BytesIO(masks)) as picture:
        pixels = np.asarray(picture, float)
    tiles = pixels.reshape(-1, side, across, side).mean(axis=(1, 3)).ravel()[:count]
    return tiles.round(DIGITS).tolist()


def _cell(cell: Cell | None) -> dict[str, Any] | None:
    """Return a cell without its files, None where it was not run."""
    if cell is None:
        return None
    return {
        "status": cell.status,
        "error": cell.error,
        "seed": cell.spec.seed,
        **dict.fromkeys(
            ("scores", "full_recall", "f1_optimal", "pro", "maps", "map_side", "range")
        ),
        "fit_seconds": cell.fit_seconds,
        "score_seconds": cell.score_seconds,
        "peak_memory_mb": cell.peak_memory_mb,
        "device": cell.device,
    }


def _judged(path: Path, frame: pd.DataFrame, names: list[str]) -> dict[str, Any]:
    """Return the scores of the images `names`, and the working points of all images in `path`."""
    labels, scores = frame["label"].to_numpy(), frame["score"].to_numpy()
    try:
        points = {
            "full_recall": full_recall(labels, scores),
            "f1_optimal": f1_optimal(labels, scores),
        }
    except ValueError as error:
        raise BenchmarkError(f"{path}: {error}; {AGAIN}") from error
    known = dict(zip(frame["path"], scores.tolist(), strict=True))
    return {
        "scores": [known.get(name) for name in names],
        **{name: point and asdict(point) for name, point in points.items()},
    }


def _maps(previews: Previews, count: int, sheets: Sheets) -> dict[str, Any]:
    number = sheets.add(previews.maps, count)
    return {
        "pro": previews.pro.round(DIGITS).tolist() if previews.pro.size else None,
        "maps": number,
        "map_side": sheets.side(number),
        "range": list(previews.span),
    }
