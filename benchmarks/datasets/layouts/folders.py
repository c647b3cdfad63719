"""Lists the categories of MVTec AD's layout and its variants, each a folder of train and test."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.datasets.images import dead_link
from benchmarks.datasets.layouts import base, eyecandies, unsplit
from benchmarks.datasets.layouts.base import GOOD, Candidate, Layout, Listing, Sample

_LOCO_FAMILIES = ("logical_anomalies", "structural_anomalies")


def recognises(root: Path) -> bool:
    """Whether `root` may hold category folders: every folder may."""
    return os.path.isdir(root)


def candidates(root: Path) -> dict[str, Candidate]:
    """Return the folders in `root`, each of which may be a category."""
    return {
        folder.name: Candidate(partial(_read, folder), partial(_is_category, folder))
        for folder in base.subfolders(root)
    }


def _is_category(folder: Path) -> bool:
    """Whether it has train or test: with one of them alone it is a faulty category.

    So it is with both in other letters. Or it has a folder of normal images, and no split.
    """
    inside = {path.name for path in base.subfolders(folder)}
    split = bool(inside & {"train", "test"}) or {*map(_plain, inside)} >= {"train", "test"}
    return split or unsplit.recognises(folder)


def _plain(name: str) -> str:
    """Return a folder's name in the letters that all its spellings have in common."""
    return re.sub(r"[ _-]", "", name).casefold()


def _read(folder: Path) -> Listing:
    return next(read for recognised, read in READERS if recognised(folder))(folder)


@dataclass(frozen=True)
class FolderLayout:
    """How a category lies in the folders train, test and ground_truth.

    Attributes:
        name: the data set that the layout is known from.
        recognises: whether a category folder is laid out so.
        nominal: the folder of nominal images in train and test.
        masks: stem of an image → its masks, from the folder of a defect's masks.
        expected: where in the category a mask goes, given `defect` and `stem`; "" where the data
            set has no masks.
        fixed: whether the kinds of defect, and so their folders' names, are given.
        by_design: see `Listing`; `{kind}` stands for each folder of images, as train/good.
        test: the folder of test images.
        truth: the folder of a defect's masks.
        images: the folder of images in that of a kind, "" where they lie in that itself.
    """

    name: str
    recognises: Callable[[Path], bool]
    nominal: str
    masks: Callable[[Path], Mapping[str, tuple[Path, ...]]]
    expected: str
    fixed: bool = False
    by_design: Sequence[tuple[str, str]] = ()
    test: str = "test"
    truth: str = "ground_truth/{defect}"
    images: str = ""

    def read(self, category: Path) -> Listing:
        """Return what lies in the folder `category`.

        Raises:
            DataError: a folder in it can't be read.
        """
        good = category / "train" / self.nominal
        train = self._samples(category, good)
        truth = (category / self.truth).parent
        inside = [folder for folder in base.subfolders(category / self.test) if folder != truth]
        test = [sample for folder in inside for sample in self._samples(category, folder)]
        kinds = [folder.relative_to(category).as_posix() for folder in (good, *inside)]
        by_design = [(start.format(kind=k), why) for start, why in self.by_design for k in kinds]
        nominal_truth = self.truth.format(defect=self.nominal)
        misnamed = self._misnamed(category)
        return Listing(
            self.name,
            train,
            test,
            base.files_of([*train, *test], category),
            misnamed or self._absent(category, train, test),
            category,
            [] if misnamed else self._unmasked(category, test),
            [*by_design, (f"{nominal_truth}/", "a nominal image needs no mask")],
            self._reason,
            base.images_in(category / nominal_truth),
            notes=() if self.expected else [base.NO_MASKS],
        )

    def _samples(self, category: Path, folder: Path) -> list[Sample]:
        """Return the images of one folder, each defect with its masks, as far as they exist."""
        defect = GOOD if folder.name == self.nominal else folder.name
        masks = {} if defect == GOOD else self.masks(category / self.truth.format(defect=defect))
        return [
            Sample(path, path.relative_to(category).as_posix(), defect, masks.get(path.stem, ()))
            for path in base.images_in(folder / self.images)
        ]

    def _misnamed(self, category: Path) -> list[str]:
        """Return a line for each folder that is spelt otherwise than it is read, as Train."""
        good = self.nominal
        truth = self.truth.partition("/{")[0]
        places = ("train", self.test, truth, f"train/{good}", f"{self.test}/{good}")
        return [
            f"{folder}: call it {place.name}, or it isn't read"
            for place in dict.fromkeys(map(category.joinpath, places))
            if not os.path.isdir(place)
            for folder in base.subfolders(place.parent)
            if _plain(folder.name) == _plain(place.name)
        ]

    def _absent(self, category: Path, train: Sequence[Sample], test: Sequence[Sample]) -> list[str]:
        problems, inside = [], f"/{self.images}" if self.images else ""
        good = category / "train" / self.nominal / self.images
        if not train:
            others = [
                folder for folder in base.subfolders(category / "train") if base.images_in(folder)
            ]
            counts = (f"; train/{f.name} has {len(base.images_in(f))} images" for f in others)
            problems.append(
                f"{good}: no images; put the nominal images there{''.join(counts)}{_hint(good)}"
            )
        if not test:
            problems.append(
                f"{category / self.test}: no images in {self.test}/{self.nominal}{inside} or "
                f"{self.test}/<defect>{inside}; put the test images there"
                f"{_hint(category / self.test)}"
            )
        return problems

    def _unmasked(self, category: Path, test: Sequence[Sample]) -> list[str]:
        return [
            f"{sample.path}: a defect without a mask; add "
            f"{self.expected.format(defect=sample.defect, stem=sample.path.stem)} to the category"
            f"{self._alternative(category, sample.defect)}"
            for sample in base.defects_without_mask(test if self.expected else ())
        ]

    def _alternative(self, category: Path, defect: str) -> str:
        """Return what else a folder without any mask may mean, as a remedy."""
        truth = category / self.truth.format(defect=defect)
        if self.fixed or base.subfolders(truth) or base.images_in(truth):
            return ""
        return (
            f", or call {self.test}/{defect} {self.test}/{self.nominal} if it holds nominal "
            "images, or pass --no-masks"
        )

    def _reason(self, name: str) -> str:
        """Return why an image of that name in the category isn't read."""
        first, *rest = name.split("/")
        if re.match(self.truth.replace("/{defect}", "(/[^/]+)?") + "/", name):
            return "it is no test image's mask"
        if first not in {"train", self.test} or not rest:
            truth = self.truth.partition("/{")[0]
            others = f"{self.test} and {truth}" if truth != self.test else f"or {truth}"
            return f"only train, {others} are read"
        if len(rest) == 1:
            return f"it lies beside the folders in {first}; move it into one of them"
        if first == "train" and rest[0] != self.nominal:
            return f"training images are those in train/{self.nominal}"
        if self.images:
            return f"images are those in {first}/{rest[0]}/{self.images}"
        return f"it lies in a folder inside {first}/{rest[0]}; move it up into that"


def _hint(folder: Path) -> str:
    """Return why a folder may hold nothing: a dead link, or archives in it or above."""
    above = (folder, folder.parent, folder.parent.parent)
    for path in above:
        if dead := dead_link(path):
            return f"; {path} is {dead}"
    return next(filter(None, map(base.to_unpack, filter(os.path.isdir, above))), "")


def _a_folder_an_image(folder: Path) -> dict[str, tuple[Path, ...]]:
    return {inside.name: tuple(base.images_in(inside)) for inside in base.subfolders(folder)}


def _is_loco(category: Path) -> bool:
    """Whether it has LOCO's kinds of defect alone, with a folder of masks an image."""
    families = [family for family in _LOCO_FAMILIES if os.path.isdir(category / "test" / family)]
    return (
        bool(families)
        and {folder.name for folder in base.subfolders(category / "test")}
        <= {GOOD, *_LOCO_FAMILIES}
        and not any(base.images_in(category / "ground_truth" / family) for family in families)
    )


def _is_autovi(category: Path) -> bool:
    """Whether every kind of defect has a folder of masks an image."""
    kinds = base.subfolders(category / "ground_truth")
    return any(map(base.subfolders, kinds)) and not any(map(base.images_in, kinds))


def _is_mvtec_3d(category: Path) -> bool:
    splits = (category / "train", category / "test")
    return any(os.path.isdir(kind / "rgb") for s in splits for kind in base.subfolders(s))


def _is_btad(category: Path) -> bool:
    names = {
        name
        for name in ("ok", GOOD)
        if any(os.path.isdir(category / split / name) for split in ("train", "test"))
    }
    return names == {"ok"}


_VALIDATION = ("validation/", base.VALIDATION)

LOCO = FolderLayout(
    "MVTec LOCO AD",
    _is_loco,
    GOOD,
    _a_folder_an_image,
    "ground_truth/{defect}/{stem}/000.png",
    fixed=True,
    by_design=[_VALIDATION],
)

AUTOVI = FolderLayout(
    "AutoVI", _is_autovi, GOOD, _a_folder_an_image, "ground_truth/{defect}/{stem}/0000.png"
)

MVTEC_3D = FolderLayout(
    "MVTec 3D-AD",
    _is_mvtec_3d,
    GOOD,
    base.masks_by_stem,
    "test/{defect}/gt/{stem}.png",
    fixed=True,
    by_design=[
        _VALIDATION,
        ("{kind}/xyz/", "methods see colour alone, not depth"),
        ("train/good/gt/", "a nominal image needs no mask"),
    ],
    truth="test/{defect}/gt",
    images="rgb",
)

VAD = FolderLayout(
    "VAD",
    lambda category: os.path.isdir(category / "test/bad_unseen_defects"),
    GOOD,
    lambda _: {},
    "",
    by_design=[("train/bad/", base.NOMINAL_ALONE)],
)

BTAD = FolderLayout("BTAD", _is_btad, "ok", base.masks_by_stem, "ground_truth/{defect}/{stem}.png")

MVTEC = FolderLayout(
    "MVTec AD", lambda _: True, GOOD, base.masks_by_stem, "ground_truth/{defect}/{stem}_mask.png"
)

MVTEC_2 = FolderLayout(
    "MVTec AD 2",
    lambda category: any(
        os.path.isdir(category / f"test_{part}") for part in ("public", "private")
    ),
    GOOD,
    base.masks_by_stem,
    "test_public/ground_truth/{defect}/{stem}_mask.png",
    fixed=True,
    by_design=[
        _VALIDATION,
        ("test_private/", base.PRIVATE),
        ("test_private_mixed/", base.PRIVATE),
    ],
    test="test_public",
    truth="test_public/ground_truth/{defect}",
)

FOLDER_LAYOUTS = (MVTEC_2, MVTEC_3D, VAD, LOCO, AUTOVI, BTAD, MVTEC)

READERS = (
    (unsplit.recognises, unsplit.read),
    (eyecandies.recognises, eyecandies.read),
    *((layout.recognises, layout.read) for layout in FOLDER_LAYOUTS),
)
"""The first that recognises a category folder reads it."""

LAYOUT = Layout(recognises, candidates, "category folder (one with train/good and test)")
