"""Writes the embedded data set as image files in MVTec AD's layout."""

from __future__ import annotations

import tempfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.datasets import GOOD
from benchmarks.datasets.indexing import SYNTHETIC_MARKER
from benchmarks.errors import StorageError
from benchmarks.processes import map_in_processes
from benchmarks.synthetic.products import PRODUCTS, VERSION, Pixels, render

TRAIN, TEST_GOOD = 64, 12
"""Images a category; more training images than the 50 that SPADE retrieves, so that it chooses."""

CATEGORIES_PER_PROCESS = 3
"""Categories that are worth the start of a process; each takes most of a second."""


def _write_category(folder: Path) -> int:
    category = folder.name
    product, written = PRODUCTS[category], 0
    kinds = [("train", GOOD, TRAIN), ("test", GOOD, TEST_GOOD)]
    kinds += [("test", kind, product.per_defect) for kind in product.defects]
    for split, kind, count in kinds:
        for number in range(count):
            image, _, mask = render(category, split, kind, number)
            _save(image, folder / split / kind / f"{number:03}.png")
            if kind != GOOD:
                grey = mask.astype(np.uint8) * 255
                _save(grey, folder / "ground_truth" / kind / f"{number:03}_mask.png")
        written += count
    return written


def _save(pixels: Pixels, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Huffman coding alone: versions of zlib search for repetitions differently, and the bytes of
    # the files, which the fingerprint covers, would depend on which one Pillow brings along.
    Image.fromarray(pixels).save(path, compress_type=zlib.Z_HUFFMAN_ONLY)


def ensure(folder: Path) -> Path:
    """Return the data set's root, `folder/synthetic-v2`; write it first where it isn't there.

    It appears under that name all at once, so neither an interruption nor another process that
    writes it at the same time can leave half of it.

    Raises:
        StorageError: `folder` can't be written.
    """
    root = Path(folder) / VERSION
    if not (root / SYNTHETIC_MARKER).is_file():
        write_at_once(root)
    return root


def write_at_once(root: Path) -> int:
    """Write the data set beside `root`, then give it that name, unless another process has.

    Returns:
        How many images, masks not counted.

    Raises:
        StorageError: its folder can't be written.
    """
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        return _write_beside(root)
    except OSError as error:
        raise StorageError(
            f"{root}: can't write the embedded data set ({error.strerror}); "
            "make room there or choose another folder"
        ) from error


def _write_beside(root: Path) -> int:
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}-") as name:
        staged = Path(name) / root.name
        folders = [staged / category for category in PRODUCTS]
        written = sum(map_in_processes(_write_category, folders, CATEGORIES_PER_PROCESS))
        note = f"{VERSION}: drawn by benchmarks/synthetic/, not photographed. {written} images.\n"
        (staged / SYNTHETIC_MARKER).write_text(note, encoding="utf-8")
        try:
            staged.replace(root)
        except OSError:
            if not (root / SYNTHETIC_MARKER).is_file():
                raise
    return written
