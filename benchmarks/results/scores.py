"""Image scores of a stored cell: written and read."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.errors import BenchmarkError
from benchmarks.files import as_csv, write_file
from benchmarks.metrics.calibrated import HeldOut
from benchmarks.results.cell import AGAIN

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.array_types import Floats

HELD_OUT_COLUMNS = ("path", "score", "map_maximum")


def write_scores(path: Path, scores: Sequence[tuple[str, int, float]]) -> None:
    """Write (path in the category's folder, label, image score) of each test image.

    Raises:
        StorageError: the file can't be written.
    """
    write_file(path, as_csv([("path", "label", "score"), *scores]))


def write_held_out(path: Path, held_out: HeldOut) -> None:
    """Write path, image score and the map's maximum, "" where it isn't known, of each image.

    Raises:
        StorageError: the file can't be written.
    """
    maxima = [""] * len(held_out.names) if held_out.maxima is None else held_out.maxima.tolist()
    rows = zip(held_out.names, held_out.images.tolist(), maxima, strict=True)
    write_file(path, as_csv([HELD_OUT_COLUMNS, *rows]))


def read_held_out(path: Path) -> HeldOut:
    """Return the scores of images that were held out.

    Raises:
        BenchmarkError: the file is unreadable.
    """
    try:
        text = path.read_bytes().decode()
        header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        names, images, maxima = zip(*rows, strict=True)
        if tuple(header) != HELD_OUT_COLUMNS:
            raise ValueError("no table of held-out images")
        known = np.array(maxima, float) if all(maxima) else None
        return HeldOut(names, np.array(images, float), known)
    except (OSError, ValueError, csv.Error) as error:
        raise BenchmarkError(f"can't read the scores in {path}; {AGAIN}") from error


def _rows(path: Path) -> list[tuple[str, int, float]]:
    """Return path, label and score of each test image.

    Raises:
        OSError, ValueError, csv.Error: the file is no whole table of scores.
    """
    header, *rows = csv.reader(io.StringIO(path.read_bytes().decode(), newline=""), strict=True)
    scores = [(name, int(label), float(score)) for name, label, score in rows]
    if header != ["path", "label", "score"] or any(label not in {0, 1} for _, label, _ in scores):
        raise ValueError("no table of scores")
    if not all(math.isfinite(score) for *_, score in scores):
        raise ValueError("a score is not finite")
    return scores


def count_scores(path: Path) -> int:
    """Return how many scores a file holds, 0 if they can't be read."""
    try:
        return len(_rows(path))
    except (OSError, ValueError, csv.Error):
        return 0


def count_held_out(path: Path) -> int:
    """Return how many images a file of held-out scores holds, 0 if they can't be read."""
    try:
        return len(read_held_out(path).names)
    except BenchmarkError:
        return 0


def read_scores(path: Path) -> tuple[Floats, Floats]:
    """Return labels and scores of the test images, each (N,); raises as `read_image_scores`."""
    frame = read_image_scores(path)
    return frame["label"].to_numpy(), frame["score"].to_numpy()


def read_image_scores(path: Path) -> pd.DataFrame:
    """Return path, label and score of the test images, a row each.

    Raises:
        BenchmarkError: the file is unreadable.
    """
    import pandas as pd

    try:
        if rows := _rows(path):
            return pd.DataFrame(rows, columns=["path", "label", "score"])
        raise ValueError("empty")
    except (OSError, ValueError, csv.Error) as error:
        raise BenchmarkError(f"can't read the scores in {path}; {AGAIN}") from error
