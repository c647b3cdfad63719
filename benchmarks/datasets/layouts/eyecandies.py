"""Lists the categories of Eyecandies, of whose six pictures of an object one is read."""

from __future__ import annotations

import os
import re
from pathlib import Path

from benchmarks.datasets.layouts import base
from benchmarks.datasets.layouts.base import GOOD, Listing, Sample
from benchmarks.datasets.masks import mask_facts
from benchmarks.errors import DataError

IMAGE = "_image_0"
"""What the stem of the picture that is read ends in: with all lights on."""

_ANOMALOUS = re.compile(r"^\s*anomalous:\s*(1|true)\s*$", re.IGNORECASE | re.MULTILINE)


def recognises(folder: Path) -> bool:
    """Whether a category folder is laid out so."""
    return os.path.isdir(folder / "train/data")


def read(folder: Path) -> Listing:
    """Return training images, and public test images with their labels.

    Raises:
        DataError: a folder, a label or a mask can't be read.
    """
    samples: dict[str, list[Sample]] = {}
    for split in ("train", "test_public"):
        images = [
            path for path in base.images_in(folder / split / "data") if path.stem.endswith(IMAGE)
        ]
        samples[split] = [_sample(folder, path, labelled=split != "train") for path in images]
    train, test = samples.values()
    others = f"of each object {IMAGE[1:]} is read, and its mask in test_public"
    return Listing(
        "Eyecandies",
        train,
        test,
        base.files_of(train, folder)
        | {f"{s.defect}/{name}": p for s in test for name, p in base.files_of([s], folder).items()},
        [
            f"{folder / split / 'data'}: no images NNN{IMAGE}.png; copy it again"
            for split, images in samples.items()
            if not images
        ],
        folder,
        [
            f"{sample.path}: a defect without a mask; copy {_beside(sample.path, 'mask.png').name}"
            for sample in base.defects_without_mask(test)
        ],
        [
            ("val/", base.VALIDATION),
            ("test_private/", base.PRIVATE),
            ("train/data/", others),
            ("test_public/data/", others),
        ],
        lambda name: "only train/data and test_public/data are read",
    )


def _beside(path: Path, file: str) -> Path:
    """Return another file of the object that an image shows."""
    return path.with_name(f"{path.stem.removesuffix(IMAGE)}_{file}")


def _sample(folder: Path, path: Path, *, labelled: bool) -> Sample:
    """Return an image, with its mask where its metadata, or else the mask itself, tell a defect."""
    name, metadata = path.relative_to(folder).as_posix(), _beside(path, "metadata.yaml")
    if not labelled:
        return Sample(path, name, GOOD)
    masks = tuple(filter(os.path.isfile, [_beside(path, "mask.png")]))
    if metadata.is_file():
        try:
            text = metadata.read_bytes().decode(errors="replace")
        except OSError as error:
            raise DataError(f"{metadata}: {error.strerror}; make it readable") from error
        defect = _ANOMALOUS.search(text) is not None
    elif masks:
        defect = mask_facts(masks).share > 0
    else:
        raise DataError(f"{path}: no {metadata.name} beside it; copy it again")
    return Sample(path, name, "defect" if defect else GOOD, masks if defect else ())
