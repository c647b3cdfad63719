"""Lists the categories of Real-IAD, each with a JSON table of its images, splits and labels."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from benchmarks.datasets.layouts import base
from benchmarks.datasets.layouts.base import GOOD, Candidate, Layout, Listing
from benchmarks.datasets.layouts.named import NamedCategory, NamedImage, is_inside
from benchmarks.errors import DataError

TABLES = ("realiad_jsons/realiad_jsons", "realiad_jsons")
"""Where the tables of the split with all views and nominal training images lie."""

SIZES = ("realiad_1024", "realiad_512", "realiad_256", "realiad_raw")
"""Folders of the same images at several sizes; the first that exists is read."""


def _tables(root: Path) -> list[Path]:
    folders = (sorted((root / tables).glob("[!.]*.json")) for tables in TABLES)
    return next(filter(None, folders), [])


def _images(root: Path) -> Path | None:
    names = {folder.name for folder in base.subfolders(root)}
    return next((root / name for name in SIZES if name in names), None)


def recognises(root: Path) -> bool:
    """Whether `root` holds tables and images as they are distributed."""
    return bool(_tables(root)) and _images(root) is not None


def candidates(root: Path) -> dict[str, Candidate]:
    """Return the categories that have a table and a folder of images."""
    images = _images(root) or root
    return {
        table.stem: Candidate(partial(_read, table, images / table.stem))
        for table in _tables(root)
        if os.path.isdir(images / table.stem)
    }


def _read(table: Path, folder: Path) -> Listing:
    """Return what a table names.

    Raises:
        DataError: it can't be read, or an image in it is wrong.
    """
    named: dict[str, NamedImage] = {}
    for image in _named_images(table):
        if image.split == "train" and image.defect != GOOD:
            raise DataError(f"{table}: trains on the defect {image.image}; take the usual tables")
        if image.key in named:
            raise DataError(f"{table}: names {image.image} twice; copy the file again")
        named[image.key] = image
    return NamedCategory(
        "Real-IAD", table, folder.name, tuple(named.values()), folder, folder
    ).read()


def _named_images(table: Path) -> Iterator[NamedImage]:
    try:
        content: Mapping[str, Any] = json.loads(table.read_text(encoding="utf-8-sig"))
        nominal = content.get("meta", {}).get("normal_class", "OK")
        for split in ("train", "test"):
            for fields in content[split]:
                kind = str(fields["anomaly_class"])
                defect = GOOD if kind == nominal else kind
                image = _inside(table, fields["image_path"])
                mask = "" if defect == GOOD else fields.get("mask_path") or ""
                name = f"{split}/{defect}/{image.name}"
                yield NamedImage(
                    split, defect, str(image), str(mask and _inside(table, mask)), name, name
                )
    except OSError as error:
        raise DataError(f"{table}: {error.strerror}; make it readable") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{table}: not a table of Real-IAD; copy the file again") from error


def _inside(table: Path, text: str) -> PurePosixPath:
    if not is_inside(text):
        raise DataError(f"{table}: {text!r} is no path inside the category")
    return PurePosixPath(text)


LAYOUT = Layout(recognises, candidates, "table of realiad_jsons with its images")
