"""Data sets in the layouts they are distributed in: validation and fingerprint."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.datasets.images import EXTENSIONS, WIDE, ImageFile, dead_link
from benchmarks.datasets.known import EVERY, SYNTHETIC, ImageCounts, Known, name_of_others
from benchmarks.datasets.layouts import LAYOUTS, base
from benchmarks.datasets.layouts.base import Candidate, Layout, Listing, Sample
from benchmarks.datasets.left_out import files_below, left_out
from benchmarks.datasets.losses import DefectsLost
from benchmarks.datasets.masks import MaskFacts, mask_facts
from benchmarks.datasets.splitting import draw_test_images
from benchmarks.datasets.survey import survey
from benchmarks.datasets.whole_files import WholeFiles
from benchmarks.errors import DataError, listed
from benchmarks.names import composed, printable
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
    `notes` how it is read where that isn't plain, `shapes` which (width, height) its images have,
    ascending, `layout` the layout it was read in, `folder` where its files lie.
    """

    name: str
    train: tuple[Sample, ...]
    test: tuple[Sample, ...]
    fingerprint: str
    warnings: tuple[str, ...] = field(default=(), compare=False)
    left_out: tuple[str, ...] = field(default=(), compare=False)
    shapes: tuple[tuple[int, int], ...] = field(default=(), compare=False)
    layout: str = field(default="", compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)
    folder: Path = field(default=Path(), compare=False)
    lost: dict[tuple[Any, ...], DefectsLost | None] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )
    """How images become a square → what of the defects that loses, as far as it is known yet."""

    @property
    def counts(self) -> ImageCounts:
        """Number of training images, of test images without and with a defect."""
        defects = sum(sample.label for sample in self.test)
        return len(self.train), len(self.test) - defects, defects


@dataclass(frozen=True)
class Dataset:
    """Validated categories.

    `name` is `synthetic` for the embedded set, one of `KNOWN` where that has the same layout, names
    of categories and counts, else the folder's (`name_of_others`). `alike` is the one of `EVERY`
    with the same layout and names of categories, whatever the counts, "" for none.
    """

    name: str
    root: Path
    categories: tuple[Category, ...]
    warnings: tuple[str, ...]
    synthetic: bool
    alike: str = ""

    @property
    def place(self) -> str:
        """A hash of its folder, which distinguishes two data sets of one name."""
        return digest(os.fsencode(self.root.resolve()).hex())


def index(
    root: Path,
    categories: Sequence[str] | None = None,
    *,
    masks: bool = True,
    cache: Path | None = None,
    split_seed: int = 0,
) -> Dataset:
    """Read and check every image and mask of `categories` (default: all, by name) under `root`.

    Args:
        root: the data set's folder.
        categories: names, in any Unicode form.
        masks: whether masks are read; without them there are image-level metrics alone.
        cache: the folder that remembers which contents of files decode; None to check each.
        split_seed: draws the test images of categories that have no split of their own.

    Raises:
        DataError: `root` holds no such categories, or files are missing, unreadable or damaged;
            one message names them all (the first ten) with their remedies.
    """
    root = Path(root)
    candidates = _candidates(root, categories)
    problems, whole = list[str](), WholeFiles(cache)
    with ThreadPoolExecutor(_READERS) as pool:
        indexed = tuple(
            _index_category(name, candidate, pool, problems, whole, masks=masks, seed=split_seed)
            for name, candidate in candidates.items()
        )
    whole.keep()
    problems += [line for category in indexed for line in name_problems(root, category)]
    problems = [printable(line) for line in problems]
    if problems:
        head = f"{root}: {len(problems)} problems in this data set"
        raise DataError(listed(head, problems) if len(problems) > 1 else problems[0])
    synthetic = (root / SYNTHETIC_MARKER).is_file()
    alike = "" if synthetic else _alike(indexed)
    official = EVERY[alike].counts if alike else {}
    known = alike if all(official.get(c.name) == c.counts for c in indexed) else ""
    folder = _name(root)
    if not known and not _is_text(folder):
        raise DataError(f"{folder!a}: the folder's name, which is the data set's, isn't UTF-8")
    warnings = (
        *_count_warnings(indexed, EVERY[alike or "mvtec_ad"]),
        *(f"{category.name}: {line}" for category in indexed for line in category.warnings),
        *(() if categories else _outside(root, indexed)),
    )
    return Dataset(
        name=SYNTHETIC if synthetic else known or name_of_others(folder),
        root=root,
        categories=indexed,
        warnings=tuple(map(printable, warnings)),
        synthetic=synthetic,
        alike=alike,
    )


def _alike(categories: Sequence[Category]) -> str:
    """Return the known data set that has this layout and these names of categories, "" for none."""
    alike = (
        name
        for name, known in EVERY.items()
        if all(known.has(c.name, c.layout) for c in categories)
    )
    return next(alike, "")


def _count_warnings(categories: Sequence[Category], known: Known) -> Iterator[str]:
    for category in categories:
        official = known.counts.get(category.name) if category.layout == known.layout else None
        if official not in (None, category.counts):
            yield (
                f"{category.name}: {_counts(category.counts)}, but {known.title} has "
                f"{_counts(official)}: taken for other data, whose results are not comparable with "
                "published ones"
            )


def _outside(root: Path, categories: Sequence[Category]) -> Iterator[str]:
    """Yield a line for each folder with images that is part of no category, and each dead link."""
    for path in base.listing(root):
        if dead := dead_link(path):
            yield f"{path.name}: left out: {dead}"
    read = {category.folder.relative_to(root).parts[:1] for category in categories}
    for folder in base.subfolders(root) if () not in read else []:
        inside = (Path(name) for name in files_below(folder))
        if (folder.name,) not in read and any(f.suffix.lower() in EXTENSIONS for f in inside):
            yield f"{folder.name}: left out: it holds images, but is no category"


def _name(root: Path) -> str:
    """Return what a folder is called by whoever names it, be that a link's name."""
    return Path(os.path.abspath(root)).name


def _is_text(name: str) -> bool:
    return name == name.encode(errors="replace").decode()


def name_problems(root: Path, category: Category) -> list[str]:
    """Return a line for each name that isn't UTF-8 or is too long for files of results."""
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


def category_names(root: Path) -> list[str]:
    """Return the categories that a data set's folder holds, none where there is no such folder."""
    layout = next(layout for layout in LAYOUTS if layout.recognises(root))
    return [name for name, candidate in layout.candidates(root).items() if candidate.exists()]


def _candidates(root: Path, categories: Sequence[str] | None) -> dict[str, Candidate]:
    """Return `categories`, in that order, or all that `root` holds."""
    if not os.path.exists(root):  # Path.exists raises where a parent can't be entered
        what = dead_link(root) or "no such folder"
        raise DataError(f"{root}: {what}; pass the folder that holds the category folders")
    if not os.path.isdir(root):
        packed = root.suffix.lower() in base.ARCHIVES
        what = "an archive; unpack it, and" if packed else "not a folder;"
        raise DataError(f"{root}: {what} pass the folder that holds the category folders")
    layout = next(layout for layout in LAYOUTS if layout.recognises(root))
    inside = {folder.name.lower() for folder in base.subfolders(root)}
    if layout is LAYOUTS[-1] and "train" in inside and {"test", "test_public"} & inside:
        raise DataError(
            f"{root}: is itself a category folder; pass its parent and choose {_name(root)}"
        )
    return _chosen(root, layout, categories)


def _chosen(root: Path, layout: Layout, names: Sequence[str] | None) -> dict[str, Candidate]:
    candidates = layout.candidates(root)
    if names is None:
        names = [name for name, candidate in candidates.items() if candidate.exists()]
        if not names:
            holder = next(filter(category_names, base.subfolders(root)), None)
            remedy = f"pass {holder}, which does" if holder else "pass the folder that holds them"
            raise DataError(f"{root}: holds no {layout.what}; {remedy}{base.to_unpack(root)}")
    forms = {composed(name): name for name in candidates}
    names = [
        name if name in candidates else forms.get(composed(name), name.strip()) for name in names
    ]
    for name in names:
        if name not in candidates or not candidates[name].exists():
            existing = [name for name, candidate in candidates.items() if candidate.exists()]
            close = difflib.get_close_matches(name, existing, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            available = ", ".join(existing) or "none"
            packed = base.to_unpack(root)
            raise DataError(f"{root}: no category {name!r}; {hint}available: {available}{packed}")
    return {name: candidates[name] for name in names}


def _index_category(
    name: str,
    candidate: Candidate,
    pool: Executor,
    problems: list[str],
    whole: WholeFiles,
    *,
    masks: bool,
    seed: int,
) -> Category:
    """Return a category; append what is wrong with it to `problems`."""
    try:
        listing = candidate.read()
    except DataError as error:
        problems.append(str(error))
        return Category(name, (), (), "")
    left = left_out(listing)
    listing = listing if masks else _without_masks(listing)
    files = _inspected(listing, pool, whole)
    listing = draw_test_images(listing, seed, files)
    train, test = tuple(listing.train), tuple(listing.test)
    samples = base.by_name([*train, *test])
    unmasked = listing.unmasked if masks else _nominal_by_name(name, test)
    wrong = [*listing.problems, *unmasked, *_file_problems(samples, files)]
    unknown = [sample for sample in samples if sample.name not in listing.facts]
    facts = {} if wrong else {**listing.facts, **_facts(unknown, files, pool, wrong)}
    problems.extend(wrong)
    if wrong:
        return Category(name, train, test, "")
    by_path = sorted((at, files[path]) for at, path in listing.files.items())
    warnings = (*survey(train, test, files, facts, listing.nominal_masks), *left.surprising)
    return Category(
        name,
        tuple(_with_content(sample, files, facts) for sample in train),
        tuple(_with_content(sample, files, facts) for sample in test),
        fingerprint=digest([[at, file.size, file.sha256] for at, file in by_path]),
        warnings=tuple(map(printable, warnings)),
        left_out=tuple(map(printable, left.expected)),
        shapes=tuple(sorted({shape for s in samples if (shape := files[s.path].shape)})),
        layout=listing.layout,
        notes=tuple(map(printable, listing.notes)),
        folder=listing.folder,
    )


def _inspected(listing: Listing, pool: Executor, whole: WholeFiles) -> dict[Path, ImageFile]:
    """Return each file of a listing → what reading it told; none is read again."""
    samples = base.by_name([*listing.train, *listing.test])
    read = [path for sample in samples for path in (sample.path, *sample.masks)]
    paths = list(dict.fromkeys([*read, *listing.files.values()]))
    unread = [path for path in paths if path not in listing.inspected]
    return {**listing.inspected, **dict(zip(unread, pool.map(whole.inspect, unread), strict=True))}


def _without_masks(listing: Listing) -> Listing:
    """Return a listing whose masks are neither read nor part of the fingerprint."""
    masks = {mask for sample in listing.test for mask in sample.masks}
    return replace(
        listing,
        test=[replace(sample, masks=()) for sample in listing.test],
        files={name: path for name, path in listing.files.items() if path not in masks},
        nominal_masks=(),
        facts={},
    )


def _nominal_by_name(category: str, test: Sequence[Sample]) -> list[str]:
    """Return a line for each kind of defect whose name usually means nominal images."""
    kinds = {s.defect for s in test if s.label and s.defect.lower() in base.NOMINAL_NAMES}
    return [
        f"{category}: without masks nothing says that test/{kind} holds defects: call it "
        "good if it holds nominal images, else by another name"
        for kind in sorted(kinds)
    ]


def _with_content(
    sample: Sample, files: Mapping[Path, ImageFile], facts: Mapping[str, MaskFacts]
) -> Sample:
    """Return a sample with what reading its files told."""
    packed = facts[sample.name].packed if sample.masks else None
    return replace(sample, file=files[sample.path], packed=packed)


def _facts(
    samples: Sequence[Sample],
    files: Mapping[Path, ImageFile],
    pool: Executor,
    wrong: list[str],
) -> dict[str, MaskFacts]:
    """Return a defect's name → what its masks are like; append unreadable masks to `wrong`."""
    hashes = {path: file.sha256 for path, file in files.items()}
    reads = {s.name: pool.submit(mask_facts, s.masks, hashes) for s in samples if s.masks}
    facts = {}
    for name, read in reads.items():
        try:
            facts[name] = read.result()
        except DataError as error:
            wrong.append(str(error))
    return facts


def _file_problems(samples: Sequence[Sample], files: Mapping[Path, ImageFile]) -> Iterator[str]:
    """Yield a line for whatever is wrong with an image or a mask, alone or beside each other."""
    yield from (f"{path}: {file.problem}" for path, file in files.items() if file.problem)
    yield from (f"{s.path}: {WIDE}" for s in samples if files[s.path].wide)
    yield from (line for sample in samples for line in _size_problems(sample, files))
    yield from _shared_masks(samples)


def _shared_masks(samples: Sequence[Sample]) -> Iterator[str]:
    """Yield a line for each mask of two images, as of 000.png and 000.jpg."""
    owners = dict[Path, Path]()
    for sample in samples:
        for mask in sample.masks:
            if (first := owners.setdefault(mask, sample.path)) != sample.path:
                yield f"{mask}: the mask of {first.name} and of {sample.path}; call one otherwise"


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
