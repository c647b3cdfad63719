"""Writes one category of 5,000 drawn training images, Real-IAD's size, to try large data on.

python -m tests.large_data FOLDER
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.synthetic.products import PRODUCTS, render
from tests.helpers.data_sets import save

TRAIN, GOOD, DEFECTS = 5000, 40, 14
"""Training images, nominal test images, and test images of each kind of defect."""

CATEGORY = "washer"
SIDE = 256

Sample = tuple[str, str, int]


def samples(train: int = TRAIN) -> Iterator[Sample]:
    """Yield split, kind and number of every image."""
    yield from (("train", "good", number) for number in range(train))
    yield from (("test", "good", number) for number in range(GOOD))
    for kind in PRODUCTS[CATEGORY].defects:
        yield from (("test", kind, number) for number in range(DEFECTS))


def write(root: Path, train: int = TRAIN) -> Path:
    """Write the images and masks with all processors; return the folder."""
    with get_context("spawn").Pool() as pool:
        for _ in pool.imap_unordered(partial(_write, root / CATEGORY), samples(train), 50):
            pass
    return root


def _write(folder: Path, sample: Sample) -> None:
    split, kind, number = sample
    image, _, mask = render(CATEGORY, *sample)
    save(_resized(image, Image.Resampling.BILINEAR), folder / split / kind / f"{number:04}.png")
    if kind != "good":
        own = _resized(np.uint8(255) * mask, Image.Resampling.NEAREST)
        save(own, folder / "ground_truth" / kind / f"{number:04}_mask.png")


def _resized(pixels: np.ndarray, resampling: Image.Resampling) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), resampling))


def main() -> None:
    """Write the set into the folder that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.large_data", description=__doc__)
    parser.add_argument("folder", type=Path)
    write(parser.parse_args().folder)


if __name__ == "__main__":
    main()
