"""Which files of a category aren't read, and why."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from benchmarks.datasets.images import EXTENSIONS, dead_link
from benchmarks.datasets.layouts.base import ARCHIVES, Listing, is_hidden

NO_IMAGES = frozenset(
    {
        *(".txt", ".md", ".csv", ".tsv", ".json", ".xml", ".yaml", ".yml", ".toml", ".ini"),
        *(".html", ".pdf", ".db", ".log", ".py", ".sh", ".m", ".license", ".bib", ".tex", ""),
        ".identifier",
    }
)
"""Endings of files that commonly lie beside images."""

NOT_IMAGES = "not images"

READ = "PNG, JPEG, BMP, TIFF and WebP"

_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*", b"RIFF")


@dataclass(frozen=True)
class LeftOut:
    """Files that aren't read, a line a group: surprising ones look like images to be read."""

    surprising: tuple[str, ...]
    expected: tuple[str, ...]


def left_out(listing: Listing) -> LeftOut:
    """Return the files of a category's folder that aren't read, except hidden ones."""
    read = {os.fspath(path) for path in listing.files.values()}
    surprising: dict[tuple[str, str], list[str]] = defaultdict(list)
    expected: dict[str, list[str]] = defaultdict(list)
    for name in files_below(listing.folder):
        if os.fspath(listing.folder / name) in read:
            continue
        by_design = (why for start, why in listing.by_design if name.startswith(start))
        if reason := next(by_design, None):
            expected[reason].append(name)
        elif reason := _reason(listing, name):
            surprising[PurePosixPath(name).parent.as_posix(), reason].append(name)
        else:
            expected[NOT_IMAGES].append(name)
    return LeftOut(
        tuple(f"{_counted(names)} left out: {reason}" for (_, reason), names in surprising.items()),
        tuple(f"{_counted(names)} left out: {reason}" for reason, names in expected.items()),
    )


def files_below(folder: Path) -> Iterator[str]:
    """Yield the files below `folder` as POSIX paths relative to it, in order, hidden ones not."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        for name in sorted(name for name in names if not is_hidden(name)):
            yield Path(place, name).relative_to(folder).as_posix()


def _counted(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} files, as {names[0]},"


def _reason(listing: Listing, name: str) -> str | None:
    """Return why a file that looks like an image isn't read, None if it doesn't look like one."""
    suffix = PurePosixPath(name).suffix.lower()
    if dead := dead_link(listing.folder / name):
        return dead
    if suffix in ARCHIVES:
        return "an archive; unpack it"
    if suffix in EXTENSIONS:
        return listing.reason(name)
    if _is_image(listing.folder / name):
        return f"an image by its content; give its name the ending of its format ({READ} are read)"
    return None if suffix in NO_IMAGES else f"{READ} are read, {suffix} isn't; convert it"


def _is_image(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError:
        return False
    return start.startswith(_SIGNATURES) and (start[:2] != b"BM" or start[6:10] == b"\0\0\0\0")
