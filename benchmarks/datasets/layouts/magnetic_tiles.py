"""Lists the magnetic-tile defects (MTD), a folder a kind of defect and no split of its own.

A tile was photographed under up to six exposures, numbered one after the other. Images without a
defect are taken in the order of their numbers; a new tile begins where the exposure doesn't rise;
every fifth tile is for testing. So no tile is in both.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks.datasets.layouts import base
from benchmarks.datasets.layouts.base import GOOD, Candidate, Layout, Listing, Sample

CATEGORY = "magnetic_tile"

EVERY = 5
"""One tile in so many is for testing."""

_FREE, _START = "MT_Free", "MT_"

_NUMBERS = re.compile(r"exp(\d+)_num_(\d+)$")


def recognises(root: Path) -> bool:
    """Whether `root` holds a folder of images without a defect as it is distributed."""
    return os.path.isdir(root / _FREE / "Imgs")


def candidates(root: Path) -> dict[str, Candidate]:
    """Return the data set's only category."""
    return {CATEGORY: Candidate(partial(_read, root))}


def _read(root: Path) -> Listing:
    """Return every image, each defect with the mask of the same stem.

    Raises:
        DataError: a folder can't be read.
    """
    free, problems = [], []
    for path in _photographs(root / _FREE / "Imgs"):
        if _NUMBERS.search(path.stem):
            free.append(path)
        else:
            problems.append(f"{path}: its name doesn't end in exp<N>_num_<M>; copy it again")
    train: list[Sample] = []
    test: list[Sample] = []
    for number, tile in enumerate(tiles(free), start=1):
        split, samples = ("test", test) if number % EVERY == 0 else ("train", train)
        samples += [Sample(path, f"{split}/{GOOD}/{path.name}", GOOD) for path in tile]
    for folder in base.subfolders(root):
        if folder.name.startswith(_START) and folder.name != _FREE:
            test += _defects(folder)
    problems += [] if train else [f"{root / _FREE / 'Imgs'}: fewer than two tiles; copy it again"]
    return Listing(
        "MTD",
        base.by_name(train),
        base.by_name(test),
        base.files_of([*train, *test], root)
        | {f"train/{sample.path.name}": sample.path for sample in train},
        problems,
        root,
        [
            f"{sample.path}: a defect without a mask; add {sample.path.stem}.png beside it"
            for sample in base.defects_without_mask(test)
        ],
        by_design=[(f"{_FREE}/Imgs/", "a nominal image needs no mask")],
        reason=lambda name: "it is no photograph, nor the mask of one",
    )


def _photographs(folder: Path) -> list[Path]:
    return [path for path in base.images_in(folder) if path.suffix.lower() != ".png"]


def _defects(folder: Path) -> Iterator[Sample]:
    kind = folder.name.removeprefix(_START).lower()
    masks = {p.stem: p for p in base.images_in(folder / "Imgs") if p.suffix.lower() == ".png"}
    for path in _photographs(folder / "Imgs"):
        mask = masks.get(path.stem)
        yield Sample(path, f"test/{kind}/{path.name}", kind, (mask,) if mask else ())


def tiles(paths: Sequence[Path]) -> list[list[Path]]:
    """Return photographs grouped by the tile that they are of, in the order of their numbers."""

    def numbers(path: Path) -> tuple[int, int]:
        match = _NUMBERS.search(path.stem)
        return (int(match[2]), int(match[1])) if match else (0, 0)

    groups: list[list[Path]] = []
    before = 0
    for path in sorted(paths, key=numbers):
        _, exposure = numbers(path)
        if not groups or exposure <= before:
            groups.append([])
        groups[-1].append(path)
        before = exposure
    return groups


LAYOUT = Layout(recognises, candidates, "folder MT_Free/Imgs")
