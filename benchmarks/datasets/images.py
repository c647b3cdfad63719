"""Image files: read, checked and decoded."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zlib
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from benchmarks.datasets.framing import frame, pixels_a_pixel
from benchmarks.datasets.shifting import shifted
from benchmarks.errors import DataError
from benchmarks.specs import Fit, Interpolation

EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})

_WIDE_MODES = frozenset({"I", "F"})  # 32 bits a pixel: no range says which value is white

WIDE = "32-bit pixels have no defined range; save it with 8 or 16 bits"

_TRANSPOSED = frozenset({5, 6, 7, 8})  # EXIF orientations that swap width and height

DECODE_ERRORS = (
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
"""What decoders raise on damaged files; not everything is wrapped in OSError."""


@dataclass(frozen=True)
class ImageFile:
    """What reading a file once tells.

    Attributes:
        size: bytes.
        sha256: of its content, in hex.
        shape: (width, height), turned as its EXIF orientation says; None where it can't be read.
        turned: whether it has an EXIF orientation other than the usual one.
        frames: how many pictures are in it; the first is read.
        wide: whether it has 32-bit pixels, which a mask may have and an image not.
        problem: what is wrong, with the remedy.
    """

    size: int = 0
    sha256: str = ""
    shape: tuple[int, int] | None = None
    turned: bool = False
    frames: int = 1
    wide: bool = False
    problem: str | None = None


def dead_link(path: Path) -> str:
    """Say where a link leads that leads nowhere; "" of anything else."""
    dead = os.path.islink(path) and not os.path.exists(path)
    return f"a link to {os.readlink(path)}, which isn't there" if dead else ""


def inspect(path: Path, whole: Container[str] = ()) -> ImageFile:
    """Read a file once: hash it and check that it decodes, unless `whole` holds its sha256."""
    try:
        data = path.read_bytes()
    except OSError as error:
        dead, why = dead_link(path), f"{error.strerror}; make the file readable"
        return ImageFile(problem=f"{dead}; bring it there or remove the link" if dead else why)
    size, sha256 = len(data), hashlib.sha256(data).hexdigest()
    if not data:
        return ImageFile(size, sha256, problem="empty file; copy it again")
    try:
        with _open(io.BytesIO(data)) as image:
            orientation, frames = _orientation(image), getattr(image, "n_frames", 1)
            wide = image.mode in _WIDE_MODES
            turned = orientation in _TRANSPOSED
            shape = (image.height, image.width) if turned else image.size
            if sha256 not in whole:
                _check(image)
    except DECODE_ERRORS as error:
        return ImageFile(size, sha256, problem=_damage(error))
    return ImageFile(size, sha256, shape, orientation not in (None, 0, 1), frames, wide)


def _open(source: io.BytesIO) -> Image.Image:
    """Open an image lazily, within Pillow's pixel limit even where that only warns."""
    image = Image.open(source)
    if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
        image.close()
        raise Image.DecompressionBombError
    return image


def _check(image: Image.Image) -> None:
    """Raise one of `DECODE_ERRORS` unless all of a file can be decoded."""
    # A PNG's checksums prove it whole without the cost of decoding; no other format's do.
    if image.format == "PNG":
        image.verify()
    else:
        image.draft(None, (1, 1))  # reads all of a JPEG, and computes few of its pixels
        image.load()


def _damage(error: BaseException) -> str:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more than {Image.MAX_IMAGE_PIXELS:,} pixels; scale the image down"
    return "not a readable image (damaged or truncated); copy it again"


def _orientation(image: Image.Image) -> int | None:
    # A PNG's EXIF, where it isn't ahead of the pixels, could only be had by decoding them.
    look = image.format != "PNG" or "exif" in image.info
    return image.getexif().get(ExifTags.Base.Orientation) if look else None


def image_size(path: Path) -> tuple[int, int]:
    """Return an image's (width, height), turned as its EXIF orientation says.

    Raises:
        DataError: the file can't be read.
    """
    file = inspect(path)
    if file.shape is None:
        raise DataError(f"{path}: {file.problem}")
    return file.shape


def load_image(
    path: Path,
    resize: int,
    size: int,
    fit: Fit = "crop",
    interpolation: Interpolation = "bilinear",
    *,
    sha256: str = "",
    shift: str = "",
    name: str = "",
) -> NDArray[np.uint8]:
    """Return an image as RGB, uint8, shape (size, size, 3), framed as `framing.frame` does.

    Resized by Pillow, which antialiases: a filter widens by as much as an image shrinks.

    Grey is repeated, 16-bit grey divided by 256, transparency dropped, EXIF orientation applied.
    A `shift` comes before resizing; `name` seeds its noise.

    Raises:
        DataError: as `decode`; or the file holds 32-bit pixels.
    """
    image = load_rgb(path, sha256)
    if shift:
        image = shifted(image, shift, pixels_a_pixel(*image.size, resize, size, fit), name)
    return as_square(image, resize, size, fit, interpolation)


def as_square(
    image: Image.Image, resize: int, size: int, fit: Fit, interpolation: Interpolation
) -> NDArray[np.uint8]:
    """Return an RGB image as `load_image` returns that of a file."""
    return frame(image, resize, size, Image.Resampling[interpolation.upper()], fit)


def load_rgb(path: Path, sha256: str = "") -> Image.Image:
    """Return an image as RGB at its own size; raises as `load_image`."""
    return as_rgb(decode(path, sha256)[0], str(path))


def as_rgb(image: Image.Image, name: str) -> Image.Image:
    """Return a decoded image, which messages call `name`, as RGB; raises as `load_image`."""
    if image.mode in _WIDE_MODES:
        raise DataError(f"{name}: {WIDE}")
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB")


def decode(path: Path, sha256: str = "") -> tuple[Image.Image, bool]:
    """Return the image, turned as its EXIF orientation says, and whether it was kept with loss.

    Args:
        path: the file.
        sha256: of the content that it must have, in hex; empty for any.

    Raises:
        DataError: the file can't be read or decoded, or has another content.
    """
    try:
        data = path.read_bytes()
        if sha256 and hashlib.sha256(data).hexdigest() != sha256:
            raise DataError(
                f"{path}: changed while the command was at work; run it again, and leave the data "
                "as they are meanwhile"
            )
        with _open(io.BytesIO(data)) as image:
            lossy = image.format == "JPEG" or image.info.get("compression") == "jpeg"
            return ImageOps.exif_transpose(image) or image.copy(), lossy
    except (FileNotFoundError, PermissionError) as error:
        raise DataError(f"{path}: {error.strerror}; put it back or make it readable") from error
    except DECODE_ERRORS as error:
        raise DataError(f"{path}: {_damage(error)}") from error
