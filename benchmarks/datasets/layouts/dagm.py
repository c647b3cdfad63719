"""Lists the classes of DAGM 2007, each a folder of Train and Test with masks in Label."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from benchmarks.datasets.layouts import base
from benchmarks.datasets.layouts.base import GOOD, Candidate, Layout, Listing, Sample
from benchmarks.errors import DataError

_LABEL = "_label"

_LABEL_FILE = re.compile(r"\S+_label\.\w+", re.IGNORECASE)


def recognises(root: Path) -> bool:
    """Whether `root` holds classes, folders of Train and Test with a folder Label inside."""
    return any(_is_class(folder) for folder in base.subfolders(root))


def _is_class(folder: Path) -> bool:
    return all(os.path.isdir(folder / part) for part in ("Train", "Test")) and any(
        os.path.isdir(folder / part / "Label") for part in ("Train", "Test")
    )


def candidates(root: Path) -> dict[str, Candidate]:
    """Return the classes, in the order of their numbers."""
    classes = [folder for folder in base.subfolders(root) if _is_class(folder)]
    classes.sort(key=lambda folder: (len(folder.name), folder.name))
    return {folder.name: Candidate(partial(_read, folder)) for folder in classes}


def _read(folder: Path) -> Listing:
    """Return nominal training images and all test images; training images of defects are left out.

    Raises:
        DataError: a folder or a list of labels can't be read.
    """
    splits: dict[str, list[Sample]] = {"Train": [], "Test": []}
    problems, defects = [], []
    for split, samples in splits.items():
        labels = _labels(folder / split / "Label")
        problems += _missing(folder / split / "Label", labels)
        for path in base.images_in(folder / split):
            mask = labels.get(path.stem.lower())
            if mask and split == "Train":
                defects += [f"{split}/{path.name}", f"{split}/Label/{mask.name}"]
                continue
            kind = "defect" if mask else GOOD
            name = f"{split.lower()}/{kind}/{path.name}"
            samples.append(Sample(path, name, kind, (mask,) if mask else ()))
        if not samples:
            problems.append(f"{folder / split}: no images without a defect; copy the folder again")
    train, test = map(base.by_name, splits.values())
    return Listing(
        "DAGM",
        train,
        test,
        base.files_of([*train, *test], folder),
        problems,
        folder,
        by_design=[(name, "methods learn from nominal images alone") for name in defects],
        reason=lambda name: "it is no image of Train or Test, nor the label of one",
    )


def _labels(folder: Path) -> Mapping[str, Path]:
    """Return stem of an image, in lower case → its mask."""
    files = [path for path in base.images_in(folder) if path.stem.lower().endswith(_LABEL)]
    return {path.stem.lower().removesuffix(_LABEL): path for path in files}


def _missing(folder: Path, labels: Mapping[str, Path]) -> list[str]:
    """Return which masks of Labels.txt are missing: their images would pass as nominal."""
    table = folder / "Labels.txt"
    if not table.is_file():
        return []
    try:
        text = table.read_bytes().decode("utf-8-sig", errors="replace")
    except OSError as error:
        raise DataError(f"{table}: {error.strerror}; make it readable") from error
    present = {path.name.lower() for path in labels.values()}
    missing = (name for name in _LABEL_FILE.findall(text) if name.lower() not in present)
    return [f"{folder / name}: named in Labels.txt, but missing; copy it again" for name in missing]


LAYOUT = Layout(recognises, candidates, "class with Train, Test and Label")
