"""Anomaly maps of a stored cell, with the images and masks that they are of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zipfile import BadZipFile

import numpy as np

from benchmarks.errors import BenchmarkError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Examples(NamedTuple):
    """Example maps of one method, n images of H × W pixels."""

    names: NDArray[np.str_]  # (n,)
    images: NDArray[np.uint8]  # (n, H, W, 3)
    masks: NDArray[np.bool_]  # (n, H, W)
    maps: NDArray[np.float32]  # (n, H, W)
    scores: Floats  # (n,)


def read_examples(path: Path) -> Examples:
    """Return what a file of maps holds.

    Raises:
        BenchmarkError: it is unreadable.
    """
    try:
        with np.load(path) as stored:
            return Examples(*(stored[name] for name in Examples._fields))
    except (OSError, ValueError, KeyError, BadZipFile, EOFError) as error:
        raise BenchmarkError(f"can't read the maps in {path}; run its cell again") from error
