"""What all cells of one category share: features on the device, ground truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.array_types import Masks
from benchmarks.datasets import Category, load_image
from benchmarks.evaluation.frames import WHITE, frames_of, padding_of, read_masks
from benchmarks.features import Split
from benchmarks.features.extraction import Arrays
from benchmarks.results.previews import picture_sheets
from benchmarks.specs import EvaluationProtocol
from methods.base import Features
from methods.lazy import torch

RESIDENT_SHARE = 0.5
"""Share of the memory that a category's features may take on a GPU; beyond it they stream."""


class CategoryData:
    """What all cells of one category share: features on the device, and ground truth.

    Args:
        category: its images.
        members: the features' arrays, one set for each member of an ensemble.
        protocol: how images and masks are read.
        device: where features go.
        memory: bytes on it that a method may fill with what it could do without.
    """

    def __init__(
        self,
        category: Category,
        members: Sequence[Mapping[Split, Arrays]],
        protocol: EvaluationProtocol,
        device: str,
        memory: int,
    ) -> None:
        self.category, self.protocol, self.device = category, protocol, device
        share = memory // len(members)
        self.members = [_on_device(arrays, device, share) for arrays in members]
        self.labels = np.array([sample.label for sample in category.test])
        self.masks, self.loss = read_masks(category.test, protocol)
        self.frames = frames_of(category.test, protocol)

    @property
    def ignored(self) -> Masks | None:
        """Pixels that no image has, (N, S, S); None where there are none."""
        return padding_of(self.frames) if self.protocol.fit == "pad" else None

    def image(self, row: int) -> np.ndarray[Any, Any]:
        """Return a test image as the backbone saw it, in its own proportions, (S, S, 3) uint8."""
        p, path = self.protocol, self.category.test[row].path
        return self.frames[row].shown(load_image(path, p.resize, p.image_size, p.fit), WHITE)

    def shown(self, pictures: np.ndarray[Any, Any], rows: Sequence[int]) -> np.ndarray[Any, Any]:
        """Return masks or maps (n, S, S) of test images in their own proportions.

        Around them masks are False and maps NaN.
        """
        around = False if pictures.dtype == np.bool_ else np.nan
        pairs = zip(rows, pictures, strict=True)
        return np.stack([self.frames[row].shown(picture, around) for row, picture in pairs])

    @cached_property
    def pictures(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """Small previews of all test images and their defects, as they are stored."""
        rows = range(len(self.category.test))
        return picture_sheets(map(self.image, rows), self.shown(self.masks, rows))


def _on_device(arrays: Mapping[Split, Arrays], device: str, memory: int) -> dict[Split, Features]:
    """Return features whose arrays already lie on a GPU where they fit, else stream to it."""
    needed = sum(array.size * 4 for levels in arrays.values() for array in levels.values())
    streamed = {split: Features(a, device=device, memory=memory) for split, a in arrays.items()}
    if device == "cpu" or needed > RESIDENT_SHARE * memory:
        return streamed
    try:
        return _resident(arrays, device, memory - needed)
    except torch.OutOfMemoryError:  # another process has taken what was free
        torch.cuda.empty_cache()
        return streamed


def _resident(arrays: Mapping[Split, Arrays], device: str, memory: int) -> dict[Split, Features]:
    """Return features whose arrays lie on a GPU, beside `memory` bytes that a method may fill."""
    return {
        split: Features(
            {i: torch.from_numpy(np.array(a)).to(device).float() for i, a in levels.items()},
            device=device,
            memory=memory,
        )
        for split, levels in arrays.items()
    }
