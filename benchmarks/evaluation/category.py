"""What all cells of one category share: features on the device, ground truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.datasets import Category, Sample, load_mask
from benchmarks.features import Crops, Split
from benchmarks.features.extraction import Arrays
from benchmarks.results.previews import picture_sheets
from benchmarks.specs import EvaluationProtocol
from methods.base import Features
from methods.lazy import torch

RESIDENT_SHARE = 0.5
"""Share of the memory that features may take on a GPU, of two categories: of the one in work, and
of the next, which is extracted meanwhile. Beyond it they stream."""


def resident_bytes(memory: int, members: int) -> int:
    """Return how much one member's features of one category may take on a GPU."""
    return int(RESIDENT_SHARE * memory) // (2 * members)


class GroundTruth:
    """A category's test images: labels, masks, and pictures of them.

    Args:
        category: its images.
        protocol: how images and masks are read.
        crops: brings the decoded images.
    """

    def __init__(self, category: Category, protocol: EvaluationProtocol, crops: Crops) -> None:
        self.category, self.protocol, self._crops = category, protocol, crops
        self.labels = np.array([sample.label for sample in category.test])
        self.masks = np.stack([self._mask(sample) for sample in category.test])

    def _mask(self, sample: Sample) -> np.ndarray[Any, Any]:
        p = self.protocol
        return load_mask(sample.masks, p.resize, p.image_size, p.mask_resize)

    @cached_property
    def images(self) -> np.ndarray[Any, Any]:
        """The test images as the backbone saw them, (N, S, S, 3) uint8."""
        return self._crops.images(self.category, "test").transpose(0, 2, 3, 1)

    @cached_property
    def pictures(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """Small previews of all test images and their defects, as they are stored."""
        return picture_sheets(map(np.ascontiguousarray, self.images), self.masks)


class CategoryData:
    """What all cells of one category share: features on the device, and ground truth.

    Args:
        truth: the test images.
        members: the features' arrays, one set for each member of an ensemble.
        device: where features go.
        memory: bytes on it that features and methods may fill with what they could do without.
    """

    def __init__(
        self,
        truth: GroundTruth,
        members: Sequence[Mapping[Split, Arrays]],
        device: str,
        memory: int,
    ) -> None:
        self.truth, self.device = truth, device
        share = resident_bytes(memory, len(members))
        left = memory // len(members) if device == "cpu" else memory - int(RESIDENT_SHARE * memory)
        self.members = [_on_device(arrays, device, share, left) for arrays in members]


def _on_device(
    arrays: Mapping[Split, Arrays], device: str, share: int, memory: int
) -> dict[Split, Features]:
    """Return features whose arrays already lie on a GPU where they fit, else stream to it."""
    needed = sum(array.nbytes for levels in arrays.values() for array in levels.values())
    if device != "cpu" and needed <= share:
        try:
            arrays = {split: _uploaded(levels, device) for split, levels in arrays.items()}
        except torch.OutOfMemoryError:  # another process has taken what was free
            torch.cuda.empty_cache()
    return {
        split: Features(levels, device=device, memory=memory, share=True)
        for split, levels in arrays.items()
    }


def _uploaded(levels: Arrays, device: str) -> Arrays:
    """Return a split's features on a GPU; what is born there stays as it is."""
    return {
        level: array
        if isinstance(array, torch.Tensor)
        else torch.from_numpy(np.array(array)).to(device)
        for level, array in levels.items()
    }
