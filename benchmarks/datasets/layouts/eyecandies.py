"""Lists the categories of Eyecandies, of whose six pictures of an object one is read."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.datasets.layouts import base
from benchmarks.datasets.layouts.base import GOOD, Listing, Sample
from benchmarks.datasets.layouts.paired import labelled

IMAGE = "_image_0"
"""What the stem of the picture that is read ends in: with all lights on."""


def recognises(folder: Path) -> bool:
    """Whether a category folder is laid out so."""
    return os.path.isdir(folder / "train/data")


def read(folder: Path) -> Listing:
    """Return training images, and public test images, of which those of black masks are nominal.

    Raises:
        DataError: a folder or a mask can't be read.
    """
    train = [Sample(p, p.relative_to(folder).as_posix(), GOOD) for p in _images(folder / "train")]
    pairs = {
        path: path.with_name(f"{path.stem.removesuffix(IMAGE)}_mask.png")
        for path in _images(folder / "test_public")
    }
    missing = [path for path, mask in pairs.items() if not os.path.isfile(mask)]
    whole = {path: mask for path, mask in pairs.items() if path not in missing}
    test = labelled(whole, folder)
    splits = (("train", train), ("test_public", pairs))
    empty = (folder / split / "data" for split, images in splits if not images)
    others = f"of each object {IMAGE[1:]} is read, and its mask in test_public"
    return Listing(
        "Eyecandies",
        train,
        test.samples,
        base.files_of(train, folder) | test.files,
        [
            *(f"{place}: no images NNN{IMAGE}.png; copy it again" for place in empty),
            *(f"{path}: no mask {pairs[path].name} beside it; copy it again" for path in missing),
        ],
        folder,
        by_design=[
            ("val/", base.VALIDATION),
            ("test_private/", base.PRIVATE),
            ("train/data/", others),
            ("test_public/data/", others),
        ],
        reason=lambda name: "only train/data and test_public/data are read",
        inspected=test.inspected,
        facts=test.facts,
    )


def _images(split: Path) -> list[Path]:
    return [path for path in base.images_in(split / "data") if path.stem.endswith(IMAGE)]
