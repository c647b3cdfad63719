"""What all cells of one category share: features on the device, ground truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.datasets import Category, Sample, load_image, load_mask
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
        self.masks = np.stack([self._mask(sample) for sample in category.test])

    def _mask(self, sample: Sample) -> np.ndarray[Any, Any]:
        p = self.protocol
        return load_mask(sample.masks, p.resize, p.image_size, p.mask_resize)

    def image(self, sample: Sample) -> np.ndarray[Any, Any]:
        """Return an image as the backbone saw it, (S, S, 3) uint8."""
        return load_image(sample.path, self.protocol.resize, self.protocol.image_size)

    @cached_property
    def pictures(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """Small previews of all test images and their defects, as they are stored."""
        return picture_sheets(map(self.image, self.category.test), self.masks)


def _on_device(arrays: Mapping[Split, Arrays], device: str, memory: int) -> dict[Split, Features]:
    """Return features whose arrays already lie on a GPU where they fit, else stream to it."""
    needed = sum(array.size * 4 for levels in arrays.values() for array in levels.values())
    if device == "cpu" or needed > RESIDENT_SHARE * memory:
        return {split: Features(a, device=device, memory=memory) for split, a in arrays.items()}
    return {
        split: Features(
            {i: torch.from_numpy(np.array(a)).to(device).float() for i, a in levels.items()},
            device=device,
            memory=memory - needed,
        )
        for split, levels in arrays.items()
    }
