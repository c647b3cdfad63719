"""Lists the objects of VisA, with a table of their images, splits, labels and masks."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from benchmarks.datasets.layouts import base
from benchmarks.datasets.layouts.base import GOOD, Candidate, Layout
from benchmarks.datasets.layouts.named import NamedCategory, NamedImage, is_inside
from benchmarks.errors import DataError

NAME = "VisA"

TABLE = PurePosixPath("split_csv/1cls.csv")
"""The table, from the data set's root, of the split with nominal training images only."""

_COLUMNS = ("object", "split", "label", "image", "mask")

_USES = {("train", "normal"): GOOD, ("test", "normal"): GOOD, ("test", "anomaly"): "anomaly"}

_OBJECT = re.compile(r"\w[\w .-]*")  # it names files of results


def recognises(root: Path) -> bool:
    """Whether `root` holds VisA as it is distributed, its table perhaps missing."""
    inside = base.subfolders(root)
    if any(os.path.isdir(f / "train") and os.path.isdir(f / "test") for f in inside):
        return False  # a copy that was sorted into MVTec AD's layout
    return os.path.lexists(root / TABLE) or any(os.path.isdir(f / "Data/Images") for f in inside)


def candidates(root: Path) -> dict[str, Candidate]:
    """Return the objects that the table names, each of which may have been left out of a copy.

    Raises:
        DataError: the table can't be read, or a row is wrong.
    """
    table, objects = root / TABLE, dict[str, dict[str, NamedImage]]()
    places: dict[str, str] = {}
    for category, row in _rows(table):
        if row.image in places:
            fault = f"the image {row.image!r} is in {places[row.image]} already"
            raise _wrong(table, row.place, fault)
        places[row.image] = row.place
        objects.setdefault(category, {})[row.image] = row
    named = {
        name: NamedCategory(
            NAME,
            table,
            name,
            tuple(rows.values()),
            root,
            root / PurePosixPath(next(iter(rows))).parts[0],
        )
        for name, rows in sorted(objects.items())
    }
    return {name: Candidate(category.read, category.exists) for name, category in named.items()}


def _rows(table: Path) -> Iterator[tuple[str, NamedImage]]:
    """Yield the object and the image of each row."""
    reader = csv.reader(io.StringIO(_text(table), newline=""), strict=True)
    try:
        header = next(reader, [])
        if lacking := [name for name in _COLUMNS if header.count(name) != 1]:
            raise DataError(
                f"{table}: needs one column {', one '.join(lacking)}; copy the file from VisA again"
            )
        for fields in filter(None, reader):
            place = f"line {reader.line_num}"
            if len(fields) != len(header):
                fault = f"{len(fields)} fields under {len(header)} columns"
                raise _wrong(table, place, fault)
            values = dict(zip(header, fields, strict=True))
            yield values["object"], _row(table, place, *(values[name] for name in _COLUMNS))
    except csv.Error as error:
        raise _wrong(table, f"line {reader.line_num}", str(error)) from error


def _text(table: Path) -> str:
    try:
        return table.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{table}: {error.strerror}; copy it from VisA") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{table}: not UTF-8 text; copy it from VisA again") from error


def _row(table: Path, place: str, category: str, split: str, label: str, *paths: str) -> NamedImage:
    if not _OBJECT.fullmatch(category):
        raise _wrong(table, place, f"object {category!r} is no plain name")
    defect = _USES.get((split, label))
    if defect is None:
        known = ", ".join(" ".join(use) for use in _USES)
        raise _wrong(table, place, f"split {split!r} with label {label!r} is none of {known}")
    image, mask = paths
    if (defect == GOOD) != (mask == ""):
        fault = "a nominal image with a mask" if mask else "a defect without a mask"
        raise _wrong(table, place, f"{image!r} is {fault}")
    for path in (path for path in (image, mask or image) if not is_inside(path)):
        raise _wrong(table, place, f"{path!r} is no path inside the data set")
    image, mask = (path and PurePosixPath(path).as_posix() for path in paths)
    name = image.removeprefix(f"{category}/")
    return NamedImage(split, defect, image, mask, name, f"{split}/{defect}/{name}", place)


def _wrong(table: Path, place: str, fault: str) -> DataError:
    return DataError(f"{table}: {place}: {fault}; correct it or copy the file from VisA again")


LAYOUT = Layout(recognises, candidates, f"image that {TABLE} names")
