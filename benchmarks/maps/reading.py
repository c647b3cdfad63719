"""Files of one anomaly map: TIFF, NumPy's, grey PNG."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.array_types import Floats
from benchmarks.datasets.images import DECODE_ERRORS
from benchmarks.errors import DataError

Map = Floats
"""An anomaly map, (h, w), float32 or float64."""

_GREY = frozenset({"1", "L", "I", "I;16", "I;16L", "I;16B", "I;16N"})


def read_map(path: Path) -> Map:
    """Return the map in a file, (h, w): float32 where that holds every number, else float64.

    Raises:
        DataError: it can't be read, isn't one map, or holds numbers that aren't finite, or that
            differ beyond double precision.
    """
    try:
        stored = READERS[path.suffix.lower()](path)
    except DataError:
        raise
    except (*DECODE_ERRORS, BadZipFile) as error:
        why = " ".join(str(error).split())[:120] or type(error).__name__
        raise DataError(
            f"{path}: not a readable map ({why}); write it again, uncompressed"
        ) from error
    values = stored if stored.ndim == 2 else stored.squeeze()
    if values.ndim != 2 or not values.size or values.dtype.kind not in "biuf":
        shape = " × ".join(map(str, stored.shape))
        raise DataError(
            f"{path}: holds {shape} values of type {stored.dtype}, not one number a pixel; write "
            "one map a file, (height, width)"
        )
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    if count := int((~np.isfinite(single)).sum()):
        raise DataError(
            f"{path}: {count} of {single.size} values are NaN, infinite or too large for single "
            "precision; write finite numbers"
        )
    double = values.astype(np.float64)
    wider = values.dtype.itemsize > (8 if values.dtype.kind == "f" else 4)
    if wider and np.unique(double).size < np.unique(values).size:
        raise DataError(
            f"{path}: some of its {values.dtype} values differ by less than double precision keeps "
            "apart; write float64 numbers, of less range"
        )
    return single if np.array_equal(single, double) else double


def _tiff(path: Path) -> NDArray[Any]:
    import tifffile

    return np.asarray(tifffile.imread(path))


def _archive(path: Path) -> NDArray[Any]:
    with np.load(path, allow_pickle=False) as stored:
        if len(stored.files) != 1:
            raise DataError(
                f"{path}: holds {len(stored.files)} arrays ({', '.join(stored.files)}); save one"
            )
        return np.asarray(stored[stored.files[0]])


def _picture(path: Path) -> NDArray[Any]:
    with Image.open(path) as image:
        if image.mode not in _GREY:
            raise DataError(
                f"{path}: a picture in colours ({image.mode}), not a map; write grey, 8 or 16 bits"
            )
        return np.asarray(image)


READERS: dict[str, Callable[[Path], NDArray[Any]]] = {
    ".tiff": _tiff,
    ".tif": _tiff,
    ".npy": partial(np.load, allow_pickle=False),
    ".npz": _archive,
    ".png": _picture,
}
"""Ending of a file's name, in lower case → what reads it."""


def write_tiff(file: IO[bytes], values: NDArray[np.floating[Any]]) -> None:
    """Write a map, (h, w), as an uncompressed TIFF of its own type."""
    import tifffile

    tifffile.imwrite(file, values, metadata=None, photometric="minisblack")
