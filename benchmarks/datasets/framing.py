"""How an image becomes a square: its centre cut out, stretched, or padded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.errors import BenchmarkError
from benchmarks.specs import Fit

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def frame(
    image: Image.Image, resize: int, size: int, resampling: Image.Resampling, fit: Fit = "crop"
) -> NDArray[np.uint8]:
    """Return an image as a square of `size` pixels, (size, size) or (size, size, 3).

    `crop` is torchvision's `Resize(resize)`, the shorter side, and `CenterCrop(size)`. `stretch`
    scales the whole image to the square. `pad` scales its longer side to `size`, puts it into the
    middle and repeats its border.

    Raises:
        ValueError: the crop is larger than the resized shorter side.
    """
    if fit == "crop" and size > resize:
        raise ValueError(f"crop {size} is larger than the resized shorter side {resize}")
    width, height, left, top = whole_and_square(*image.size, resize, size, fit)
    whole = image.resize((width, height), resampling)
    if fit == "pad":
        inside = np.asarray(whole)
        borders = [(-top, size + top - height), (-left, size + left - width), (0, 0)]
        return np.pad(inside, borders[: inside.ndim], mode="edge")
    return np.asarray(whole.crop((left, top, left + size, top + size)))


def require_crop(resize: int, size: int, fit: str) -> None:
    """Raise BenchmarkError where a length before the crop, 0 for the usual, is of none, or less."""
    if resize and fit != "crop":
        raise BenchmarkError(f"--resize is of the crop; with --fit {fit} leave it out")
    if resize and resize < size:
        raise BenchmarkError(f"--resize {resize} is less than the crop's {size} pixels")


def padded_box(width: int, height: int, size: int) -> tuple[int, int, int, int]:
    """Return where in a square of `size` pixels an image of that width and height lies, padded."""
    longer = max(width, height)
    wide, high = (max(1, round(size * length / longer)) for length in (width, height))
    left, top = (size - wide) // 2, (size - high) // 2
    return left, top, left + wide, top + high


def padding(width: int, height: int, size: int) -> NDArray[np.bool_]:
    """Return which pixels of the padded square aren't the image's own, (size, size)."""
    left, top, right, bottom = padded_box(width, height, size)
    outside = np.ones((size, size), dtype=np.bool_)
    outside[top:bottom, left:right] = False
    return outside


def whole_and_square(
    width: int, height: int, resize: int, size: int, fit: Fit
) -> tuple[int, int, int, int]:
    """Return where the square lies in the whole image, resized as the fit says.

    Returns:
        The resized image's width and height, and the square's left and top in it, negative where
        the image doesn't reach the square's border.
    """
    if fit == "stretch":
        return size, size, 0, 0
    if fit == "pad":
        left, top, right, bottom = padded_box(width, height, size)
        return right - left, bottom - top, -left, -top
    wide, high = _resized(width, height, resize)
    return wide, high, round((wide - size) / 2.0), round((high - size) / 2.0)


def pixels_a_pixel(
    width: int, height: int, resize: int, size: int, fit: Fit
) -> tuple[float, float]:
    """Return how many of an image's own pixels one of the resized image is, across and down."""
    wide, high, *_ = whole_and_square(width, height, resize, size, fit)
    return width / wide, height / high


def seen_box(width: int, height: int, resize: int, size: int, fit: Fit) -> Box:
    """Return which part of an image is in the square, in the image's own pixels."""
    if fit != "crop":
        return 0, 0, width, height
    wide, high, *starts = whole_and_square(width, height, resize, size, fit)
    scales = [width / wide, height / high]
    left, top = (start * scale for start, scale in zip(starts, scales, strict=True))
    right, bottom = ((start + size) * scale for start, scale in zip(starts, scales, strict=True))
    return left, top, right, bottom


def _resized(width: int, height: int, resize: int) -> tuple[int, int]:
    """Return the size after torchvision's `Resize(resize)`."""
    other = int(resize * max(width, height) / min(width, height))
    return (resize, other) if width <= height else (other, resize)
