"""A data set of MVTec AD's size, drawn once and kept: what the host's work is measured on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.datasets import GOOD, KNOWN
from benchmarks.datasets.indexing import SYNTHETIC_MARKER
from benchmarks.datasets.known import ImageCounts
from benchmarks.features.arrays import storage_error
from benchmarks.files import write_file
from benchmarks.processes import cores
from benchmarks.synthetic.products import PRODUCTS, render

VERSION = "drawn-v2"
"""The set's folder; it rises whenever a file's content changes."""

SIDES = {"bottle": 900, "capsule": 1000, "metal_nut": 700, "pill": 800, "tile": 840}
"""MVTec AD's sizes in pixels, where they aren't `LARGEST`."""

LARGEST, NOISE, LEAST = 1024, 3, 6
"""Pixels; grey levels that images are noisy by, as photographs; images of a folder at least."""


def drawn_set(folder: Path, share: float = 1.0) -> Path:
    """Return the folder of the set, drawn below `folder` unless it lies there.

    Args:
        folder: where it is kept.
        share: of the sides and of the numbers of images that are MVTec AD's.

    Raises:
        StorageError: it can't be written.
    """
    root, counts = folder / f"{VERSION}-{share:g}", KNOWN["mvtec_ad"].counts
    if not (root / SYNTHETIC_MARKER).exists():
        write = partial(_write_category, root, share)
        try:
            with ThreadPoolExecutor(cores()) as pool:
                list(pool.map(write, counts, PRODUCTS, counts.values()))
        except OSError as error:
            raise storage_error(root, error) from error
        write_file(root / SYNTHETIC_MARKER, b"Drawn, to measure what the host does.\n")
    return root


def _write_category(root: Path, share: float, name: str, product: str, counts: ImageCounts) -> None:
    """Write as many images as a category has, a product of the embedded set enlarged."""
    side, dice = round(share * SIDES.get(name, LARGEST)), np.random.default_rng(len(name))
    folders = (("train", [GOOD]), ("test", [GOOD]), ("test", [*PRODUCTS[product].defects]))
    for (split, kinds), count in zip(folders, counts, strict=True):
        for number in range(max(LEAST, round(share * count))):
            kind, file = kinds[number % len(kinds)], f"{number:03}"
            image, _, mask = render(product, split, kind, number)
            pixels = _enlarged(image, side)
            pixels = (pixels + dice.integers(-NOISE, NOISE, pixels.shape, np.int8)).clip(0, 255)
            _save(pixels, root / name / split / kind / f"{file}.png")
            if kind != GOOD:
                defect = 255 * (_enlarged(mask.astype(np.uint8) * 255, side) > 0)
                _save(defect, root / name / "ground_truth" / kind / f"{file}_mask.png")


def _enlarged(pixels: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BOX))


def _save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path, compress_level=3)
