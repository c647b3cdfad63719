"""The shared cache of features: memory-mapped arrays on disk, the least recently used removed."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.features import temporary
from benchmarks.features.arrays import REMEDY, ArrayWriter, DamagedArrayError, join, read_array
from benchmarks.features.waiting import WaitingMemory, usual_bound
from benchmarks.places import DEFAULT_LIMIT_GB
from benchmarks.specs import ArraySpec

SPARED = 10**9
"""Bytes of the disk, and a fiftieth of it at most, that are left to results and to others."""

_ARRAY = re.compile(r"[0-9a-f]{64}(\.\d+-\d+)?\.(json|npy)")
"""The name of an array, or of its description; whatever else lies there is others'."""

DESCRIPTIONS = 4096
"""Bytes that the arrays of a split take beside their numbers, at most."""


@dataclass(frozen=True)
class CachedArray:
    """One cached array: its files, its specification, its size and when it was last used."""

    paths: tuple[Path, ...]
    spec: Mapping[str, Any]
    bytes: int
    used: float


@dataclass(frozen=True)
class CacheSettings:
    """A cache's folder and size limit; workers get them, and open it themselves."""

    folder: Path
    limit_gb: float = DEFAULT_LIMIT_GB

    def open(self, warn: Callable[[str], None], waiting: WaitingMemory) -> FeatureCache:
        """Return the cache; `warn` and `waiting` are those of `FeatureCache`."""
        return FeatureCache(self.folder, self.limit_gb, warn, waiting)


class FeatureCache:
    """Memory-mapped arrays on disk, one a (category, split, level), beside their specifications.

    An array is one file, or several where several workers have made it, each some of its images.

    Args:
        folder: where the arrays lie; made when first written to.
        limit_gb: least recently used arrays are removed beyond this size; with 0 nothing is read
            from disk, nor written.
        warn: called with a line for each array that was found broken, or isn't kept.
        waiting: bounds what waits for the disk, of all caches that have it; None for a bound of
            this one's that this machine's memory allows.
    """

    def __init__(
        self,
        folder: Path,
        limit_gb: float = DEFAULT_LIMIT_GB,
        warn: Callable[[str], None] = lambda line: None,
        waiting: WaitingMemory | None = None,
    ) -> None:
        self.settings = CacheSettings(folder, limit_gb)
        self.folder = folder / "features"
        self.limit = int(limit_gb * 1e9)
        self.on_disk = self.limit > 0
        self.warn = warn
        self.waiting = waiting or WaitingMemory(usual_bound())
        self._checked: set[Path] = set()
        self._told = False

    def load(
        self, spec: ArraySpec, images: int, rows: range | None = None, *, check: bool = False
    ) -> np.ndarray[Any, Any] | None:
        """Return an array (n, C, H, W) as a read-only memory map, None where an image is missing.

        Where its images lie in several files, the result is read like one array (`JoinedArray`).
        A file that is truncated, unreadable or of another specification counts as absent, and is
        warned of and removed; so does one with a changed byte, where `check` says to read it.

        Args:
            spec: what it holds.
            images: how many images it has in all.
            rows: those that are wanted; None for all.
            check: whether to compare the bytes with their checksum.
        """
        rows = range(images) if rows is None else rows
        covering = _covering(self._files(spec, images), rows) if self.on_disk else None
        if covering is None:
            return None
        parts = []
        for held, wanted in covering:
            array = self._read(spec, held, whole=len(held) == images, check=check)
            if array is None:
                return None
            parts.append(array[wanted.start - held.start : wanted.stop - held.start])
        return join(parts)

    def _read(
        self, spec: ArraySpec, rows: range, *, whole: bool, check: bool
    ) -> np.ndarray[Any, Any] | None:
        path = self._path(spec, rows, whole=whole)
        unchecked = check and path not in self._checked
        try:
            array = read_array(path, spec, rows, whole=whole, check=unchecked)
        except DamagedArrayError as error:
            self.warn(f"{path}: {error}; extracting again")
            with suppress(OSError):  # so that it isn't preferred to what is extracted now
                path.with_suffix(".json").unlink(missing_ok=True)
            return None
        if check:
            self._checked.add(path)
        with suppress(OSError):  # a read-only cache serves as well, it only can't note the use
            os.utime(path.with_suffix(".json"))
        return array

    def _files(self, spec: ArraySpec, images: int) -> list[range]:
        """Return the images that each file of an array holds."""
        if os.path.exists(self._path(spec, range(images), whole=True).with_suffix(".json")):
            return [range(images)]
        files = []
        for description in self.folder.glob(f"{spec.key}.*-*.json"):
            first, _, stop = description.name.split(".")[1].partition("-")
            if first.isdecimal() and stop.isdecimal():
                files.append(range(int(first), int(stop)))
        return files

    def writer(self, spec: ArraySpec, images: int, rows: range | None = None) -> ArrayWriter:
        """Return a writer for an array or some of its images, invisible until it is complete."""
        rows = range(images) if rows is None else rows
        whole = len(rows) == images
        path = self._path(spec, rows, whole=whole)
        self._checked.discard(path)
        return ArrayWriter(path, spec, rows, whole=whole)

    def make_room(self, needed: int, keep: Sequence[ArraySpec] = ()) -> str:
        """Remove least recently used arrays until `needed` bytes more stay within the limit.

        The disk must have them, too, beside what this machine's processes are writing: else more
        arrays go, if that helps. What others own, and can't be removed, stays.

        Returns:
            Why the disk can't take them, "" where it can.
        """
        self.sweep()
        kept, cached = {spec.key for spec in keep}, self.cached()
        removable = [array for array in cached if _key(array.paths[0]) not in kept]
        excess = sum(array.bytes for array in cached) + needed - self.limit
        helps = self._lacking(needed) <= sum(array.bytes for array in removable)
        for array in sorted(removable, key=lambda array: array.used):
            if excess <= 0 and not (helps and self._lacking(needed) > 0):
                break
            try:
                self.remove(array)
            except OSError as error:
                if not self._told:
                    self.warn(f"{array.paths[0]}: can't be removed ({error.strerror}): it stays")
                self._told = True
            else:
                excess -= array.bytes
        room = max(0, needed - max(0, self._lacking(needed)))
        if room == needed:
            return ""
        sizes = f"{needed / 1e6:,.1f} MB are to be written, and the disk takes {room / 1e6:,.1f}"
        return f"{self.folder}: {sizes}: {REMEDY}"

    @property
    def room(self) -> int:
        """Bytes that arrays may take: as many as are allowed, and the disk has."""
        return min(self.limit, sum(array.bytes for array in self.cached()) - self._lacking(0))

    def _lacking(self, needed: int) -> int:
        """Return how many bytes the disk has too few, beside what is written and others need."""
        ancestors = (self.folder, *self.folder.absolute().parents)
        folder = next(path for path in ancestors if os.path.exists(path))
        disk = shutil.disk_usage(folder)
        spared = min(SPARED, disk.total // 50)
        others = temporary.still_needed(self.folder)
        return needed + DESCRIPTIONS + others + spared - disk.free

    def cached(self) -> list[CachedArray]:
        """Return what is cached, by category, split and level."""
        files: dict[str, list[Path]] = {}
        for description in filter(_is_array, self.folder.glob("*.json")):
            files.setdefault(_key(description), []).append(description)
        cached = []
        for descriptions in files.values():
            with suppress(OSError, ValueError, KeyError, TypeError):
                spec = json.loads(descriptions[0].read_text(encoding="utf-8"))["spec"]
                used = max(description.stat().st_mtime for description in descriptions)
                paths = tuple(description.with_suffix(".npy") for description in descriptions)
                size = sum(path.stat().st_size for path in paths)
                cached.append(CachedArray(paths, {**spec}, size, used))
        order = ("dataset", "category", "split", "backbone", "image_size", "level")
        return sorted(cached, key=lambda array: [str(array.spec.get(name)) for name in order])

    def remove(self, array: CachedArray) -> None:
        """Remove an array, its descriptions first: without these, arrays count as absent."""
        for path in array.paths:
            path.with_suffix(".json").unlink(missing_ok=True)
        for path in array.paths:
            path.unlink(missing_ok=True)

    def clear(self) -> list[Path]:
        """Remove all arrays, also those without a description; return what can't be removed."""
        self.sweep()
        stays = []
        for path in sorted(filter(_is_array, self.folder.glob("*")), key=lambda path: path.suffix):
            try:
                path.unlink(missing_ok=True)
            except OSError:
                stays.append(path)
        return stays

    def sweep(self) -> None:
        """Remove the temporary files that processes of this machine have left."""
        temporary.sweep(self.folder)

    def _path(self, spec: ArraySpec, rows: range, *, whole: bool) -> Path:
        part = "" if whole else f".{rows.start}-{rows.stop}"
        return self.folder / f"{spec.key}{part}.npy"


def _is_array(path: Path) -> bool:
    return _ARRAY.fullmatch(path.name) is not None


def _key(path: Path) -> str:
    """Return the identity of the array that a file belongs to."""
    return path.name.partition(".")[0]


def _covering(files: Sequence[range], rows: range) -> list[tuple[range, range]] | None:
    """Return files that hold all rows together, each with those to take of it; None if none do."""
    covering, first = [], rows.start
    while first < rows.stop:
        holders = [file for file in files if first in file]
        if not holders:
            return None
        longest = max(holders, key=lambda file: file.stop)
        covering.append((longest, range(first, min(longest.stop, rows.stop))))
        first = longest.stop
    return covering
