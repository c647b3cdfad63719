"""Data sets in the layouts they are distributed in: validation and fingerprint."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.datasets.images import ImageFile, inspect
from benchmarks.datasets.known import KNOWN, ImageCounts, Known
from benchmarks.datasets.layouts import LAYOUTS
from benchmarks.datasets.layouts.base import Candidates, Sample, Source, subfolders
from benchmarks.datasets.layouts.visa import TABLE
from benchmarks.errors import DataError
from benchmarks.specs import digest

SYNTHETIC_MARKER = "SYNTHETIC.txt"
"""The file in a data set's root that says it is the embedded one."""

_SHOWN_PROBLEMS = 10

_READERS = 4


@dataclass(frozen=True)
class Category:
    """A category's images, ordered by their names.

    `fingerprint` is the sha256, in hex, over the relative names, sizes and content hashes of its
    images and masks; it does not depend on where the folder lies.
    """

    name: str
    train: tuple[Sample, ...]
    test: tuple[Sample, ...]
    fingerprint: str

    @property
    def counts(self) -> ImageCounts:
        """Number of training images, of test images without and with a defect."""
        defects = sum(sample.label for sample in self.test)
        return len(self.train), len(self.test) - defects, defects


@dataclass(frozen=True)
class Dataset:
    """Validated categories; `name` is `synthetic` for the embedded set, one of `KNOWN` where
    layout and all category names are its own, else the folder's name."""

    name: str
    root: Path
    categories: tuple[Category, ...]
    warnings: tuple[str, ...]
    synthetic: bool

    @property
    def place(self) -> str:
        """Where it lies, as a hash that tells two data sets of one name apart."""
        return digest(os.fsencode(self.root.resolve()).hex())


def index(root: Path, categories: Sequence[str] | None = None) -> Dataset:
    """Read and check every image and mask of `categories` (default: all, by name) under `root`.

    Raises:
        DataError: `root` holds no such categories, or files are missing, unreadable or damaged;
            one message names them all (the first ten) with their remedies.
    """
    root = Path(root)
    sources = _sources(root, categories)
    problems: list[str] = []
    with ThreadPoolExecutor(_READERS) as pool:
        found = tuple(_index_category(source, pool, problems) for source in sources)
    if problems:
        raise DataError(_summary(root, problems))
    synthetic = (root / SYNTHETIC_MARKER).is_file()
    known = None if synthetic else _known(sources, found)
    return Dataset(
        name="synthetic" if synthetic else known or root.resolve().name,
        root=root,
        categories=found,
        warnings=tuple(
            warning
            for source, category in zip(sources, found, strict=True)
            for warning in _count_warning(source, category, known)
        ),
        synthetic=synthetic,
    )


def _summary(root: Path, problems: list[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    shown = problems[:_SHOWN_PROBLEMS]
    rest = len(problems) - len(shown)
    tail = [f"… and {rest} more"] if rest else []
    return "\n".join([f"{root}: {len(problems)} problems in this data set:", *shown, *tail])


def _known(sources: Sequence[Source], found: Sequence[Category]) -> str | None:
    """Return the name of the data set whose categories these are.

    Names tell it only in a layout of its own: in MVTec AD's, which everybody uses, one category at
    least must have as many images as the known one.
    """
    for name, one in KNOWN.items():
        own = all(_is_of(one, source) for source in sources)
        shared = one.layout == KNOWN["mvtec_ad"].layout
        if own and (not shared or any(one.counts[c.name] == c.counts for c in found)):
            return name
    return None


def _is_of(known: Known, source: Source) -> bool:
    return source.layout == known.layout and source.name in known.counts


def _count_warning(source: Source, category: Category, name: str | None) -> list[str]:
    known = KNOWN[name or "mvtec_ad"]
    if not _is_of(known, source) or category.counts == known.counts[source.name]:
        return []
    return [
        f"{category.name}: {_counts(category.counts)}, but {known.title} has "
        f"{_counts(known.counts[source.name])}; results are not comparable with published ones"
    ]


def _counts(counts: ImageCounts) -> str:
    return "{} train, {} test good and {} test defect images".format(*counts)


def _sources(root: Path, categories: Sequence[str] | None) -> list[Source]:
    """Return the sources of `categories`, in that order, or of all that `root` holds."""
    if not os.path.exists(root):  # Path.exists raises where a parent can't be entered
        raise DataError(f"{root}: no such folder; pass the folder that holds the category folders")
    if not os.path.isdir(root):
        raise DataError(f"{root}: not a folder; pass the folder that holds the category folders")
    if {"train", "test"} <= {folder.name for folder in subfolders(root)}:
        raise DataError(
            f"{root}: is itself a category folder; pass its parent and choose {root.resolve().name}"
        )
    layout = next(layout for layout in LAYOUTS if layout.recognises(root))
    return _chosen(root, layout.candidates(root), categories)


def _chosen(root: Path, there: Candidates, categories: Sequence[str] | None) -> list[Source]:
    if categories is None:
        found = [source for find in there.values() if (source := find())]
        if not found:
            raise DataError(
                f"{root}: holds no category folder (one with train/good and test inside) and no "
                f"image that {TABLE} names; pass the folder that holds them"
            )
        return found
    chosen = []
    for name in dict.fromkeys(categories):
        source = there[name]() if name in there else None
        if source is None:
            raise DataError(_unknown(root, name, [other for other in there if there[other]()]))
        chosen.append(source)
    return chosen


def _unknown(root: Path, name: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{root}: no category {name!r}; {hint}available: {', '.join(names) or 'none'}"


def _index_category(source: Source, pool: Executor, problems: list[str]) -> Category:
    """Return the category of `source`; append what is wrong with it to `problems`."""
    try:
        listing = source.read()
    except DataError as error:
        problems.append(str(error))
        return Category(source.name, (), (), "")
    samples = sorted((*listing.train, *listing.test), key=lambda sample: sample.name)
    masks = [mask for sample in samples for mask in sample.masks]
    paths = list(dict.fromkeys([*(sample.path for sample in samples), *masks]))
    files = dict(zip(paths, pool.map(inspect, paths), strict=True))
    problems.extend(listing.problems)
    problems.extend(f"{path}: {file.problem}" for path, file in files.items() if file.problem)
    problems.extend(line for sample in samples for line in _size_problems(sample, files))
    named = {name: files[path] for name, path in listing.files.items()}
    fingerprint = digest([[name, named[name].size, named[name].sha256] for name in sorted(named)])
    return Category(source.name, tuple(listing.train), tuple(listing.test), fingerprint)


def _size_problems(sample: Sample, files: dict[Path, ImageFile]) -> list[str]:
    image = files[sample.path].shape
    return [
        f"{path}: the mask is {mask[0]}×{mask[1]} pixels but its image is {image[0]}×{image[1]}; "
        "give both the same size"
        for path in sample.masks
        if image and (mask := files[path].shape) and image != mask
    ]
