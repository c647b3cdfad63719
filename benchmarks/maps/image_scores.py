"""Image scores beside a folder of maps: a CSV with the columns image and score."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.datasets import Category
from benchmarks.errors import DataError, listed
from benchmarks.files import as_csv, write_file

COLUMNS = ("image", "score")


def image_name(category: str, sample: str) -> str:
    """Return how the CSV calls a test image: `<category>/test/<defect>/<file>`."""
    return f"{category}/{sample}"


def write(path: Path, scores: Mapping[str, float]) -> None:
    """Write image → score, the images named by `image_name`.

    Raises:
        StorageError: the file can't be written.
    """
    write_file(path, as_csv([COLUMNS, *scores.items()]))


def read(path: Path) -> dict[str, float]:
    """Return image → score, the images as the file names them.

    Raises:
        DataError: it is no such table, names an image twice, or holds a score that isn't finite.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: not a readable CSV ({error}); name another --scores") from error
    if not rows or not {*COLUMNS} <= rows[0].keys():
        raise DataError(f"{path}: a row an image, below the columns image and score, is missing")
    scores: dict[str, float] = {}
    for number, row in enumerate(rows, start=2):
        image = (row["image"] or "").strip()
        score = _number(row["score"])
        if not math.isfinite(score):
            raise DataError(
                f"{path}, line {number}: the score of {image} is {row['score']!r}, not a finite "
                "number"
            )
        if image in scores:
            raise DataError(f"{path}, line {number}: {image} has a score already; keep one")
        scores[image] = score
    return scores


def _number(text: str | None) -> float:
    try:
        return float(text or "")
    except ValueError:
        return math.nan


def of_category(path: Path, scores: Mapping[str, float], category: Category) -> Sequence[float]:
    """Return the scores of a category's test images, in their order.

    Args:
        path: where they are from, for messages.
        scores: what `read` returned.
        category: its images.

    Raises:
        DataError: an image has none, or a score of the category is of no test image.
    """
    names = [image_name(category.name, sample.name) for sample in category.test]
    missing = [f"no score of {name}" for name in names if name not in scores]
    others = (name for name in scores if name not in {*names})
    extra = [f"{name} is no test image" for name in others if name.startswith(f"{category.name}/")]
    if missing or extra:
        raise DataError(
            listed(f"{path}: {category.name} needs one row a test image", [*missing, *extra])
        )
    return [scores[name] for name in names]
