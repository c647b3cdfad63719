"""Anomaly maps of images that differ: in their level, in their defects, in how well these show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from benchmarks.array_types import Floats, Masks

SIDE = 16

FINE_SIDE = 96
"""Of 12 nominal images or more, so that they have the 100,000 pixels that AUPIMO needs."""

LEVEL_SPREAD = 0.7
"""Standard deviation between images' levels, in standard deviations of pixels."""

CLARITIES = {"faint": (2.0, 1.0), "clear": (4.0, 1.0), "clear but for some": (5.0, 2.0)}
"""Mean and standard deviation of what defects add to their pixels, image by image."""


def draw_maps(
    random: np.random.Generator, normals: int, anomalous: int, clarity: str, side: int = SIDE
) -> tuple[Floats, Masks]:
    """Return maps and masks of a test set, (N, side, side) each, normal images first.

    Args:
        random: where chance comes from.
        normals: how many normal images.
        anomalous: how many with one rectangular defect.
        clarity: a key of `CLARITIES`.
        side: of a map, in pixels; defects grow with it.
    """
    from scipy.ndimage import gaussian_filter

    count = normals + anomalous
    maps = gaussian_filter(random.normal(size=(count, side, side)), (0, 1, 1))
    maps /= maps.std()
    maps += random.normal(scale=LEVEL_SPREAD, size=(count, 1, 1))
    masks = np.zeros(maps.shape, bool)
    sizes = random.integers(2, 7, (count, 2)) * (side // SIDE)
    corners = random.integers(0, side - sizes + 1)
    for number in range(normals, count):
        (top, left), (height, width) = corners[number], sizes[number]
        masks[number, top : top + height, left : left + width] = True
    mean, spread = CLARITIES[clarity]
    maps += masks * random.normal(mean, spread, size=(count, 1, 1))
    return maps.astype(np.float32), masks
