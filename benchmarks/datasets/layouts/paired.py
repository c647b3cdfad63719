"""Lists DAGM 2007 and both KolektorSDDs, whose masks are called as their images with an ending."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.datasets.images import ImageFile, inspect
from benchmarks.datasets.layouts import base
from benchmarks.datasets.layouts.base import GOOD, Candidate, Layout, Listing, Sample
from benchmarks.datasets.masks import MaskFacts, mask_facts
from benchmarks.errors import DataError

NAME = "KolektorSDD2"

CATEGORY = "kolektor_sdd2"

_LABEL_FILE = re.compile(r"\S+_label\.\w+", re.IGNORECASE)


@dataclass(frozen=True)
class PairedLayout:
    """Folders of training and test images, with masks beside or below them.

    Attributes:
        name: the data set that the layout is known from.
        splits: the folders of the training and the test images.
        ending: what a mask is called after its image's stem, in letters of either case.
        masks: the folder of masks in each of `splits`; "" where they lie among the images, and
            every image has one, black where there is no defect.
    """

    name: str
    splits: tuple[str, str]
    ending: str
    masks: str = ""

    def fits(self, folder: Path) -> bool:
        """Whether a folder is laid out so."""
        train, test = (folder / split for split in self.splits)
        if not (os.path.isdir(train) and os.path.isdir(test)):
            return False
        if self.masks:
            return any(os.path.isdir(split / self.masks) for split in (train, test))
        return bool(self._masks_in(test))

    def read(self, folder: Path) -> Listing:
        """Return nominal training images and all test images, not training images of defects.

        Raises:
            DataError: a folder, a list of labels or a mask can't be read.
        """
        files: dict[str, Path] = {}
        inspected: dict[Path, ImageFile] = {}
        facts: dict[str, MaskFacts] = {}
        problems, defects, splits = list[str](), list[str](), list[list[Sample]]()
        for split in self.splits:
            samples: list[Sample] = []
            for path, mask in self._pairs(folder / split, problems).items():
                like = _look_at(mask, inspected) if mask and not self.masks else None
                defect = like.share > 0 if like else mask is not None
                pair = {p.relative_to(folder).as_posix(): p for p in (path, mask) if p}
                if defect and split == self.splits[0]:
                    defects += pair
                    continue
                files |= pair
                kind = "defect" if defect else GOOD
                name = f"{split.lower()}/{kind}/{path.name}"
                facts |= {name: like} if defect and like else {}
                samples.append(Sample(path, name, kind, (mask,) if mask and defect else ()))
            if not samples:
                problems.append(f"{folder / split}: no images without a defect; copy it again")
            splits.append(base.by_name(samples))
        train, test = splits
        return Listing(
            self.name,
            train,
            test,
            files,
            problems,
            folder,
            by_design=[(name, base.NOMINAL_ALONE) for name in defects],
            reason=lambda name: (
                f"it is no image of {' or '.join(self.splits)}, nor the mask of one"
            ),
            inspected=inspected,
            facts=facts,
        )

    def _pairs(self, split: Path, problems: list[str]) -> dict[Path, Path | None]:
        """Return image → its mask, None for none; append masks that are missing to `problems`."""
        masks = self._masks_in(split / self.masks)
        images = [path for path in base.images_in(split) if path not in masks.values()]
        pairs = {path: masks.get(path.stem.lower()) for path in images}
        if self.masks:
            problems += _missing_labels(split / self.masks, masks)
            return pairs
        problems += [
            f"{path}: no mask {path.stem}{self.ending} beside it; copy it again"
            for path, mask in pairs.items()
            if mask is None
        ]
        return {path: mask for path, mask in pairs.items() if mask}

    def _masks_in(self, folder: Path) -> dict[str, Path]:
        """Return stem of an image, in lower case → its mask."""
        ending = Path(self.ending).stem.lower()
        stems = ((path.stem.lower(), path) for path in base.images_in(folder))
        return {s.removesuffix(ending): path for s, path in stems if s.endswith(ending)}


def _look_at(mask: Path, inspected: dict[Path, ImageFile]) -> MaskFacts:
    """Return what a mask is like, as black where it can't be read; note what reading it told."""
    file = inspected[mask] = inspect(mask)
    return mask_facts([mask], {mask: file.sha256}) if file.shape else MaskFacts(0, 0)


def _missing_labels(folder: Path, labels: Mapping[str, Path]) -> list[str]:
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


_DAGM = PairedLayout("DAGM", ("Train", "Test"), "_label.PNG", "Label")

_KOLEKTOR = PairedLayout(NAME, ("train", "test"), "_GT.png")

_PARTS = PairedLayout("KolektorSDD", ("", ""), "_label.bmp")


def _commutators(root: Path) -> list[Path]:
    """Return the folders of KolektorSDD, each of the parts of one commutator."""
    inside = (f for f in base.subfolders(root) if f.name.lower().startswith("kos"))
    return [folder for folder in inside if _PARTS.fits(folder)]


def _read_parts(root: Path) -> Listing:
    """Return KolektorSDD, which has no split: a commutator's nominal parts stay together."""
    files: dict[str, Path] = {}
    inspected: dict[Path, ImageFile] = {}
    facts: dict[str, MaskFacts] = {}
    problems, train, defects = list[str](), list[Sample](), list[Sample]()
    for folder in _commutators(root):
        for path, mask in _PARTS._pairs(folder, problems).items():
            if mask:
                files |= {p.relative_to(root).as_posix(): p for p in (path, mask)}
                name, like = path.relative_to(root).as_posix(), _look_at(mask, inspected)
                if like.share > 0:
                    facts[name] = like
                    defects.append(Sample(path, name, "defect", (mask,)))
                else:
                    train.append(Sample(path, name, GOOD))
    return Listing(
        _PARTS.name,
        train,
        defects,
        files,
        problems,
        root,
        reason=lambda name: "it is no part of a commutator, nor the mask of one",
        together=lambda sample: sample.path.parent.name,
        inspected=inspected,
        facts=facts,
    )


def _classes(root: Path) -> dict[str, Candidate]:
    """Return DAGM's classes, in the order of their numbers."""
    classes = [folder for folder in base.subfolders(root) if _DAGM.fits(folder)]
    classes.sort(key=lambda folder: (len(folder.name), folder.name))
    return {folder.name: Candidate(partial(_DAGM.read, folder)) for folder in classes}


DAGM = Layout(lambda root: bool(_classes(root)), _classes, "class with Train, Test and Label")

KOLEKTOR_PARTS = Layout(
    lambda root: bool(_commutators(root)),
    lambda root: {"kolektor_sdd": Candidate(partial(_read_parts, root))},
    "folder of a commutator with masks *_label.bmp",
)

KOLEKTOR = Layout(
    _KOLEKTOR.fits,
    lambda root: {CATEGORY: Candidate(partial(_KOLEKTOR.read, root))},
    "train and test with masks *_GT.png",
)
