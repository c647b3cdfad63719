"""Lists a folder of normal and one of abnormal images, which is split when it is read.

So it is anomalib's Folder. In abnormal images may lie in a folder a kind of defect; in normal in a
folder a product, whose images stay together. Masks, where there are any, lie in mask, in folders
as those of the images.
"""

from __future__ import annotations

import os
from collections.abc import Set
from functools import partial
from pathlib import Path

from benchmarks.datasets.layouts import base
from benchmarks.datasets.layouts.base import GOOD, Candidate, Layout, Listing, Sample

NAME = "normal and abnormal"

ABNORMAL_NAMES = frozenset(
    {
        *("abnormal", "anomaly", "anomalies", "anomalous", "bad", "defect", "defects", "defective"),
        *("faulty", "faults", "ng", "nok", "ko", "not_ok", "not_good", "reject", "rejects"),
    }
)
"""What people call a folder of abnormal images, in lower case."""

MASK_NAMES = frozenset({"mask", "masks", "ground_truth"})


def recognises(folder: Path) -> bool:
    """Whether a folder of nominal and one of abnormal images lie in `folder`, and no split."""
    return _has_nominal(folder) and bool(_named(folder, ABNORMAL_NAMES))


def _is_root(root: Path) -> bool:
    """Whether a root is laid out so, its abnormal images perhaps missing."""
    splits = (inside / name for inside in base.subfolders(root) for name in ("train", "test"))
    return recognises(root) or (_has_nominal(root) and not any(map(os.path.isdir, splits)))


def _has_nominal(folder: Path) -> bool:
    inside = {path.name.lower() for path in base.subfolders(folder)}
    return bool(_named(folder, base.NOMINAL_NAMES)) and not inside & {"train", "test"}


def _named(folder: Path, names: Set[str]) -> list[Path]:
    """Return the folders of these names that hold images, themselves or in folders."""
    return [f for f in base.subfolders(folder) if f.name.lower() in names and _images(f)]


def _images(folder: Path) -> list[Path]:
    inside = (folder, *base.subfolders(folder))
    return [path for place in inside for path in base.images_in(place)]


def read(folder: Path) -> Listing:
    """Return all nominal images as training images, and those of defects as test images.

    Raises:
        DataError: a folder can't be read.
    """
    nominal, masks = _named(folder, base.NOMINAL_NAMES), _named(folder, MASK_NAMES)
    abnormal = _named(folder, ABNORMAL_NAMES)
    train = [_sample(folder, path, GOOD) for place in nominal for path in _images(place)]
    test = [sample for place in abnormal for sample in _defects(folder, place, masks)]
    others = [f.name for f in base.subfolders(folder) if f not in nominal + masks and _images(f)]
    lacking = f"{folder}: no folder abnormal, of images, beside {nominal[0].name}"
    lacking += f"; put {', '.join(others)} into one" if others else "; make one"
    misnamed = dict.fromkeys(sample.path.parent for sample in test if not sample.label)
    return Listing(
        NAME,
        train,
        test,
        base.files_of([*train, *test], folder),
        [
            *([] if abnormal else [lacking]),
            *(f"{place}: its name means no defect; call it otherwise" for place in misnamed),
        ],
        folder,
        [
            f"{sample.path}: a defect without a mask; add {masks[0].name}/"
            f"{'/'.join(sample.path.relative_to(folder).with_suffix('.png').parts[1:])}, or pass "
            "--no-masks"
            for sample in base.defects_without_mask(test if masks else ())
        ],
        [(f"{m.name}/{n.name}/", "a nominal image needs no mask") for m in masks for n in nominal],
        lambda name: "it is no image in one of these folders, nor in a folder inside, nor a mask",
        together=lambda sample: _product(sample, folder),
        notes=() if masks else [base.NO_MASKS],
    )


def _defects(folder: Path, abnormal: Path, masks: list[Path]) -> list[Sample]:
    """Return the defects in a folder and in those inside, each with its mask, if it has one."""
    samples = []
    for kind in (abnormal, *base.subfolders(abnormal)):
        below = kind.relative_to(abnormal)
        places = (place / at for place in masks for at in (abnormal.name / below, below))
        by_stem = {stem: mask for at in places for stem, mask in base.masks_by_stem(at).items()}
        samples += [
            _sample(folder, path, kind.name, by_stem.get(path.stem, ()))
            for path in base.images_in(kind)
        ]
    return samples


def _sample(folder: Path, path: Path, kind: str, masks: tuple[Path, ...] = ()) -> Sample:
    return Sample(path, path.relative_to(folder).as_posix(), kind, masks)


def _product(sample: Sample, folder: Path) -> str:
    """Return the folder of a product that an image lies in; of one that lies in none, itself."""
    parts = sample.path.relative_to(folder).parts
    return "/".join(parts[:2])


def candidates(root: Path) -> dict[str, Candidate]:
    """Return the folder itself as the only category."""
    return {Path(os.path.abspath(root)).name: Candidate(partial(read, root))}


LAYOUT = Layout(_is_root, candidates, "folder of normal and one of abnormal images")
