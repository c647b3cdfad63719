"""Lists the categories of Real-IAD, whose images and their use stand in a JSON file each."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from benchmarks.datasets.layouts.base import (
    GOOD,
    Candidates,
    Layout,
    Listing,
    Sample,
    Source,
    subfolders,
)
from benchmarks.errors import DataError

NAME = "Real-IAD"

TABLES = (Path("realiad_jsons/realiad_jsons"), Path("realiad_jsons"))
"""Where the tables of the split with all views and nominal training images lie."""

SIZES = ("realiad_1024", "realiad_512", "realiad_256", "realiad_raw")
"""Folders of the same images at several sizes; the first that is there is read."""


@dataclass(frozen=True)
class _Entry:
    split: str
    kind: str
    image: PurePosixPath
    mask: PurePosixPath | None


def recognises(root: Path) -> bool:
    """Whether `root` holds tables and images as they are distributed."""
    return _tables(root) is not None and _images(root) is not None


def _tables(root: Path) -> Path | None:
    there = (root / tables for tables in TABLES if os.path.isdir(root / tables))
    return next((folder for folder in there if any(folder.glob("*.json"))), None)


def _images(root: Path) -> Path | None:
    names = {folder.name for folder in subfolders(root)}
    return next((root / name for name in SIZES if name in names), None)


def candidates(root: Path) -> Candidates:
    """Return the categories that have a table and a folder of images."""
    tables, images = _tables(root), _images(root)
    if tables is None or images is None:
        return {}
    return {
        table.stem: partial(Source, table.stem, NAME, partial(_read, table, images / table.stem))
        for table in sorted(tables.glob("*.json"))
        if os.path.isdir(images / table.stem)
    }


def _read(table: Path, folder: Path) -> Listing:
    """Return what a table names.

    Raises:
        DataError: it can't be read, or an entry is wrong.
    """
    train: list[Sample] = []
    test: list[Sample] = []
    missing: list[Path] = []
    names: set[str] = set()
    for entry in _entries(table):
        paths = [folder / path for path in (entry.image, entry.mask) if path is not None]
        missing += [path for path in paths if not os.path.isfile(path)]
        if not all(os.path.isfile(path) for path in paths):
            continue
        if entry.split == "train" and entry.kind != GOOD:
            raise DataError(f"{table}: trains on the defect {entry.image}; take the usual tables")
        name = f"{entry.split}/{entry.kind}/{entry.image.name}"
        if name in names:
            raise DataError(f"{table}: names {entry.image} twice; copy the file again")
        names.add(name)
        samples = train if entry.split == "train" else test
        samples.append(Sample(paths[0], name, entry.kind, tuple(paths[1:])))
    problems = [f"{split}" for split, samples in (("train", train), ("test", test)) if not samples]
    problems = [f"{table}: names no {split} image that is there" for split in problems]
    if missing:
        rest = f" ({len(missing) - 1} more are missing)" if len(missing) > 1 else ""
        problems.append(f"{missing[0]}: named in {table.name}, but missing{rest}; copy it again")
    files = {sample.name: sample.path for sample in (*train, *test)}
    files |= {f"ground_truth/{s.name}": mask for s in test for mask in s.masks}
    return Listing(
        sorted(train, key=lambda sample: sample.name),
        sorted(test, key=lambda sample: sample.name),
        files,
        problems,
        folder,
        [
            f"{sample.path}: a defect without a mask in {table.name}; pass --no-masks"
            for sample in test
            if sample.label and not sample.masks
        ],
        why=lambda name: f"{table.name} doesn't name it",
    )


def _entries(table: Path) -> Iterator[_Entry]:
    try:
        content: Mapping[str, Any] = json.loads(table.read_text(encoding="utf-8-sig"))
        nominal = content.get("meta", {}).get("normal_class", "OK")
        for split in ("train", "test"):
            for one in content[split]:
                kind = str(one["anomaly_class"])
                mask = one.get("mask_path")
                defect = kind != nominal
                yield _Entry(
                    split,
                    kind if defect else GOOD,
                    _inside(table, one["image_path"]),
                    _inside(table, mask) if defect and mask else None,
                )
    except OSError as error:
        raise DataError(f"{table}: {error.strerror}; make it readable") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{table}: not a table of Real-IAD; copy the file again") from error


def _inside(table: Path, text: str) -> PurePosixPath:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise DataError(f"{table}: {text!r} is no path inside the category")
    return path


LAYOUT = Layout(NAME, recognises, candidates, "table of realiad_jsons with its images")
