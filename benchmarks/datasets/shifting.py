"""Test images as another day's light, camera or mounting shows them: a shift at a severity."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from math import ceil, radians, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from benchmarks.errors import BenchmarkError
from benchmarks.names import suggest

SEVERITIES: Mapping[str, Sequence[float]] = {
    "brightness": (0.9, 0.8, 0.7, 0.6, 0.5),
    "contrast": (0.85, 0.7, 0.55, 0.4, 0.3),
    "colour_temperature": (0.04, 0.08, 0.12, 0.18, 0.25),
    "gaussian_noise": (4, 8, 12, 18, 25),
    "gaussian_blur": (0.5, 1, 1.5, 2, 3),
    "motion_blur": (3, 5, 7, 11, 15),
    "jpeg": (80, 60, 40, 25, 10),
    "translation": (2, 4, 8, 12, 16),
    "rotation": (1, 2, 4, 7, 10),
}
"""Shift → its values at severities 1 to 5: a factor of brightness, and of contrast; by which share
red rises and blue falls; a deviation in grey levels; a deviation, and a length of the horizontal
way, in pixels of the resized image; JPEG's quality; pixels of the resized image to the right;
degrees, counter-clockwise."""

GEOMETRIC = ("translation", "rotation")
"""Shifts that masks follow, and that uncover what no image shows."""

Scale = tuple[float, float]
"""Pixels of an image in one of the resized image, across and down."""


def check_shift(text: str) -> str:
    """Return a shift as it is, `brightness=3`.

    Raises:
        BenchmarkError: there is none of that name, or severity.
    """
    name, _, severity = text.partition("=")
    if name not in SEVERITIES:
        near = suggest(name, SEVERITIES)
        raise BenchmarkError(f"--shift {text[:40]}: the shifts are {', '.join(SEVERITIES)}{near}")
    if severity not in ("1", "2", "3", "4", "5"):
        raise BenchmarkError(f"--shift {text[:40]}: give a severity from 1 to 5, as {name}=3")
    return text


def value_of(shift: str) -> float:
    """Return the value of a shift at its severity."""
    name, _, severity = shift.partition("=")
    return SEVERITIES[name][int(severity) - 1]


def is_geometric(shift: str) -> bool:
    """Whether masks follow a shift."""
    return shift.startswith(GEOMETRIC)


def shifted(image: Image.Image, shift: str, scale: Scale, name: str) -> Image.Image:
    """Return a shifted RGB image of the same size.

    Args:
        image: at its own size.
        shift: as `check_shift` takes it.
        scale: for lengths.
        name: seeds noise, so that each image has its own, and always the same.
    """
    if is_geometric(shift):
        value, turns = value_of(shift), shift.startswith("rotation")
        reach = max(image.size) * sin(radians(value)) if turns else value * scale[0]
        border = ceil(reach) + 1  # what comes in is the image, mirrored at its border
        sides = (border, border), (border, border), (0, 0)
        wider = Image.fromarray(np.pad(np.asarray(image), sides, "symmetric"))
        moved = _moved(wider, shift, scale, Image.Resampling.BILINEAR)
        return moved.crop((border, border, border + image.width, border + image.height))
    return _OPERATIONS[shift.partition("=")[0]](image, value_of(shift), scale, name)


def moved_mask(mask: NDArray[np.bool_], shift: str, scale: Scale) -> NDArray[np.bool_]:
    """Return a mask, (H, W), as it follows a geometric shift; what is uncovered is False."""
    whole = Image.fromarray(mask.view(np.uint8))
    return np.asarray(_moved(whole, shift, scale, Image.Resampling.NEAREST)).astype(np.bool_)


def _moved(
    image: Image.Image, shift: str, scale: Scale, resampling: Image.Resampling
) -> Image.Image:
    value, turns = value_of(shift), shift.startswith("rotation")
    across = 0 if turns else round(value * scale[0])
    return image.rotate(value if turns else 0, resampling, translate=(across, 0))


def _noisy(image: Image.Image, value: float, name: str) -> Image.Image:
    seed = int.from_bytes(hashlib.sha256(name.encode(errors="surrogateescape")).digest()[:8])
    noise = np.random.default_rng(seed).normal(scale=value, size=(image.height, image.width, 3))
    return Image.fromarray((np.asarray(image) + noise).round().clip(0, 255).astype(np.uint8))


def _compressed(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


_OPERATIONS: Mapping[str, Callable[[Image.Image, float, Scale, str], Image.Image]] = {
    "brightness": lambda image, value, *_: ImageEnhance.Brightness(image).enhance(value),
    "contrast": lambda image, value, *_: ImageEnhance.Contrast(image).enhance(value),
    "colour_temperature": lambda image, value, *_: image.convert(
        "RGB", (1 + value, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1 - value, 0)
    ),
    "gaussian_noise": lambda image, value, _, name: _noisy(image, value, name),
    "gaussian_blur": lambda image, value, scale, _: image.filter(
        ImageFilter.GaussianBlur((value * scale[0], value * scale[1]))
    ),
    "motion_blur": lambda image, value, scale, _: image.filter(
        ImageFilter.BoxBlur((max(0, value * scale[0] - 1) / 2, 0))
    ),
    "jpeg": lambda image, value, *_: _compressed(image, int(value)),
}
