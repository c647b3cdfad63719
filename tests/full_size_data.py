"""Writes a data set with as many images as MVTec AD, all of them noise, to plan large runs on.

python -m tests.full_size_data FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.datasets.known import OFFICIAL_COUNTS
from tests.helpers.data_sets import save

SIDE = 16


def write(root: Path) -> Path:
    """Write the images and masks of all categories; return the folder."""
    dice = np.random.default_rng(0)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[4:8, 4:8] = 255
    for category, counts in OFFICIAL_COUNTS.items():
        for kind, count in zip(("train/good", "test/good", "test/spot"), counts, strict=True):
            for number in range(count):
                image = dice.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
                save(image, root / category / kind / f"{number:03}.png")
                if kind == "test/spot":
                    save(mask, root / category / "ground_truth/spot" / f"{number:03}_mask.png")
    return root


def main() -> None:
    """Write the set into the folder that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.full_size_data", description=__doc__)
    parser.add_argument("folder", type=Path)
    write(parser.parse_args().folder)


if __name__ == "__main__":
    main()
