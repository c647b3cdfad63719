"""Image scores beside a folder of maps: a CSV with the columns image and score."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.datasets import Category, Sample
from benchmarks.errors import DataError, listed
from benchmarks.files import as_csv, write_file
from benchmarks.maps.folder import nearest, plain

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


def read(path: Path) -> ScoreTable:
    """Read image → score.

    Columns are separated by commas, semicolons, tabs or spaces.

    Raises:
        DataError: it is no such table, names an image twice, or holds a score that isn't finite.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        header = text.partition("\n")[0].strip()
        mark = next((mark for mark in ",;\t " if mark in header), ",")
        file = io.StringIO(text, newline="")
        table = csv.DictReader(file, delimiter=mark, skipinitialspace=True, strict=True)
        table.fieldnames = [name.strip().lower() for name in table.fieldnames or ()]
        rows = [(table.line_num, row) for row in table]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: not a readable CSV ({error}); name another --scores") from error
    if not rows or not {*COLUMNS} <= {*table.fieldnames}:
        raise DataError(
            f"{path}: a row an image, below the columns image and score, is missing; the first "
            f"line is {header[:80]!r}"
        )
    scores: dict[str, float] = {}
    for number, row in rows:
        image = (row["image"] or "").strip()
        cells = (row["score"] or "", *row.get(None, ()))  # a comma in a number makes two of it
        if not math.isfinite(score := _number(text := mark.join(cells).rstrip(f"{mark} "))):
            raise DataError(
                f"{path}, line {number}: the score of {image} is {text!r}, not a finite number, "
                "as 0.5"
            )
        if image in scores:
            raise DataError(f"{path}, line {number}: {image} has a score already; keep one")
        scores[image] = score
    return ScoreTable(path, scores)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


@dataclass(frozen=True)
class ScoreTable:
    """Image scores of a file.

    Attributes:
        path: the file, for messages.
        scores: image → score, as the file names images: maybe by absolute names, or with
            backslashes.
    """

    path: Path
    scores: Mapping[str, float]

    def of_test(self, category: Category) -> list[float]:
        """Return the scores of a category's test images, in their order.

        Raises:
            DataError: an image has none or two, or a score of the category is of no test image.
        """
        given, problems = self._matched(category, category.test, "test image")
        names = [image_name(category.name, sample.name) for sample in category.test]
        missing = [name for name in names if name not in given]
        if missing:
            left = [name for name in self.scores if name not in given.values()]
            missing[0] += f"; the nearest name is {nearest(missing[0], left)}"
        if problems := [*(f"no score of {name}" for name in missing), *problems]:
            needed = f"{self.path}: {category.name} needs one row a test image"
            raise DataError(listed(needed, problems))
        return [self.scores[given[name]] for name in names]

    def of_held_out(self, category: Category) -> dict[str, float]:
        """Return the scores of a category's nominal training images that there are any of, by name.

        Raises:
            DataError: an image has two, or a score of the category is of no training image.
        """
        given, problems = self._matched(category, category.train, "training image")
        if problems:
            others = f"{self.path}: {category.name} has rows of other images"
            raise DataError(listed(others, problems))
        names = {sample.name: image_name(category.name, sample.name) for sample in category.train}
        return {name: self.scores[given[row]] for name, row in names.items() if row in given}

    def _matched(
        self, category: Category, samples: Sequence[Sample], kind: str
    ) -> tuple[dict[str, str], list[str]]:
        """Return image → what the file calls it, and the rows of the category that are of none."""
        names = [image_name(category.name, sample.name) for sample in samples]
        wanted = {plain(name): name for name in names}
        given: dict[str, str] = {}
        problems = []
        for name in self.scores:
            parts = plain(name).split("/")
            ends = ("/".join(parts[start:]) for start in range(len(parts)))
            image = next((wanted[end] for end in ends if end in wanted), "")
            if not image and plain(name).startswith(f"{plain(category.name)}/"):
                problems.append(f"{name} is no {kind}: the nearest is {nearest(name, names)}")
            elif image in given:
                problems.append(f"{name} and {given[image]} are the same image; keep one")
            elif image:
                given[image] = name
        return given, problems
