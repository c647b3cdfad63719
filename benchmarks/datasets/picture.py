"""A few images of each kind with their masks, as one picture to look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.datasets.images import load_rgb
from benchmarks.datasets.indexing import Category, Dataset
from benchmarks.datasets.layouts.base import GOOD, Sample
from benchmarks.errors import StorageError

SIDE, GAP, LABEL = 112, 4, 14
"""Sides of a tile, of what is between tiles, and the height of a row's label, in pixels."""

EXAMPLES = 4
"""Images of each kind."""

DEFECT = (255, 0, 60)
"""The colour that a mask is drawn in."""

_BACKGROUND = (255, 255, 255)


def write_picture(dataset: Dataset, file: Path) -> Path:
    """Write a few images of each kind to `file`, defects once more with their masks laid over.

    Rows are kinds, training images first; the examples are spread over what there is.

    Raises:
        DataError: an image can't be read.
        StorageError: the file can't be written.
    """
    rows = [row for category in dataset.categories for row in _kinds(category)]
    width, height = 2 * EXAMPLES * (SIDE + GAP) + GAP, len(rows) * (LABEL + SIDE + GAP) + GAP
    picture = Image.new("RGB", (width, height), _BACKGROUND)
    draw = ImageDraw.Draw(picture)
    for number, (label, samples) in enumerate(rows):
        top = GAP + number * (LABEL + SIDE + GAP)
        draw.text((GAP, top), label.encode("latin-1", "replace").decode("latin-1"), fill=0)
        tiles = [tile for sample in samples for tile in _tiles(sample)]
        for place, tile in enumerate(tiles):
            left = GAP + place * (SIDE + GAP)
            picture.paste(tile, (left, top + LABEL))
    try:
        picture.save(file)
    except (OSError, ValueError) as error:
        raise StorageError(
            f"{file}: the picture can't be written ({error}); name a .png elsewhere (--picture)"
        ) from error
    return file


def _kinds(category: Category) -> Iterator[tuple[str, Sequence[Sample]]]:
    """Yield each kind's label and examples."""
    yield f"{category.name}: train", _spread(category.train, 2 * EXAMPLES)
    for kind in sorted({sample.defect for sample in category.test}, key=lambda k: (k != GOOD, k)):
        samples = [sample for sample in category.test if sample.defect == kind]
        masked = any(sample.masks for sample in samples)
        shown = _spread(samples, EXAMPLES if masked else 2 * EXAMPLES)
        yield f"{category.name}: test, {kind} ({len(samples)})", shown


def _spread(samples: Sequence[Sample], count: int) -> Sequence[Sample]:
    places = np.linspace(0, len(samples) - 1, min(count, len(samples)))
    return [samples[round(place)] for place in places]


def _tiles(sample: Sample) -> Iterator[Image.Image]:
    image = load_rgb(sample.path, sample.file.sha256)
    yield _tile(image)
    if sample.masks:
        mask = sample.defect_pixels
        marked = np.asarray(image).copy()
        marked[mask] = (marked[mask] * 0.4 + np.array(DEFECT) * 0.6).astype(np.uint8)
        yield _tile(Image.fromarray(marked))


def _tile(image: Image.Image) -> Image.Image:
    """Return an image within a tile, its proportions kept."""
    small = image.copy()
    small.thumbnail((SIDE, SIDE))
    tile = Image.new("RGB", (SIDE, SIDE), (200, 200, 200))
    tile.paste(small, ((SIDE - small.width) // 2, (SIDE - small.height) // 2))
    return tile
