"""What a layout tells of a category: its images, masks, and what is missing."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.datasets.images import EXTENSIONS
from benchmarks.errors import DataError

GOOD = "good"

NOMINAL_NAMES = frozenset(
    {
        *("good", "ok", "okay", "normal", "nominal", "free", "clean", "no_defect", "defect_free"),
        *("defect-free", "nondefect", "non_defective", "pass", "passed", "fine", "intact"),
    }
)
"""What people call a folder of nominal images, in lower case."""


@dataclass(frozen=True)
class Sample:
    """One image of a category.

    Attributes:
        path: the image file.
        name: its POSIX path relative to the category folder, as `test/good/000.png`.
        defect: `good`, or the kind of defect: the folder it lies in, or its label in a table.
        masks: the ground-truth files of a defect; none for a nominal image.
    """

    path: Path
    name: str
    defect: str
    masks: tuple[Path, ...] = ()

    @property
    def label(self) -> int:
        """1 for a defect, 0 for a nominal image; by the folder, whatever the masks hold."""
        return int(self.defect != GOOD)


@dataclass(frozen=True)
class Listing:
    """A category's images as they lie on disk, not yet read.

    Attributes:
        train: training images, in order.
        test: test images, in order.
        files: every file by the name under which it counts in the fingerprint.
        problems: what is missing, each in one line with its remedy.
        folder: where the category's files lie.
        unmasked: what is missing of masks, each in one line; nothing where none are asked for.
        by_design: start of a name in `folder` → why nothing of that name is read.
        why: the name in `folder` of any other image that isn't read → why not.
        nominal_masks: masks of nominal images, which ought to be black.
    """

    train: Sequence[Sample]
    test: Sequence[Sample]
    files: Mapping[str, Path]
    problems: Sequence[str]
    folder: Path
    unmasked: Sequence[str] = ()
    by_design: Sequence[tuple[str, str]] = ()
    why: Callable[[str], str] = lambda name: "nothing says what it is for"
    nominal_masks: Sequence[Path] = ()

    @property
    def used(self) -> set[Path]:
        """Every image and mask that is read."""
        return {*self.files.values()}


@dataclass(frozen=True)
class Source:
    """A category that is there: its name, its layout's, and what lists it."""

    name: str
    layout: str
    read: Callable[[], Listing]


Candidates = Mapping[str, Callable[[], Source | None]]
"""Name → the category of that name, None where that turns out to be something else."""


@dataclass(frozen=True)
class Layout:
    """How a data set lies below its root.

    Attributes:
        name: what the layout is known from.
        recognises: whether a root is laid out so.
        candidates: a root's categories; raises DataError where a table can't be read.
        what: what makes a category, for who has none.
    """

    name: str
    recognises: Callable[[Path], bool]
    candidates: Callable[[Path], Candidates]
    what: str


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


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in `folder`, by name; none where it doesn't exist.

    Raises:
        DataError: it can't be read.
    """
    return [path for path in _listing(folder) if os.path.isdir(path)]


def images_in(folder: Path) -> list[Path]:
    """Return the image files in `folder`, by name; raises as `subfolders`."""
    files = (path for path in _listing(folder) if not os.path.isdir(path))
    return [path for path in files if path.suffix.lower() in EXTENSIONS]
