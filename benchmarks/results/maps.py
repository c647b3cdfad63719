"""Anomaly maps of a stored cell, with the images and masks that they are of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zipfile import BadZipFile

import numpy as np

from benchmarks.errors import BenchmarkError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.array_types import Floats, Masks


class StoredMaps(NamedTuple):
    """Example maps of one method, n images in their own proportions in H × W pixels.

    Around an image that isn't a square, maps are NaN.
    """

    names: NDArray[np.str_]  # (n,)
    images: NDArray[np.uint8]  # (n, H, W, 3)
    masks: Masks  # (n, H, W)
    maps: NDArray[np.float32]  # (n, H, W)
    scores: Floats  # (n,)


def read_maps(path: Path) -> StoredMaps:
    """Return what a file of maps holds.

    Raises:
        BenchmarkError: it is unreadable.
    """
    try:
        with np.load(path) as stored:
            return StoredMaps(*(stored[name] for name in StoredMaps._fields))
    except (OSError, ValueError, KeyError, BadZipFile, EOFError) as error:
        raise BenchmarkError(f"can't read the maps in {path}; run its cell again") from error
