"""How much of a category's defects lies outside the square that methods see."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets.framing import seen_box
from benchmarks.datasets.indexing import Category
from benchmarks.datasets.layouts.base import Sample
from benchmarks.specs import Fit

_READERS = 4


@dataclass(frozen=True)
class DefectsOutside:
    """How much of a category's defects the square doesn't show.

    Attributes:
        unseen: defect images of which nothing of the defect is seen.
        share: share of all defect pixels, at the images' own sizes, that aren't seen.
    """

    unseen: int
    share: float


def seen_pixels(defect: NDArray[np.bool_], resize: int, size: int, fit: Fit) -> tuple[int, int]:
    """Return how many pixels of a defect, (H, W), the square shows, and how many there are.

    A pixel is shown where its centre is.
    """
    left, top, right, bottom = seen_box(defect.shape[1], defect.shape[0], resize, size, fit)
    down, across = (
        slice(max(0, ceil(start - 0.5)), max(0, ceil(end - 0.5)))
        for start, end in ((top, bottom), (left, right))
    )
    return int(defect[down, across].sum()), int(defect.sum())


def count_outside(pixels: Iterable[tuple[int, int]]) -> DefectsOutside | None:
    """Return what is outside of defects with these pixels, (seen, all) each; None without any."""
    marked = [(seen, every) for seen, every in pixels if every]
    if not marked:
        return None
    total = sum(every for _, every in marked)
    lost = total - sum(seen for seen, _ in marked)
    return DefectsOutside(sum(not seen for seen, _ in marked), lost / total)


def defects_outside_crop(
    category: Category, resize: int, size: int, fit: Fit
) -> DefectsOutside | None:
    """Read a category's masks; return what of its defects is outside, None without masks.

    Raises:
        DataError: a mask can't be read.
    """
    masked = [sample for sample in category.test if sample.masks]

    def pixels(sample: Sample) -> tuple[int, int]:
        return seen_pixels(sample.defect_pixels, resize, size, fit)

    with ThreadPoolExecutor(_READERS) as pool:
        return count_outside(pool.map(pixels, masked))
