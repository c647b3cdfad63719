"""Small previews of all test images, true defects and anomaly maps, each a sheet of square tiles.

A sheet has as many columns as make it about square; its tiles run row by row, in the order of the
test images.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from math import ceil, sqrt
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.array_types import Curve, Floats, Masks
from benchmarks.results.maps import open_maps

Arrays = dict[str, NDArray[Any]]


IMAGE_SIDE, MAP_SIDE = 128, 56
"""Sides of a tile in pixels, where the images aren't smaller."""

QUALITY = 70
"""WebP's, of 100."""

WIDEST = 16383
"""Pixels that a WebP file is wide at most."""


class Previews(NamedTuple):
    """What a cell's file of maps holds of all of its N test images."""

    images: bytes  # WebP, RGB
    masks: bytes  # PNG, 1 bit, its tiles as large as those of the images
    # WebP, grey from the least (0) to the greatest value (255) of the cell's maps; b"" without any
    maps: bytes
    span: tuple[float, float]  # those two values
    pro: NDArray[np.float64]  # (2, K): false-positive rate and overlap, K = 0 where undefined


def picture_sheets(images: Iterable[NDArray[np.uint8]], masks: Masks) -> Arrays:
    """Return the arrays to store of a category: its images and true defects.

    Args:
        images: N test images, (S, S, 3) each.
        masks: defect pixels, (N, S, S); a tile's pixel is set where any of them falls into it.
    """
    side = _side(masks, IMAGE_SIDE)
    return {
        "preview_images": _stored(_encoded([_smaller(image, side) for image in images])),
        "preview_masks": _stored(_encoded([_smaller(mask, side) for mask in masks])),
    }


def map_sheet(maps: Floats, pro: Curve) -> Arrays:
    """Return the arrays to store of a cell: its anomaly maps, their range, and the PRO curve.

    Args:
        maps: anomaly maps of all test images, (N, S, S), NaN around what isn't a square, and of
            methods that make none.
        pro: the curve's points, as `metrics.pixel.thinned` returns them.
    """
    sheet, low, high = b"", np.nan, np.nan
    if not np.isnan(maps).all():
        low, high = float(np.nanmin(maps)), float(np.nanmax(maps))
        side, extent = _side(maps, MAP_SIDE), (high - low) or 1.0
        filled = (np.nan_to_num(pixels.astype(float), nan=low) for pixels in maps)
        shares = (((pixels - low) / extent).astype(np.float32) for pixels in filled)
        sheet = _encoded([(255 * _smaller(s, side)).round().astype(np.uint8) for s in shares])
    span = np.array([low, high])
    return {"preview_maps": _stored(sheet), "preview_range": span, "pro_curve": np.stack(pro)}


def read_previews(path: Path) -> Previews | None:
    """Return the previews in a cell's file of maps, None where it was stored without any.

    Raises:
        BenchmarkError: the file is unreadable.
    """
    with open_maps(path) as stored:
        if "preview_maps" not in stored:
            return None
        low, high = stored["preview_range"].tolist()
        sheets = ("preview_images", "preview_masks", "preview_maps")
        images, masks, maps = (stored[name].tobytes() for name in sheets)
        return Previews(images, masks, maps, (low, high), stored["pro_curve"])


def columns(count: int) -> int:
    """Return how many tiles stand side by side in a sheet of `count`."""
    return ceil(sqrt(count))


def tile_side(sheet: bytes, count: int) -> int:
    """Return the side of a sheet's tiles in pixels."""
    with Image.open(io.BytesIO(sheet)) as picture:
        return picture.width // columns(count)


def halve(sheet: bytes, count: int) -> bytes:
    """Return a sheet of `count` tiles with tiles of half the side."""
    with Image.open(io.BytesIO(sheet)) as picture:
        pixels = np.asarray(picture)
    across = columns(count)
    side = pixels.shape[1] // across
    return _encoded([_smaller(pixels[place], side // 2) for place in _places(count, side)])


def _side(pictures: NDArray[Any], largest: int) -> int:
    count, size = pictures.shape[:2]
    return min(largest, size, WIDEST // columns(count))


def _smaller(tile: NDArray[Any], side: int) -> NDArray[Any]:
    """Return a square tile at `side` pixels, antialiased, or any of those with centres in it."""
    if tile.dtype != np.bool_:
        antialiased = Image.Resampling.BILINEAR
        return np.asarray(Image.fromarray(tile).resize((side, side), antialiased))
    starts = np.ceil(np.arange(side) * len(tile) / side - 0.5).astype(int)
    return np.logical_or.reduceat(np.logical_or.reduceat(tile, starts, axis=0), starts, axis=1)


def _places(count: int, side: int) -> Iterator[tuple[slice, slice]]:
    """Yield where in a sheet each of `count` tiles lies."""
    for row, column in (divmod(place, columns(count)) for place in range(count)):
        yield slice(row * side, (row + 1) * side), slice(column * side, (column + 1) * side)


def _encoded(tiles: Sequence[NDArray[Any]]) -> bytes:
    """Return equally large tiles as one sheet: a PNG of booleans, else a WebP."""
    across, side = columns(len(tiles)), len(tiles[0])
    shape = (ceil(len(tiles) / across) * side, across * side, *tiles[0].shape[2:])
    pixels = np.zeros(shape, tiles[0].dtype)
    for place, tile in zip(_places(len(tiles), side), tiles, strict=True):
        pixels[place] = tile
    file, picture = io.BytesIO(), Image.fromarray(pixels)
    if pixels.dtype == np.bool_:
        picture.save(file, "PNG", optimize=True)
    else:
        picture.save(file, "WEBP", quality=QUALITY)
    return file.getvalue()


def _stored(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)
