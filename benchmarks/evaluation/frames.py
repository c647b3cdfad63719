"""Test images in the square that methods see: their masks, and how they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.array_types import Masks, RegionNumbers
from benchmarks.datasets import Category, Sample
from benchmarks.datasets.framing import padded_box, padding, pixels_a_pixel
from benchmarks.datasets.masks import PackedMask, frame_mask, frame_regions, label_regions
from benchmarks.datasets.shifting import moved_mask
from benchmarks.specs import EvaluationProtocol, Fit

WHITE = 255


@dataclass(frozen=True)
class Frame:
    """How one image lies in the square: its own (width, height), the square's side, the fit."""

    width: int
    height: int
    side: int
    fit: Fit

    def shown(self, square: np.ndarray[Any, Any], around: float) -> np.ndarray[Any, Any]:
        """Return a picture of the square, (S, S) or (S, S, 3), in the image's own proportions.

        The result is a square of the same side, filled with `around` outside the image. A crop
        is returned as it is.
        """
        if self.fit == "crop":
            return square
        left, top, right, bottom = self.box
        inside = square[top:bottom, left:right]
        if self.fit == "stretch":
            inside = _resized(square, right - left, bottom - top)
        whole = np.full_like(square, around)
        whole[top:bottom, left:right] = inside
        return whole

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Where it is shown: left, top, right, bottom."""
        if self.fit == "crop":
            return 0, 0, self.side, self.side
        return padded_box(self.width, self.height, self.side)


def _resized(square: np.ndarray[Any, Any], width: int, height: int) -> np.ndarray[Any, Any]:
    exact = square.dtype == np.bool_
    resampling = Image.Resampling.NEAREST if exact else Image.Resampling.BILINEAR
    picture = Image.fromarray(square.astype(np.uint8) if exact else square)
    return np.asarray(picture.resize((width, height), resampling)).astype(square.dtype)


def frames_of(samples: Sequence[Sample], protocol: EvaluationProtocol) -> list[Frame]:
    """Return how each image lies in the square.

    Raises:
        DataError: an image can't be read.
    """
    side, fit = protocol.image_size, protocol.fit
    if fit == "crop":
        return [Frame(side, side, side, fit)] * len(samples)
    return [Frame(*sample.size, side, fit) for sample in samples]


def padding_of(frames: Sequence[Frame]) -> Masks:
    """Return which pixels of padded squares aren't the images' own, (N, S, S)."""
    return np.stack([padding(frame.width, frame.height, frame.side) for frame in frames])


def moved(category: Category, protocol: EvaluationProtocol, shift: str) -> tuple[Category, Masks]:
    """Return a category whose test images' masks follow a geometric shift.

    Beside it are the pixels of the square that the shift uncovers, (N, S, S).

    Raises:
        DataError: an image or a mask can't be read.
    """
    p, side, test = protocol, protocol.image_size, list[Sample]()
    uncovered = np.zeros((len(category.test), side, side), np.bool_)
    for row, sample in enumerate(category.test):
        width, height = sample.size
        scale = pixels_a_pixel(width, height, p.resize, side, p.fit)
        shown = moved_mask(np.ones((height, width), np.bool_), shift, scale)
        uncovered[row] = frame_mask(~shown, p.resize, side, "nearest", p.fit)
        defect = moved_mask(sample.defect_pixels, shift, scale) if sample.masks else None
        packed = None if defect is None else PackedMask.of(defect)
        test.append(replace(sample, packed=packed))
    return replace(category, test=tuple(test)), uncovered


def read_masks(
    samples: Sequence[Sample], protocol: EvaluationProtocol
) -> tuple[Masks, RegionNumbers | None]:
    """Return the images' ground truth, (N, S, S), and its regions, None where they are its own.

    Raises:
        DataError: a mask can't be read.
    """
    p, side = protocol, protocol.image_size
    masks = np.zeros((len(samples), side, side), dtype=np.bool_)
    regions = np.zeros(masks.shape, np.int32) if p.regions == "original" else None
    for row, sample in enumerate(samples):
        if sample.masks:
            defect = sample.defect_pixels
            masks[row] = frame_mask(defect, p.resize, side, p.mask_resize, p.fit)
            if regions is not None:
                numbers = label_regions(defect)
                regions[row] = frame_regions(numbers, masks[row], p.resize, side, p.fit)
    return masks, regions
