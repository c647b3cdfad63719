"""A data set of MVTec AD's size, drawn once and kept: what the host's work is measured on.

A few images of each kind are drawn and encoded; the others are copies of them, told apart by a
number beside the pixels, so that each is hashed, checked and decoded as a file of its own.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from benchmarks.datasets.indexing import SYNTHETIC_MARKER
from benchmarks.datasets.known import KNOWN, ImageCounts
from benchmarks.features.arrays import storage_error
from benchmarks.files import write_file
from benchmarks.processes import cores

VERSION = "drawn-v1"
"""The set's folder; it rises whenever a file's content changes."""

SIDES = {"bottle": 900, "capsule": 1000, "metal_nut": 700, "pill": 800, "tile": 840}
"""MVTec AD's sizes in pixels, where they aren't `LARGEST`."""

LARGEST = 1024

GREY = frozenset({"grid", "screw", "zipper"})

KINDS = ("crack", "cut", "hole", "print", "stain")

_DRAWN = 4
"""Nominal images that are drawn of each category."""

_HEAD = 33
"""Bytes of a PNG before its second chunk."""


def drawn_set(folder: Path, share: float = 1.0) -> Path:
    """Return the folder of the set, drawn below `folder` unless it lies there.

    Args:
        folder: where it is kept.
        share: of the sides and of the numbers of images that are MVTec AD's.

    Raises:
        StorageError: it can't be written.
    """
    root = folder / f"{VERSION}-{share:g}"
    if not (root / SYNTHETIC_MARKER).exists():
        counts = KNOWN["mvtec_ad"].counts
        try:
            with ThreadPoolExecutor(cores()) as pool:
                list(pool.map(partial(_write_category, root, share), counts, counts.values()))
        except OSError as error:
            raise storage_error(root, error) from error
        write_file(root / SYNTHETIC_MARKER, b"Drawn, to measure what the host does.\n")
    return root


def _write_category(root: Path, share: float, name: str, counts: ImageCounts) -> None:
    side, dice = round(share * SIDES.get(name, LARGEST)), np.random.default_rng(list(name.encode()))
    train, nominal, defects = (max(len(KINDS), round(share * count)) for count in counts)
    scene = _scene(dice, side, 1 if name in GREY else 3)
    drawn = [_png(_photographed(dice, scene)) for _ in range(_DRAWN)]
    _write_copies(root, f"{name}/train/good/{{:03}}.png", train, drawn)
    _write_copies(root, f"{name}/test/good/{{:03}}.png", nominal, drawn)
    for first, kind in enumerate(KINDS):
        mask, count = _blobs(dice, side), len(range(first, defects, len(KINDS)))
        image = _photographed(dice, np.where(mask, scene[::-1], scene))
        masks = [_png(mask * np.uint8(255))]
        _write_copies(root, f"{name}/test/{kind}/{{:03}}.png", count, [_png(image)])
        _write_copies(root, f"{name}/ground_truth/{kind}/{{:03}}_mask.png", count, masks)


def _scene(dice: np.random.Generator, side: int, channels: int) -> np.ndarray:
    """Return a product's nominal look, (side, side, channels): large shapes and a fine texture."""
    return 0.7 * _smooth(dice, 8, side, channels) + 0.12 * _smooth(dice, side // 4, side, channels)


def _smooth(dice: np.random.Generator, cells: int, side: int, channels: int) -> np.ndarray:
    pixels = dice.integers(0, 255, (cells, cells, channels), dtype=np.uint8).squeeze()
    resized = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(resized, np.float32).reshape(side, side, channels)


def _photographed(dice: np.random.Generator, scene: np.ndarray) -> np.ndarray:
    """Return a scene with sensor noise, stronger in some places than in others, as uint8."""
    strength = _smooth(dice, 16, len(scene), 1) / 255
    noise = dice.standard_normal((*scene.shape[:2], 1), np.float32) * strength
    return (scene + noise).clip(0, 255).round().astype(np.uint8)


def _blobs(dice: np.random.Generator, side: int) -> np.ndarray:
    """Return a defect's pixels, (side, side, 1): a few discs."""
    row, column = np.mgrid[:side, :side, :1][:2] / side
    mask = np.zeros((side, side, 1), np.bool_)
    for down, across, radius in dice.uniform((0.3, 0.3, 0.02), (0.7, 0.7, 0.08), (3, 3)):
        mask |= (row - down) ** 2 + (column - across) ** 2 < radius**2
    return mask


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, "PNG", compress_level=3)
    return file.getvalue()


def _write_copies(root: Path, place: str, count: int, drawn: Sequence[bytes]) -> None:
    """Write copies of the drawn PNGs to `place` with its number filled in, each with its name."""
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        name, image = place.format(number), drawn[number % len(drawn)]
        with (root / name).open("wb") as file:
            file.write(image[:_HEAD])
            PngImagePlugin.putchunk(file, b"tEXt", b"Title\0" + name.encode())
            file.write(image[_HEAD:])
