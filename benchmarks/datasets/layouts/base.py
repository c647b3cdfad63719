"""What a layout tells of a category: its images, masks, and what is missing."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.datasets.images import EXTENSIONS
from benchmarks.errors import DataError

GOOD = "good"


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
    """

    train: Sequence[Sample]
    test: Sequence[Sample]
    files: Mapping[str, Path]
    problems: Sequence[str]


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
    """How the categories of a data set lie below one folder.

    Attributes:
        recognises: whether a folder is laid out so.
        candidates: the categories that such a folder may hold.
    """

    recognises: Callable[[Path], bool]
    candidates: Callable[[Path], Candidates]


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
