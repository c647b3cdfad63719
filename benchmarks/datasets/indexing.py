"""Data sets in the layouts they are distributed in: validation and fingerprint."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.datasets.images import EXTENSIONS, WIDE, ImageFile, inspect
from benchmarks.datasets.known import KNOWN, ImageCounts, Known
from benchmarks.datasets.layouts import LAYOUTS, base
from benchmarks.datasets.layouts.base import Layout, Listing, Sample, Source
from benchmarks.datasets.left_out import files_below, left_out
from benchmarks.datasets.masks import MaskFacts, mask_facts
from benchmarks.datasets.survey import survey
from benchmarks.errors import DataError, listed
from benchmarks.specs import digest

SYNTHETIC_MARKER = "SYNTHETIC.txt"
"""The file in a data set's root that says it is the embedded one."""

LONGEST_NAME = 150
"""Bytes of a category's name, which is part of names of files, 255 bytes at most."""

_READERS = 4


@dataclass(frozen=True)
class Category:
    """A category's images, ordered by their names.

    `fingerprint` is the sha256, in hex, over the relative names, sizes and content hashes of its
    images and masks; it does not depend on where the folder lies. `warnings` say what looks wrong
    and what is left out that looks as if it should be read, `left_out` what else is left out,
    `shapes` how many (width, height) there are, with the least and the greatest.
    """

    name: str
    train: tuple[Sample, ...]
    test: tuple[Sample, ...]
    fingerprint: str
    warnings: tuple[str, ...] = field(default=(), compare=False)
    left_out: tuple[str, ...] = field(default=(), compare=False)
    shapes: tuple[tuple[int, int], ...] = field(default=(), compare=False)

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


def index(root: Path, categories: Sequence[str] | None = None, *, masks: bool = True) -> Dataset:
    """Read and check every image and mask of `categories` (default: all, by name) under `root`.

    Args:
        root: the data set's folder.
        categories: names.
        masks: whether masks are read; without them there are image-level metrics alone.

    Raises:
        DataError: `root` holds no such categories, or files are missing, unreadable or damaged;
            one message names them all (the first ten) with their remedies.
    """
    root = Path(root)
    sources = _sources(root, categories)
    problems: list[str] = []
    with ThreadPoolExecutor(_READERS) as pool:
        found = tuple(_index_category(source, pool, problems, masks=masks) for source in sources)
    problems += [line for category in found for line in name_problems(root, category)]
    if problems:
        raise DataError(_summary(root, problems))
    synthetic = (root / SYNTHETIC_MARKER).is_file()
    known = None if synthetic else _known(sources, found)
    own = root.resolve().name
    if not known and not _is_text(own):
        raise DataError(f"{own!a}: the folder's name, which is the data set's, isn't UTF-8")
    return Dataset(
        name="synthetic" if synthetic else known or own,
        root=root,
        categories=found,
        warnings=(
            *_count_warnings(sources, found, known),
            *(f"{one.name}: {line}" for one in found for line in one.warnings),
            *(() if categories else _outside(root, found)),
        ),
        synthetic=synthetic,
    )


def _summary(root: Path, problems: Sequence[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    return listed(f"{root}: {len(problems)} problems in this data set", problems)


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


def _count_warnings(
    sources: Sequence[Source], categories: Sequence[Category], name: str | None
) -> Iterator[str]:
    known = KNOWN[name or "mvtec_ad"]
    for source, category in zip(sources, categories, strict=True):
        if _is_of(known, source) and category.counts != known.counts[source.name]:
            yield (
                f"{category.name}: {_counts(category.counts)}, but {known.title} has "
                f"{_counts(known.counts[source.name])}; "
                "results are not comparable with published ones"
            )


def _outside(root: Path, categories: Sequence[Category]) -> Iterator[str]:
    """Yield which folders of a data set hold images without being of a category."""
    samples = (sample for one in categories for sample in (*one.train, *one.test))
    read = {sample.path.relative_to(root).parts[0] for sample in samples}
    for folder in base.subfolders(root):
        inside = (Path(name) for name in files_below(folder))
        if folder.name not in read and any(f.suffix.lower() in EXTENSIONS for f in inside):
            yield f"{folder.name}: left out: it holds images, but is no category"


def _is_text(name: str) -> bool:
    return name == name.encode(errors="replace").decode()


def name_problems(root: Path, category: Category) -> list[str]:
    """Return which names can't be written to tables, or are too long for files of results."""
    bad = [
        f"{root / category.name / name}: the name isn't UTF-8; rename it"
        for name in (category.name, *(s.name for s in (*category.train, *category.test)))
        if not _is_text(name)
    ]
    if not bad and len(category.name.encode()) > LONGEST_NAME:
        bad = [
            f"{root / category.name}: the category's name is longer than {LONGEST_NAME} bytes, "
            "too long for files of results; rename the folder"
        ]
    return [line.encode(errors="backslashreplace").decode() for line in bad]


def _counts(counts: ImageCounts) -> str:
    return "{} train, {} test good and {} test defect images".format(*counts)


def _sources(root: Path, categories: Sequence[str] | None) -> list[Source]:
    """Return the sources of `categories`, in that order, or of all that `root` holds."""
    if not os.path.exists(root):  # Path.exists raises where a parent can't be entered
        raise DataError(f"{root}: no such folder; pass the folder that holds the category folders")
    if not os.path.isdir(root):
        raise DataError(f"{root}: not a folder; pass the folder that holds the category folders")
    layout = next(layout for layout in LAYOUTS if layout.recognises(root))
    inside = {folder.name for folder in base.subfolders(root)}
    if layout is LAYOUTS[-1] and "train" in inside and {"test", "test_public"} & inside:
        raise DataError(
            f"{root}: is itself a category folder; pass its parent and choose {root.resolve().name}"
        )
    return _chosen(root, layout, categories)


def _chosen(root: Path, layout: Layout, categories: Sequence[str] | None) -> list[Source]:
    there = layout.candidates(root)
    if categories is None:
        found = [source for find in there.values() if (source := find())]
        if not found:
            raise DataError(f"{root}: holds no {layout.what}; pass the folder that holds them")
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


def _index_category(
    source: Source, pool: Executor, problems: list[str], *, masks: bool
) -> Category:
    """Return the category of `source`; append what is wrong with it to `problems`."""
    try:
        listing = source.read()
    except DataError as error:
        problems.append(str(error))
        return Category(source.name, (), (), "")
    left = left_out(listing)
    listing = listing if masks else _without_masks(listing)
    train, test = listing.train, listing.test
    samples = sorted((*train, *test), key=lambda sample: sample.name)
    own = [path for sample in samples for path in (sample.path, *sample.masks)]
    paths = list(dict.fromkeys([*own, *listing.files.values()]))
    files = dict(zip(paths, pool.map(inspect, paths), strict=True))
    wrong = [
        *listing.problems,
        *(listing.unmasked if masks else _nominal_by_name(source, test)),
        *(f"{path}: {file.problem}" for path, file in files.items() if file.problem),
        *(f"{s.path}: {WIDE}" for s in samples if files[s.path].wide),
        *(line for sample in samples for line in _size_problems(sample, files)),
    ]
    facts = {} if wrong else _facts(samples, pool, wrong)
    problems.extend(wrong)
    if wrong:
        return Category(source.name, tuple(train), tuple(test), "")
    named = {name: files[path] for name, path in listing.files.items()}
    fingerprint = digest([[name, named[name].size, named[name].sha256] for name in sorted(named)])
    looks = survey(train, test, files, facts, listing.nominal_masks)
    shapes = tuple(sorted({shape for s in samples if (shape := files[s.path].shape)}))
    warnings = (*looks, *left.surprising)
    return Category(
        source.name, tuple(train), tuple(test), fingerprint, warnings, left.expected, shapes
    )


def _without_masks(listing: Listing) -> Listing:
    """Return a listing whose masks are neither read nor part of the fingerprint."""
    masks = {mask for sample in listing.test for mask in sample.masks}
    return replace(
        listing,
        test=[replace(sample, masks=()) for sample in listing.test],
        files={name: path for name, path in listing.files.items() if path not in masks},
        nominal_masks=(),
    )


def _nominal_by_name(source: Source, test: Sequence[Sample]) -> list[str]:
    """Return which kinds of defect are called as nominal images are; no mask says otherwise."""
    names = {s.defect for s in test if s.label and s.defect.lower() in base.NOMINAL_NAMES}
    return [
        f"{source.name}: without masks nothing says that test/{name} holds defects: call it "
        "good if it holds nominal images, else by another name"
        for name in sorted(names)
    ]


def _facts(samples: Sequence[Sample], pool: Executor, wrong: list[str]) -> dict[str, MaskFacts]:
    """Return a defect's name → what its masks are like; append to `wrong` what has no reading."""
    masked = [sample for sample in samples if sample.masks]

    def read(sample: Sample) -> MaskFacts | str:
        try:
            return mask_facts(sample.masks)
        except DataError as error:
            return str(error)

    found = list(pool.map(read, masked))
    wrong.extend(one for one in found if isinstance(one, str))
    return {
        sample.name: one
        for sample, one in zip(masked, found, strict=True)
        if isinstance(one, MaskFacts)
    }


def _size_problems(sample: Sample, files: Mapping[Path, ImageFile]) -> list[str]:
    image = files[sample.path]
    return [
        f"{path}: the mask is {mask.shape[0]}×{mask.shape[1]} pixels but its image is "
        f"{image.shape[0]}×{image.shape[1]}{_remedy(image, mask)}"
        for path in sample.masks
        if image.shape and (mask := files[path]).shape and image.shape != mask.shape
    ]


def _remedy(image: ImageFile, mask: ImageFile) -> str:
    if image.shape and mask.shape == image.shape[::-1] and image.turned != mask.turned:
        turned = "the image's" if image.turned else "the mask's"
        return (
            f", turned as {turned} EXIF orientation says: turn the pixels themselves and take the "
            "orientation out"
        )
    return "; give both the same size"
