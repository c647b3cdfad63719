"""What a layout is, and what it lists of a category: images, masks, what is missing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets.images import EXTENSIONS, ImageFile, image_size
from benchmarks.datasets.masks import MaskFacts, PackedMask, read_mask
from benchmarks.errors import DataError

GOOD = "good"

NOMINAL_NAMES = frozenset(
    {
        *("good", "ok", "okay", "normal", "nominal", "free", "clean", "no_defect", "defect_free"),
        *("defect-free", "nondefect", "non_defective", "pass", "passed", "fine", "intact"),
    }
)
"""What people call a folder of nominal images, in lower case."""


ARCHIVES = (".zip", ".tar", ".tgz", ".txz", ".tbz", ".gz", ".xz", ".bz2", ".zst", ".7z", ".rar")
"""Endings of files that are to be unpacked."""

NO_MASKS = "no masks: image-level metrics alone"

VALIDATION = "no method has anything to tune on validation images"

PRIVATE = "private test images have no public ground truth: the data set's own server scores them"

NOMINAL_ALONE = "methods learn from nominal images alone"

_OF_SYSTEMS = frozenset(
    {"__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found"}
)


@dataclass(frozen=True)
class Sample:
    """One image of a category.

    Attributes:
        path: the image file.
        name: its POSIX path relative to the category folder, as `test/good/000.png`.
        defect: `good`, or the kind of defect: the folder it lies in, or its label in a table.
        masks: the ground-truth files of a defect; none for a nominal image.
        file: what was found in the image file when it was hashed; nothing before.
        packed: what was found in the masks, likewise.
    """

    path: Path
    name: str
    defect: str
    masks: tuple[Path, ...] = ()
    file: ImageFile = field(default=ImageFile(), compare=False, repr=False)
    packed: PackedMask | None = field(default=None, compare=False, repr=False)

    @property
    def label(self) -> int:
        """1 for a defect, 0 for a nominal image; by the folder, whatever the masks hold."""
        return int(self.defect != GOOD)

    @property
    def size(self) -> tuple[int, int]:
        """The image's (width, height); raises as `image_size` where it isn't known yet."""
        return self.file.shape or image_size(self.path)

    @property
    def defect_pixels(self) -> NDArray[np.bool_]:
        """Its masks, merged, (H, W); raises as `read_mask` where they haven't been read yet."""
        return self.packed.defect if self.packed else read_mask(self.masks).defect


@dataclass(frozen=True)
class Listing:
    """A category's images as they lie on disk, not yet read.

    Attributes:
        layout: the name of the layout that it was read in.
        train: training images, in order.
        test: test images, in order.
        files: every file by the name under which it counts in the fingerprint.
        problems: what is missing, each in one line with its remedy.
        folder: where the category's files lie.
        unmasked: which masks are missing, each in one line; ignored where masks aren't read.
        by_design: start of a name in `folder` → why nothing of that name is read.
        reason: the name in `folder` of any other image that isn't read → why not.
        nominal_masks: masks of nominal images, which ought to be black.
        together: of a category without a split of its own, whose `train` holds all nominal images:
            a name for those that stay together when some are drawn for testing.
        notes: how the category is read, each in one line, where that isn't plain.
        inspected: file → what it is like, where listing had to read it.
        facts: name of a defect → what its masks are like, likewise.
    """

    layout: str
    train: Sequence[Sample]
    test: Sequence[Sample]
    files: Mapping[str, Path]
    problems: Sequence[str]
    folder: Path
    unmasked: Sequence[str] = ()
    by_design: Sequence[tuple[str, str]] = ()
    reason: Callable[[str], str] = lambda name: "nothing says what it is for"
    nominal_masks: Sequence[Path] = ()
    together: Callable[[Sample], str] | None = None
    notes: Sequence[str] = ()
    inspected: Mapping[Path, ImageFile] = field(default_factory=dict)
    facts: Mapping[str, MaskFacts] = field(default_factory=dict)


@dataclass(frozen=True)
class Candidate:
    """What may be a category.

    Attributes:
        read: lists its images; raises DataError where a folder or a table can't be read.
        exists: whether it is a category, and not something else or left out of a copy.
    """

    read: Callable[[], Listing]
    exists: Callable[[], bool] = lambda: True


@dataclass(frozen=True)
class Layout:
    """How a data set lies below its root.

    Attributes:
        recognises: whether a root is laid out so.
        candidates: name → what may be a category; raises DataError where a table can't be read.
        what: what makes a category, in words, for the message where there is none.
    """

    recognises: Callable[[Path], bool]
    candidates: Callable[[Path], Mapping[str, Candidate]]
    what: str


def by_name(samples: Iterable[Sample]) -> list[Sample]:
    """Return samples in the order of their names."""
    return sorted(samples, key=lambda sample: sample.name)


def files_of(samples: Iterable[Sample], folder: Path) -> dict[str, Path]:
    """Return every image and mask by its POSIX path relative to `folder`."""
    paths = [path for sample in samples for path in (sample.path, *sample.masks)]
    return {path.relative_to(folder).as_posix(): path for path in paths}


def masks_by_stem(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Return stem of an image → its mask, which is called as it is or with `_mask` behind it."""
    # `000_mask.png` takes precedence over `000.png`, so it is entered last.
    ordered = sorted(images_in(folder), key=lambda path: path.stem.endswith("_mask"))
    return {path.stem.removesuffix("_mask"): (path,) for path in ordered}


def defects_without_mask(samples: Iterable[Sample]) -> list[Sample]:
    """Return the defects without a mask."""
    return [sample for sample in samples if sample.label and not sample.masks]


def is_hidden(name: str) -> bool:
    """Whether a file or folder is no one's but the system's, by its name."""
    return name.startswith(".") or name in _OF_SYSTEMS


def listing(folder: Path) -> list[Path]:
    """Return what lies in `folder`, hidden files left out, in code-point order of the names."""
    try:
        return sorted(
            (path for path in folder.iterdir() if not is_hidden(path.name)),
            key=lambda path: path.name,
        )
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}; make the folder readable") from error


def to_unpack(folder: Path) -> str:
    """Return a remedy in parentheses where archives lie in `folder`, without what they held."""
    packed = (path.name for path in listing(folder) if path.suffix.lower() in ARCHIVES)
    left = [name for name in packed if not os.path.isdir(folder / name.split(".")[0])]
    return f" (first unpack {', '.join(left[:3])})" if left else ""


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in `folder`, by name; none where it doesn't exist.

    Raises:
        DataError: it can't be read.
    """
    return [path for path in listing(folder) if os.path.isdir(path)]


def images_in(folder: Path) -> list[Path]:
    """Return the image files in `folder`, by name; raises as `subfolders`."""
    files = (path for path in listing(folder) if not os.path.isdir(path))
    return [path for path in files if path.suffix.lower() in EXTENSIONS]
