"""The shared cache of features: memory-mapped arrays on disk, the least recently used removed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.features.arrays import ArrayWriter, DamagedArrayError, read_array
from benchmarks.places import user_cache, written_path
from benchmarks.specs import ArraySpec

DEFAULT_LIMIT_GB = 50.0


def default_folder() -> Path:
    """Return the cache's folder: $TOTAL_RECALL_CACHE, else one in the user's cache folder."""
    named = os.environ.get("TOTAL_RECALL_CACHE")
    return written_path(named) if named else user_cache("total-recall-bench")


@dataclass(frozen=True)
class Entry:
    """One cached array: its specification, its size and when it was last used."""

    path: Path
    spec: Mapping[str, Any]
    bytes: int
    used: float


@dataclass(frozen=True)
class CacheSettings:
    """Which cache: what a worker needs to open it, too."""

    folder: Path
    limit_gb: float = DEFAULT_LIMIT_GB

    def open(self, warn: Callable[[str], None]) -> FeatureCache:
        """Return the cache; `warn` is called with a line for each array that was found broken."""
        return FeatureCache(self.folder, self.limit_gb, warn)


class FeatureCache:
    """Memory-mapped arrays on disk, one a (category, split, level), beside their specifications.

    Args:
        folder: where the arrays lie; made when first written to.
        limit_gb: least recently used arrays are removed beyond this size; with 0 nothing is read
            from disk, nor written.
        warn: called with a line for each array that was found broken.
    """

    def __init__(
        self,
        folder: Path,
        limit_gb: float = DEFAULT_LIMIT_GB,
        warn: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.settings = CacheSettings(folder, limit_gb)
        self.folder = folder / "features"
        self.limit = int(limit_gb * 1e9)
        self.on_disk = self.limit > 0
        self._warn = warn
        self._checked: set[Path] = set()

    def load(
        self, spec: ArraySpec, images: int, *, check: bool = False
    ) -> np.ndarray[Any, Any] | None:
        """Return the array (images, C, H, W) as a read-only memory map, None where there is none.

        An array that is truncated, unreadable or of another specification counts as absent, and
        is warned of; so does one of which a byte has changed, where `check` says to read it.
        """
        path = self._array(spec)
        if not self.on_disk or not path.with_suffix(".json").exists():
            return None
        unchecked = check and path not in self._checked
        try:
            array = read_array(path, spec, images, check=unchecked)
        except DamagedArrayError as error:
            self._warn(f"{path}: {error}; extracting again")
            return None
        if check:
            self._checked.add(path)
        with suppress(OSError):  # a read-only cache serves as well, it only can't note the use
            os.utime(path.with_suffix(".json"))
        return array

    def writer(self, spec: ArraySpec, images: int) -> ArrayWriter:
        """Return a writer for the array; nothing is visible before it is closed complete."""
        self._checked.discard(self._array(spec))
        return ArrayWriter(self._array(spec), spec, images)

    def make_room(self, needed: int, keep: Sequence[ArraySpec] = ()) -> None:
        """Remove least recently used arrays until `needed` bytes more stay within the limit."""
        kept = {self._array(spec) for spec in keep}
        entries = sorted(self.entries(), key=lambda entry: entry.used)
        excess = sum(entry.bytes for entry in entries) + needed - self.limit
        for entry in entries:
            if excess <= 0:
                return
            if entry.path not in kept:
                self.remove(entry)
                excess -= entry.bytes

    def entries(self) -> list[Entry]:
        """Return what is cached, by category, split and level."""
        found = []
        for description in self.folder.glob("*.json"):
            path = description.with_suffix(".npy")
            with suppress(OSError, ValueError, KeyError):
                spec = json.loads(description.read_text(encoding="utf-8"))["spec"]
                used = description.stat().st_mtime
                found.append(Entry(path, spec, path.stat().st_size, used))
        order = ("dataset", "category", "split", "backbone", "image_size", "level")
        return sorted(found, key=lambda entry: [str(entry.spec.get(name)) for name in order])

    def remove(self, entry: Entry) -> None:
        """Remove one array, its description first, so that it is never half there."""
        entry.path.with_suffix(".json").unlink(missing_ok=True)
        entry.path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what interrupted processes left behind."""
        for temporary in self.folder.glob("*.tmp"):
            owner = temporary.name.split(".")[-2]
            if owner.isdecimal() and not Path(f"/proc/{owner}").exists():
                temporary.unlink(missing_ok=True)

    def _array(self, spec: ArraySpec) -> Path:
        return self.folder / f"{spec.key}.npy"
