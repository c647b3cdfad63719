"""Ground truth: which pixels of an image its masks mark as defect."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.array_types import RegionNumbers
from benchmarks.datasets.framing import frame, padding
from benchmarks.datasets.images import decode
from benchmarks.errors import DataError
from benchmarks.specs import Fit, MaskResize

Oddity = Literal["transparency", "grey", "mixed"]
"""What is unusual in a mask's pixels: its shape is in the transparency; it holds all greys, and
counts from mid-grey up; it holds a few greys, and counts from 1 up."""

FEW_VALUES = 8
"""At most so many values in a mask are classes; compression and antialiasing leave more."""

_MIDDLE, _WHITE = 127, 255

_PLAIN_MODES = frozenset({"1", "L", "RGB", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"})


@dataclass(frozen=True)
class Mask:
    """An image's ground truth at its own size: (H, W), True on defects; what was odd in it."""

    defect: NDArray[np.bool_]
    oddities: frozenset[Oddity] = frozenset()


def box_of(defect: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the rows and columns that hold all defect pixels of (H, W), none where there are none.

    Of a large image that is a small part, and much less to look through.
    """
    rows, columns = (np.flatnonzero(defect.any(axis)) for axis in (1, 0))
    if not rows.size:
        return slice(0), slice(0)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


@dataclass(frozen=True)
class PackedMask:
    """The defect pixels of an image, (H, W): their box, a bit a pixel, compressed."""

    shape: tuple[int, int]
    box: tuple[slice, slice]
    bits: bytes

    @classmethod
    def of(cls, defect: NDArray[np.bool_]) -> PackedMask:
        """Return the packed form of (H, W), True on defects."""
        height, width = defect.shape
        box = box_of(defect)
        packed = np.packbits(defect[box])
        return cls((height, width), box, zlib.compress(packed.tobytes(), level=1))

    @property
    def defect(self) -> NDArray[np.bool_]:
        """The pixels, (H, W), True on defects."""
        defect = np.zeros(self.shape, np.bool_)
        inside = defect[self.box]
        packed = np.frombuffer(zlib.decompress(self.bits), np.uint8)
        inside[...] = np.unpackbits(packed, count=inside.size).reshape(inside.shape)
        return defect


@dataclass(frozen=True)
class MaskFacts:
    """What a mask is like.

    Attributes:
        share: defect pixels of all pixels.
        border: defect pixels of those at the image's border.
        oddities: see `Oddity`.
        packed: the pixels themselves.
    """

    share: float
    border: float
    oddities: frozenset[Oddity] = frozenset()
    packed: PackedMask | None = field(default=None, compare=False)


def mask_facts(paths: Sequence[Path], hashes: Mapping[Path, str] | None = None) -> MaskFacts:
    """Return what an image's masks, merged, are like; arguments and errors as of `read_mask`."""
    mask = read_mask(paths, hashes)
    defect = mask.defect
    border = np.concatenate([defect[0], defect[-1], defect[1:-1, 0], defect[1:-1, -1]])
    packed = PackedMask.of(defect)
    share = np.count_nonzero(defect) / defect.size
    return MaskFacts(share, float(border.mean()), mask.oddities, packed)


def load_mask(
    paths: Sequence[Path],
    resize: int,
    size: int,
    method: MaskResize = "nearest",
    fit: Fit = "crop",
) -> NDArray[np.bool_]:
    """Return an image's ground truth, shape (size, size), True where any of its masks has a defect.

    No masks give all False. `nearest` resizes without interpolation. `official` does what the
    PatchCore authors' code does: bilinear, scaled to [0, 1] and truncated to int, which leaves only
    pixels that are wholly defect and so erodes every region by about a pixel.

    Raises:
        DataError: as `read_mask`.
    """
    if not paths:
        return np.zeros((size, size), dtype=np.bool_)
    return frame_mask(read_mask(paths).defect, resize, size, method, fit)


def frame_mask(
    defect: NDArray[np.bool_], resize: int, size: int, method: MaskResize, fit: Fit = "crop"
) -> NDArray[np.bool_]:
    """Return ground truth of an image's own size, (H, W), as `load_mask` does."""
    binary = Image.fromarray(defect.view(np.uint8) * np.uint8(_WHITE))
    nearest, bilinear = Image.Resampling.NEAREST, Image.Resampling.BILINEAR
    resampling = nearest if method == "nearest" else bilinear
    framed = np.equal(frame(binary, resize, size, resampling, fit), _WHITE)
    return framed & ~padding(*binary.size, size) if fit == "pad" else framed


def label_regions(defect: NDArray[np.bool_]) -> NDArray[Any]:
    """Return the connected regions of a mask, (H, W): pixels that touch, by a corner too, share.

    They are numbered from 1, in uint8 where that suffices, else in int32.
    """
    from scipy.ndimage import label

    box = box_of(defect)
    numbers, count = label(defect[box], np.ones((3, 3)))
    regions = np.zeros(defect.shape, np.uint8 if count <= _WHITE else np.int32)
    regions[box] = numbers
    return regions


def frame_regions(
    regions: NDArray[Any], framed: NDArray[np.bool_], resize: int, size: int, fit: Fit = "crop"
) -> RegionNumbers:
    """Return regions of an image's own size, (H, W), carried into the square, (size, size).

    Args:
        regions: from `label_regions`.
        framed: the defect pixels in the square, from `frame_mask`; each is of the region that is
            nearest to it.
        resize: as in `load_mask`.
        size: likewise.
        fit: likewise.
    """
    from scipy.ndimage import distance_transform_edt

    def carried(regions: NDArray[Any]) -> NDArray[Any]:
        numbers = Image.fromarray(regions)
        return frame(numbers, resize, size, Image.Resampling.NEAREST, fit)[framed]

    inside = carried(regions)
    if not inside.all():  # bilinear resizing has closed a hole of a large image
        nearest = distance_transform_edt(regions == 0, return_distances=False, return_indices=True)
        inside = carried(regions[tuple(nearest)])
    numbers = np.zeros(framed.shape, np.int32)
    numbers[framed] = inside
    return numbers


def read_mask(paths: Sequence[Path], hashes: Mapping[Path, str] | None = None) -> Mask:
    """Return the union of an image's masks at its own size.

    Any non-zero grey is a defect, 1 as much as 255. Of a mask that compression or antialiasing
    has left with many greys it is what reaches mid-grey. Where the colour is one throughout, the
    shape is in the transparency.

    Args:
        paths: the files.
        hashes: file → sha256 of the content that it must have, in hex; any, where not named.

    Raises:
        DataError: a file can't be read or decoded, or has another content; colour and transparency
            tell two things; or the masks differ in size.
    """
    masks = [_read(path, (hashes or {}).get(path, "")) for path in paths]
    if len({mask.defect.shape for mask in masks}) > 1:
        raise DataError(f"{paths[0]}: masks of one image differ in size; give all the same size")
    first, *others = (mask.defect for mask in masks)
    defect = np.logical_or.reduce([first, *others]) if others else first
    return Mask(defect, frozenset().union(*(mask.oddities for mask in masks)))


def _read(path: Path, sha256: str) -> Mask:
    image, lossy = decode(path, sha256)
    if image.has_transparency_data:
        return _transparent(path, np.asarray(image.convert("RGBA")), lossy=lossy)
    values = np.asarray(image if image.mode in _PLAIN_MODES else image.convert("RGB"))
    return _by_values(values if values.ndim == 2 else values.max(axis=2), lossy=lossy)


def _transparent(path: Path, values: NDArray[np.uint8], *, lossy: bool) -> Mask:
    colour, alpha = values[..., :3].max(axis=2), values[..., 3]
    by_colour, by_alpha = (_by_values(part, lossy=lossy) for part in (colour, alpha))
    if (alpha == alpha.flat[0]).all():
        return by_colour
    if not (values[..., :3] == values[0, 0, :3]).all() and not np.array_equal(
        by_colour.defect, by_alpha.defect
    ):
        raise DataError(
            f"{path}: the mask's colour and its transparency show two shapes; save it without "
            "transparency, white on black"
        )
    return Mask(by_alpha.defect, by_alpha.oddities | {"transparency"})


def _by_values(values: NDArray[Any], *, lossy: bool) -> Mask:
    """Return which pixels are defect, by the values (H, W) of a mask's brightest channel."""
    few = values.dtype == np.uint8
    held = np.flatnonzero(Image.fromarray(values).histogram()) if few else np.unique(values)
    greys = held.astype(float)
    top = greys[-1]
    middle = _MIDDLE if _MIDDLE < top <= _WHITE else top / 2
    between = bool(((greys > 0) & (greys <= middle)).any())
    if lossy or (top > _MIDDLE and len(greys) > FEW_VALUES and between):
        return Mask(values > middle, frozenset({"grey"} if between else ()))
    return Mask(values > 0, frozenset({"mixed"} if between and top > _MIDDLE else ()))
