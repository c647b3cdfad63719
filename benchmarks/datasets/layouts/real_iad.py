"""Lists the categories of Real-IAD, each with a JSON table of its images, splits and labels."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from benchmarks.datasets.layouts import base
from benchmarks.datasets.layouts.base import GOOD, Candidate, Layout, Listing, Sample
from benchmarks.errors import DataError

TABLES = (Path("realiad_jsons/realiad_jsons"), Path("realiad_jsons"))
"""Where the tables of the split with all views and nominal training images lie."""

SIZES = ("realiad_1024", "realiad_512", "realiad_256", "realiad_raw")
"""Folders of the same images at several sizes; the first that exists is read."""


@dataclass(frozen=True)
class _NamedImage:
    """An image that a table names; paths are relative to the category's folder."""

    split: str
    kind: str
    image: PurePosixPath
    mask: PurePosixPath | None


def recognises(root: Path) -> bool:
    """Whether `root` holds tables and images as they are distributed."""
    return _tables(root) is not None and _images(root) is not None


def _tables(root: Path) -> Path | None:
    folders = (root / tables for tables in TABLES if os.path.isdir(root / tables))
    return next((folder for folder in folders if any(folder.glob("[!.]*.json"))), None)


def _images(root: Path) -> Path | None:
    names = {folder.name for folder in base.subfolders(root)}
    return next((root / name for name in SIZES if name in names), None)


def candidates(root: Path) -> dict[str, Candidate]:
    """Return the categories that have a table and a folder of images."""
    tables, images = _tables(root), _images(root)
    if tables is None or images is None:
        return {}
    return {
        table.stem: Candidate(partial(_read, table, images / table.stem))
        for table in sorted(tables.glob("[!.]*.json"))
        if os.path.isdir(images / table.stem)
    }


def _read(table: Path, folder: Path) -> Listing:
    """Return what a table names.

    Raises:
        DataError: it can't be read, or an image in it is wrong.
    """
    samples: dict[str, Sample] = {}
    missing: list[Path] = []
    for named in _named_images(table):
        paths = [folder / path for path in (named.image, named.mask) if path is not None]
        if absent := [path for path in paths if not os.path.isfile(path)]:
            missing += absent
            continue
        if named.split == "train" and named.kind != GOOD:
            raise DataError(f"{table}: trains on the defect {named.image}; take the usual tables")
        name = f"{named.split}/{named.kind}/{named.image.name}"
        if name in samples:
            raise DataError(f"{table}: names {named.image} twice; copy the file again")
        samples[name] = Sample(paths[0], name, named.kind, tuple(paths[1:]))
    ordered = base.by_name(samples.values())
    train, test = (
        [sample for sample in ordered if sample.name.startswith(f"{split}/")]
        for split in ("train", "test")
    )
    problems = [
        f"{table}: names no {split} image that is there"
        for split, chosen in (("train", train), ("test", test))
        if not chosen
    ]
    if missing:
        rest = f" ({len(missing) - 1} more are missing)" if len(missing) > 1 else ""
        problems.append(f"{missing[0]}: named in {table.name}, but missing{rest}; copy it again")
    files = {sample.name: sample.path for sample in ordered}
    files |= {f"ground_truth/{s.name}": mask for s in test for mask in s.masks}
    return Listing(
        "Real-IAD",
        train,
        test,
        files,
        problems,
        folder,
        [
            f"{sample.path}: a defect without a mask in {table.name}; pass --no-masks"
            for sample in base.defects_without_mask(test)
        ],
        reason=lambda name: f"{table.name} doesn't name it",
    )


def _named_images(table: Path) -> Iterator[_NamedImage]:
    try:
        content: Mapping[str, Any] = json.loads(table.read_text(encoding="utf-8-sig"))
        nominal = content.get("meta", {}).get("normal_class", "OK")
        for split in ("train", "test"):
            for fields in content[split]:
                kind = str(fields["anomaly_class"])
                mask = fields.get("mask_path")
                defect = kind != nominal
                yield _NamedImage(
                    split,
                    kind if defect else GOOD,
                    _inside(table, fields["image_path"]),
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


LAYOUT = Layout(recognises, candidates, "table of realiad_jsons with its images")
