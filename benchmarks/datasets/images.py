"""Image and mask files: read, checked, decoded, resized and cropped."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from benchmarks.errors import DataError
from benchmarks.specs import MaskResize

EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})

_WIDE_MODES = frozenset({"I", "F"})  # 32 bits a pixel: no range says which value is white

_PLAIN_MODES = frozenset({"1", "L", "RGB", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"})

_TRANSPOSED = frozenset({5, 6, 7, 8})  # EXIF orientations that swap width and height

_DECODE_ERRORS = (
    # What Pillow's decoders raise on damaged files; not everything is wrapped in OSError.
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,  # an exception where warnings are errors
)


@dataclass(frozen=True)
class ImageFile:
    """What reading a file once tells: identity, oriented (width, height), and what is wrong."""

    size: int = 0
    sha256: str = ""
    shape: tuple[int, int] | None = None
    problem: str | None = None


def inspect(path: Path) -> ImageFile:
    """Read a file once: hash it and check that it decodes."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return ImageFile(problem=f"{error.strerror}; make the file readable")
    size, sha256 = len(data), hashlib.sha256(data).hexdigest()
    if not data:
        return ImageFile(size, sha256, problem="empty file; copy it again")
    try:
        with _open(io.BytesIO(data)) as image:
            shape = _oriented_size(image)
            # A PNG's checksums prove it whole without the cost of decoding; no other format's do.
            if image.format == "PNG":
                image.verify()
            else:
                image.load()
    except _DECODE_ERRORS as error:
        return ImageFile(size, sha256, problem=_damage(error))
    return ImageFile(size, sha256, shape)


def _open(source: Path | io.BytesIO) -> Image.Image:
    """Open an image lazily, within Pillow's pixel limit even where that only warns."""
    image = Image.open(source)
    if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
        image.close()
        raise Image.DecompressionBombError
    return image


def _damage(error: BaseException) -> str:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more than {Image.MAX_IMAGE_PIXELS:,} pixels; scale the image down"
    return "not a readable image (damaged or truncated); copy it again"


def _oriented_size(image: Image.Image) -> tuple[int, int]:
    # A PNG's EXIF, where it isn't ahead of the pixels, could only be had by decoding them.
    look = image.format != "PNG" or "exif" in image.info
    orientation = image.getexif().get(ExifTags.Base.Orientation) if look else None
    return (image.height, image.width) if orientation in _TRANSPOSED else image.size


def load_image(path: Path, resize: int, crop: int) -> NDArray[np.uint8]:
    """Return an image as RGB, uint8, shape (crop, crop, 3), as torchvision's transforms make it.

    `Resize(resize)` (PIL, bilinear, antialiased, the shorter side) and `CenterCrop(crop)`. Grey
    is repeated, 16-bit grey divided by 256, transparency dropped, EXIF orientation applied.

    Raises:
        DataError: the file can't be read or decoded, or holds 32-bit pixels.
    """
    image = _decode(path)
    if image.mode in _WIDE_MODES:
        raise DataError(f"{path}: 32-bit pixels have no defined range; save it with 8 or 16 bits")
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return _resize_and_crop(image.convert("RGB"), resize, crop, Image.Resampling.BILINEAR)


def load_mask(
    paths: Sequence[Path], resize: int, crop: int, method: MaskResize = "nearest"
) -> NDArray[np.bool_]:
    """Return an image's ground truth, shape (crop, crop), True where any of its masks has a defect.

    No masks give all False. Any non-zero grey is a defect, 1 as much as 255 (a JPEG's only from
    mid-grey up, since its compression bleeds). `nearest` resizes without interpolation. `official`
    does what the PatchCore authors' code does: bilinear, scaled to [0, 1] and truncated to int,
    which leaves only pixels that are wholly defect and so erodes every region by about a pixel.

    Raises:
        DataError: a file can't be read or decoded, or the masks differ in size.
    """
    if not paths:
        return np.zeros((crop, crop), dtype=np.bool_)
    masks = [_is_defect(path) for path in paths]
    if len({mask.shape for mask in masks}) > 1:
        raise DataError(f"{paths[0]}: masks of one image differ in size; give all the same size")
    binary = Image.fromarray(np.logical_or.reduce(masks).astype(np.uint8) * 255)
    nearest, bilinear = Image.Resampling.NEAREST, Image.Resampling.BILINEAR
    resampling = nearest if method == "nearest" else bilinear
    return np.equal(_resize_and_crop(binary, resize, crop, resampling), 255)


def _is_defect(path: Path) -> NDArray[np.bool_]:
    image = _decode(path)
    threshold = 127 if path.suffix.lower() in {".jpg", ".jpeg"} else 0
    values = np.asarray(image if image.mode in _PLAIN_MODES else image.convert("RGB"))
    brightest: NDArray[np.generic] = np.max(np.atleast_3d(values), axis=2)
    return np.greater(brightest, threshold, dtype=np.bool_)


def _decode(path: Path) -> Image.Image:
    """Return the decoded image, turned as its EXIF orientation says."""
    try:
        with _open(path) as image:
            return ImageOps.exif_transpose(image) or image.copy()
    except (FileNotFoundError, PermissionError) as error:
        raise DataError(f"{path}: {error.strerror}; put it back or make it readable") from error
    except _DECODE_ERRORS as error:
        raise DataError(f"{path}: {_damage(error)}") from error


def _resize_and_crop(
    image: Image.Image, resize: int, crop: int, resampling: Image.Resampling
) -> NDArray[np.uint8]:
    """Scale the shorter side to `resize` and cut the centre; sizes and offsets as torchvision's."""
    if crop > resize:
        raise ValueError(f"crop {crop} is larger than the resized shorter side {resize}")
    short, long = min(image.size), max(image.size)
    other = int(resize * long / short)
    size = (resize, other) if image.width <= image.height else (other, resize)
    left, top = (round((length - crop) / 2.0) for length in size)
    resized = image.resize(size, resampling)
    return np.asarray(resized.crop((left, top, left + crop, top + crop)))
