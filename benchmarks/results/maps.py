"""Anomaly maps of a stored cell, with their images and masks: written and read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from benchmarks.array_types import Floats, Masks
from benchmarks.errors import BenchmarkError
from benchmarks.files import atomic_file
from benchmarks.results.cell import AGAIN


class StoredMaps(NamedTuple):
    """Example maps of one method, n images in their own proportions in H × W pixels.

    Around an image that isn't a square, maps are NaN.
    """

    names: NDArray[np.str_]  # (n,)
    images: NDArray[np.uint8]  # (n, H, W, 3)
    masks: Masks  # (n, H, W)
    maps: Floats  # (n, H, W)
    scores: Floats  # (n,)


def write_maps(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a cell's maps, and what lies beside them, by name.

    Raises:
        StorageError: the file can't be written.
    """
    with atomic_file(path) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


@contextmanager
def open_maps(path: Path) -> Iterator[Mapping[str, NDArray[Any]]]:
    """Open a file of maps; each array is read when it is asked for.

    Raises:
        BenchmarkError: the file, or an array that is asked for, is unreadable or absent.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            yield stored
    except (OSError, ValueError, KeyError, BadZipFile, EOFError) as error:
        raise BenchmarkError(f"can't read the maps in {path}; {AGAIN}") from error


def read_maps(path: Path) -> StoredMaps:
    """Return what a file of maps holds; raises as `open_maps`."""
    with open_maps(path) as stored:
        return StoredMaps(*(stored[name] for name in StoredMaps._fields))


def count_maps(path: Path) -> int | None:
    """Return how many maps a file holds, None if they can't be read, as far as their names tell."""
    try:
        with open_maps(path) as stored:
            return len(stored["names"])
    except BenchmarkError:
        return None
