"""Lists a category of which a table names every image, with its split, its kind and its mask."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from benchmarks.datasets.layouts import base
from benchmarks.datasets.layouts.base import Listing, Sample


@dataclass(frozen=True)
class NamedImage:
    """An image that a table names.

    Attributes:
        split: "train" or "test".
        defect: see `Sample`.
        image: its path from the images' root.
        mask: its mask's, "" for none.
        name: see `Sample`.
        key: under which it counts in the fingerprint.
        place: where in the table it is named, as "line 3".
    """

    split: str
    defect: str
    image: str
    mask: str
    name: str
    key: str
    place: str = ""


@dataclass(frozen=True)
class NamedCategory:
    """A category's images as a table names them.

    Attributes:
        layout: the data set's name.
        table: the table's file.
        category: its name there.
        images: what it names.
        root: where its paths begin.
        folder: where the category's files lie.
    """

    layout: str
    table: Path
    category: str
    images: Sequence[NamedImage]
    root: Path
    folder: Path

    def exists(self) -> bool:
        """Whether any of its images is there, and it was not left out of a copy."""
        return any(os.path.isfile(self.root / named.image) for named in self.images)

    def read(self) -> Listing:
        """Return the images, by name, and what of them is missing."""
        problems = []
        missing = [
            (named.place, path)
            for named in self.images
            for path in (named.image, named.mask)
            if path and not os.path.isfile(self.root / path)
        ]
        if missing:
            (place, path), *others = missing
            rest = f" ({len(others)} more are missing)" if others else ""
            place = f"{self.table}: {place}".removesuffix(": ")
            problems = [f"{place}: no file {path!r}{rest}; copy it from {self.layout}"]
        absent, splits = {path for _, path in missing}, []
        files: dict[str, Path] = {}
        for split in ("train", "test"):
            chosen = [named for named in self.images if named.split == split]
            if not chosen:
                problems.append(f"{self.table}: no {split} row of {self.category}; add its rows")
            whole = [named for named in chosen if absent.isdisjoint((named.image, named.mask))]
            splits.append(base.by_name(map(self._sample, whole)))
            files |= {named.key: self.root / named.image for named in whole}
        train, test = splits
        files |= {f"ground_truth/{s.name}": mask for s in test for mask in s.masks}
        return Listing(
            self.layout,
            train,
            test,
            files,
            problems,
            self.folder,
            [
                f"{sample.path}: a defect without a mask in {self.table.name}; pass --no-masks"
                for sample in base.defects_without_mask(test)
            ],
            reason=lambda name: f"{self.table.name} doesn't name it",
        )

    def _sample(self, named: NamedImage) -> Sample:
        masks = (self.root / named.mask,) if named.mask else ()
        return Sample(self.root / named.image, named.name, named.defect, masks)


def is_inside(path: str) -> bool:
    """Whether a path of a table stays in the folder from which it leads."""
    # Windows's rules know all separators and drives, and so refuse everywhere what escapes there.
    pure = PureWindowsPath(path)
    return bool(pure.parts) and not pure.anchor and ".." not in pure.parts
