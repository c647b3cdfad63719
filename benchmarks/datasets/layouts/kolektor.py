"""Lists KolektorSDD2, where an image is a defect if its mask isn't black."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.datasets.images import ImageFile, inspect
from benchmarks.datasets.layouts import base
from benchmarks.datasets.layouts.base import GOOD, Candidate, Layout, Listing, Sample
from benchmarks.datasets.masks import MaskFacts, mask_facts

NAME = "KolektorSDD2"

CATEGORY = "kolektor_sdd2"

_MASK = "_GT"


def recognises(root: Path) -> bool:
    """Whether `root` holds images and their masks, called `*_GT`, in train and test alone."""
    names = {folder.name for folder in base.subfolders(root)}
    return {"train", "test"} <= names and any(
        path.stem.endswith(_MASK) for path in base.images_in(root / "test")
    )


def candidates(root: Path) -> dict[str, Candidate]:
    """Return the data set's only category."""
    return {CATEGORY: Candidate(partial(_read, root))}


def _read(root: Path) -> Listing:
    """Return nominal training images and all test images; training images of defects are left out.

    Raises:
        DataError: a folder or a mask can't be read.
    """
    files: dict[str, Path] = {}
    inspected: dict[Path, ImageFile] = {}
    facts: dict[str, MaskFacts] = {}
    splits: dict[str, list[Sample]] = {"train": [], "test": []}
    problems, defects = [], []
    for split, samples in splits.items():
        paths = base.images_in(root / split)
        masks = {p.stem.removesuffix(_MASK): p for p in paths if p.stem.endswith(_MASK)}
        for path in paths:
            if path.stem.endswith(_MASK):
                continue
            mask = masks.get(path.stem)
            if mask is None:
                problems.append(f"{path}: no mask {path.stem}{_MASK}.png beside it; copy it again")
                continue
            like = _look_at(mask, inspected)
            defect = like.share > 0
            if defect and split == "train":
                defects += [f"train/{path.name}", f"train/{mask.name}"]
                continue
            kind = "defect" if defect else GOOD
            files |= {f"{split}/{path.name}": path, f"{split}/{mask.name}": mask}
            name = f"{split}/{kind}/{path.name}"
            facts |= {name: like} if defect else {}
            samples.append(Sample(path, name, kind, (mask,) if defect else ()))
    train, test = map(base.by_name, splits.values())
    if not train:
        problems.append(f"{root / 'train'}: no image without a defect; copy the folder again")
    return Listing(
        NAME,
        train,
        test,
        files,
        problems,
        root,
        by_design=[(name, "methods learn from nominal images alone") for name in defects],
        reason=lambda name: "it is neither in train nor in test",
        inspected=inspected,
        facts=facts,
    )


def _look_at(mask: Path, inspected: dict[Path, ImageFile]) -> MaskFacts:
    """Return what a mask is like, as black where it can't be read; note what reading it told."""
    file = inspected[mask] = inspect(mask)
    return mask_facts([mask], {mask: file.sha256}) if file.shape else MaskFacts(0, 0)


LAYOUT = Layout(recognises, candidates, "train and test with masks *_GT.png")
