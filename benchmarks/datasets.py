"""Data sets in MVTec AD's folder layout: index, validation, fingerprint."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import DataError
from benchmarks.images import EXTENSIONS, ImageFile, inspect, load_image, load_mask
from benchmarks.protocol import digest

__all__ = [
    "GOOD",
    "OFFICIAL_COUNTS",
    "SYNTHETIC_MARKER",
    "Category",
    "Dataset",
    "Sample",
    "index",
    "load_image",
    "load_mask",
]

GOOD = "good"
SYNTHETIC_MARKER = "SYNTHETIC.txt"
"""The file in a data set's root that says it is the embedded one."""

OFFICIAL_COUNTS = {  # MVTec AD: training images, test images without and with a defect
    "bottle": (209, 20, 63),
    "cable": (224, 58, 92),
    "capsule": (219, 23, 109),
    "carpet": (280, 28, 89),
    "grid": (264, 21, 57),
    "hazelnut": (391, 40, 70),
    "leather": (245, 32, 92),
    "metal_nut": (220, 22, 93),
    "pill": (267, 26, 141),
    "screw": (320, 41, 119),
    "tile": (230, 33, 84),
    "toothbrush": (60, 12, 30),
    "transistor": (213, 60, 40),
    "wood": (247, 19, 60),
    "zipper": (240, 32, 119),
}

_SHOWN_PROBLEMS = 10
_READERS = 4


@dataclass(frozen=True)
class Sample:
    """One image of a category.

    Attributes:
        path: the image file.
        name: its POSIX path relative to the category folder, as `test/good/000.png`.
        defect: the folder it lies in: `good`, or the kind of defect.
        mask: the ground-truth file of a defect; None for a nominal image.
    """

    path: Path
    name: str
    defect: str
    mask: Path | None = None

    @property
    def label(self) -> int:
        """1 for a defect, 0 for a nominal image; by the folder, whatever the mask holds."""
        return int(self.defect != GOOD)


@dataclass(frozen=True)
class Category:
    """A category's images, ordered by defect folder and file name.

    `fingerprint` is the sha256, in hex, over the relative names, sizes and content hashes of its
    images and masks; it does not depend on where the folder lies.
    """

    name: str
    train: tuple[Sample, ...]
    test: tuple[Sample, ...]
    fingerprint: str


@dataclass(frozen=True)
class Dataset:
    """Validated categories; `name` is `mvtec_ad` for official category names, `synthetic` for
    the embedded set, else the folder's name."""

    name: str
    root: Path
    categories: tuple[Category, ...]
    warnings: tuple[str, ...]
    synthetic: bool


def index(root: Path, categories: Sequence[str] | None = None) -> Dataset:
    """Read and check every image and mask of `categories` (default: all, by name) under `root`.

    Raises:
        DataError: `root` holds no such categories, or files are missing, unreadable or damaged;
            one message names them all (the first ten) with their remedies.
    """
    folders = _category_folders(Path(root), categories)
    problems: list[str] = []
    with ThreadPoolExecutor(_READERS) as pool:
        found = tuple(_index_category(folder, pool, problems) for folder in folders)
    if problems:
        raise DataError(_summary(Path(root), problems))
    synthetic = (Path(root) / SYNTHETIC_MARKER).is_file()
    official = all(category.name in OFFICIAL_COUNTS for category in found)
    return Dataset(
        name="synthetic" if synthetic else "mvtec_ad" if official else Path(root).resolve().name,
        root=Path(root),
        categories=found,
        warnings=tuple(warning for category in found for warning in _count_warning(category)),
        synthetic=synthetic,
    )


def _summary(root: Path, problems: list[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    shown = problems[:_SHOWN_PROBLEMS]
    rest = len(problems) - len(shown)
    tail = [f"… and {rest} more"] if rest else []
    return "\n".join([f"{root}: {len(problems)} problems in this data set:", *shown, *tail])


def _count_warning(category: Category) -> list[str]:
    expected = OFFICIAL_COUNTS.get(category.name)
    defects = sum(sample.label for sample in category.test)
    counts = (len(category.train), len(category.test) - defects, defects)
    if expected is None or counts == expected:
        return []
    return [
        f"{category.name}: {_counts(counts)}, but MVTec AD has {_counts(expected)}; "
        "results are not comparable with published ones"
    ]


def _counts(counts: tuple[int, int, int]) -> str:
    return "{} train, {} test good and {} test defect images".format(*counts)


# --- folders -------------------------------------------------------------------------------


def _category_folders(root: Path, categories: Sequence[str] | None) -> list[Path]:
    """Return the folders of `categories`, in that order, or of all that `root` holds."""
    if not os.path.exists(root):  # Path.exists raises where a parent can't be entered
        raise DataError(f"{root}: no such folder; pass the folder that holds the category folders")
    if not os.path.isdir(root):
        raise DataError(f"{root}: not a folder; pass the folder that holds the category folders")
    inside = _subfolders(root)
    if {"train", "test"} <= {folder.name for folder in inside}:
        raise DataError(
            f"{root}: is itself a category folder; pass its parent and choose {root.resolve().name}"
        )
    if categories is None:
        found = [folder for folder in inside if _is_category(folder)]
        if not found:
            raise DataError(
                f"{root}: holds no category folder (one with train/good and test inside); "
                "pass the folder that holds them"
            )
        return found
    named = {folder.name: folder for folder in inside}
    chosen = list(dict.fromkeys(categories))
    for name in chosen:
        if name not in named or not _is_category(named[name]):
            raise DataError(_unknown(root, name, filter(_is_category, inside)))
    return [named[name] for name in chosen]


def _unknown(root: Path, name: str, folders: Iterable[Path]) -> str:
    names = [folder.name for folder in folders]
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{root}: no category {name!r}; {hint}available: {', '.join(names) or 'none'}"


def _is_category(folder: Path) -> bool:
    """Whether `folder` has a train or a test folder: half a category is a fault, not absence."""
    return any(inside.name in {"train", "test"} for inside in _subfolders(folder))


def _listing(folder: Path) -> list[Path]:
    """Return what lies in `folder`, hidden files left out, in code-point order of the names."""
    try:
        return sorted(
            (path for path in folder.iterdir() if not path.name.startswith(".")),
            key=lambda path: path.name,
        )
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}; make the folder readable") from error


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in _listing(folder) if os.path.isdir(path)]


def _images(folder: Path) -> list[Path]:
    files = (path for path in _listing(folder) if not os.path.isdir(path))
    return [path for path in files if path.suffix.lower() in EXTENSIONS]


# --- one category --------------------------------------------------------------------------


def _index_category(folder: Path, pool: Executor, problems: list[str]) -> Category:
    """Return the category in `folder`; append what is wrong with it to `problems`."""
    try:
        train = _samples(folder, folder / "train" / GOOD)
        test = [s for inside in _subfolders(folder / "test") for s in _samples(folder, inside)]
    except DataError as error:
        problems.append(str(error))
        return Category(folder.name, (), (), "")
    if not train:
        problems.append(f"{folder / 'train' / GOOD}: no images; put the nominal images there")
    if not test:
        problems.append(
            f"{folder / 'test'}: no images in test/good or test/<defect>; put the test images there"
        )
    samples = sorted((*train, *test), key=lambda sample: sample.name)
    masks = [sample.mask for sample in samples if sample.mask]
    paths = [*(sample.path for sample in samples), *masks]
    files = dict(zip(paths, pool.map(inspect, paths), strict=True))
    problems.extend(f"{path}: {file.problem}" for path, file in files.items() if file.problem)
    problems.extend(line for sample in samples for line in _mask_problem(sample, files))
    return Category(folder.name, tuple(train), tuple(test), _fingerprint(folder, files))


def _samples(category: Path, folder: Path) -> list[Sample]:
    """Return the images of one folder, each defect with its mask where there is one."""
    masks: dict[str, Path] = {}
    if folder.name != GOOD:
        # `000_mask.png` takes precedence over `000.png`, so it is entered last.
        for path in sorted(_images(category / "ground_truth" / folder.name), key=_is_suffixed):
            masks[path.stem.removesuffix("_mask")] = path
    return [
        Sample(path, path.relative_to(category).as_posix(), folder.name, masks.get(path.stem))
        for path in _images(folder)
    ]


def _is_suffixed(path: Path) -> bool:
    return path.stem.endswith("_mask")


def _mask_problem(sample: Sample, files: dict[Path, ImageFile]) -> list[str]:
    if not sample.label:
        return []
    if sample.mask is None:
        expected = f"ground_truth/{sample.defect}/{sample.path.stem}_mask.png"
        return [f"{sample.path}: a defect without a mask; add {expected} to the category"]
    image, mask = files[sample.path].shape, files[sample.mask].shape
    if image is None or mask is None or image == mask:
        return []
    return [
        f"{sample.mask}: the mask is {mask[0]}×{mask[1]} pixels but its image is "
        f"{image[0]}×{image[1]}; give both the same size"
    ]


def _fingerprint(category: Path, files: dict[Path, ImageFile]) -> str:
    names = {path.relative_to(category).as_posix(): file for path, file in files.items()}
    return digest([[name, names[name].size, names[name].sha256] for name in sorted(names)])
