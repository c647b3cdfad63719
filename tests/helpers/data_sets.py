"""Small data sets in MVTec AD's layout: noise, with a bright square for a defect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 40


def write_category(folder: Path, train: int = 6, good: int = 3, defect: int = 4) -> Path:
    """Write one category and return its folder; the same name gives the same pixels."""
    dice = np.random.default_rng(sum(folder.name.encode()))
    for kind, count in (("train/good", train), ("test/good", good), ("test/spot", defect)):
        for number in range(count):
            image = dice.integers(80, 120, (SIDE, SIDE, 3)).astype(np.uint8)
            if kind == "test/spot":
                image[12 + number : 20 + number, 14:24] += 100
                mask = np.zeros((SIDE, SIDE), np.uint8)
                mask[12 + number : 20 + number, 14:24] = 255
                save(mask, folder / "ground_truth" / "spot" / f"{number:03}_mask.png")
            save(image, folder / kind / f"{number:03}.png")
    return folder


def save(pixels: np.ndarray, path: Path) -> None:
    """Write an image, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_dataset(root: Path, *names: str) -> Path:
    """Write a data set of the named categories and return its root."""
    for name in names:
        write_category(root / name)
    return root
