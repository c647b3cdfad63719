"""Lists the objects of VisA, with a table of their images, splits, labels and masks."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath

from benchmarks.datasets.layouts import base
from benchmarks.datasets.layouts.base import GOOD, Candidate, Layout, Listing, Sample
from benchmarks.errors import DataError

NAME = "VisA"

TABLE = PurePosixPath("split_csv/1cls.csv")
"""The table, from the data set's root, of the split with nominal training images only."""

_COLUMNS = ("object", "split", "label", "image", "mask")

_USES = {("train", "normal"): GOOD, ("test", "normal"): GOOD, ("test", "anomaly"): "anomaly"}

_OBJECT = re.compile(r"\w[\w .-]*")  # it names files of results


@dataclass(frozen=True)
class _TableLine:
    """A line of the table; `image` and `mask` are paths from the root, `mask` "" for none."""

    line: int
    category: str
    split: str
    defect: str
    image: str
    mask: str


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
    objects: dict[str, list[_TableLine]] = {}
    first: dict[str, int] = {}
    for row in _rows(root / TABLE):
        if (line := first.setdefault(row.image, row.line)) != row.line:
            raise _wrong(
                root / TABLE, row.line, f"the image {row.image!r} is in line {line} already"
            )
        objects.setdefault(row.category, []).append(row)
    return {
        name: Candidate(partial(_read, root, rows), partial(_has_images, root, rows))
        for name, rows in sorted(objects.items())
    }


def _has_images(root: Path, rows: Sequence[_TableLine]) -> bool:
    return any(os.path.isfile(root / row.image) for row in rows)


def _read(root: Path, rows: Sequence[_TableLine]) -> Listing:
    """Return an object's images, by name, and what of them is missing."""
    missing = [
        (row.line, path)
        for row in rows
        for path in (row.image, row.mask)
        if path and not os.path.isfile(root / path)
    ]
    problems = []
    if missing:
        line, path = missing[0]
        rest = f" ({len(missing) - 1} more are missing)" if len(missing) > 1 else ""
        problems = [f"{root / TABLE}: line {line}: no file {path!r}{rest}; copy it from VisA"]
    splits = {
        split: sorted((row for row in rows if row.split == split), key=lambda row: row.image)
        for split in ("train", "test")
    }
    for split in (split for split, chosen in splits.items() if not chosen):
        problems.append(f"{root / TABLE}: no {split} row of {rows[0].category}; add its rows")
    absent = {line for line, _ in missing}
    train, test = (
        [_sample(root, row) for row in chosen if row.line not in absent]
        for chosen in splits.values()
    )
    return Listing(
        NAME,
        train,
        test,
        _files(train, test),
        problems,
        root / PurePosixPath(rows[0].image).parts[0],
        reason=lambda name: f"no row of {TABLE} names it",
    )


def _sample(root: Path, row: _TableLine) -> Sample:
    name = row.image.removeprefix(f"{row.category}/")
    return Sample(root / row.image, name, row.defect, (root / row.mask,) if row.mask else ())


def _files(train: Sequence[Sample], test: Sequence[Sample]) -> dict[str, Path]:
    """Return files by split and label, which the table says and no folder does."""
    files = {}
    for split, samples in (("train", train), ("test", test)):
        for sample in samples:
            files[f"{split}/{sample.defect}/{sample.name}"] = sample.path
            files |= {f"ground_truth/{sample.name}": mask for mask in sample.masks}
    return files


def _rows(table: Path) -> Iterator[_TableLine]:
    reader = csv.reader(io.StringIO(_text(table), newline=""), strict=True)
    try:
        header = next(reader, [])
        if lacking := [name for name in _COLUMNS if header.count(name) != 1]:
            raise DataError(
                f"{table}: needs one column {', one '.join(lacking)}; copy the file from VisA again"
            )
        for fields in reader:
            if not fields:
                continue
            if len(fields) != len(header):
                what = f"{len(fields)} fields under {len(header)} columns"
                raise _wrong(table, reader.line_num, what)
            values = dict(zip(header, fields, strict=True))
            yield _row(table, reader.line_num, *(values[name] for name in _COLUMNS))
    except csv.Error as error:
        raise _wrong(table, reader.line_num, str(error)) from error


def _text(table: Path) -> str:
    try:
        return table.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{table}: {error.strerror}; copy it from VisA") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{table}: not UTF-8 text; copy it from VisA again") from error


def _row(table: Path, line: int, category: str, split: str, label: str, *paths: str) -> _TableLine:
    if not _OBJECT.fullmatch(category):
        raise _wrong(table, line, f"object {category!r} is no plain name")
    defect = _USES.get((split, label))
    if defect is None:
        known = ", ".join(" ".join(use) for use in _USES)
        raise _wrong(table, line, f"split {split!r} with label {label!r} is none of {known}")
    image, mask = paths
    if (defect == GOOD) != (mask == ""):
        fault = "a nominal image with a mask" if mask else "a defect without a mask"
        raise _wrong(table, line, f"{image!r} is {fault}")
    for path in (path for path in (image, mask or image) if not _is_inside(path)):
        raise _wrong(table, line, f"{path!r} is no path inside the data set")
    return _TableLine(line, category, split, defect, _plain(image), _plain(mask) if mask else "")


def _is_inside(path: str) -> bool:
    # Windows's rules know all separators and drives, and so refuse everywhere what escapes there.
    pure = PureWindowsPath(path)
    return bool(pure.parts) and not pure.anchor and ".." not in pure.parts


def _plain(path: str) -> str:
    return PurePosixPath(path).as_posix()


def _wrong(table: Path, line: int, what: str) -> DataError:
    return DataError(f"{table}: line {line}: {what}; correct it or copy the file from VisA again")


LAYOUT = Layout(recognises, candidates, f"image that {TABLE} names")
