"""What all cells of one category share: features on the device, ground truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.array_types import Masks
from benchmarks.datasets import Category, Sample
from benchmarks.datasets.seen import defects_lost
from benchmarks.datasets.shifting import is_geometric
from benchmarks.evaluation.drawing import Draw, draw_images
from benchmarks.evaluation.frames import WHITE, frames_of, moved, padding_of, read_masks
from benchmarks.features import Crops, Split
from benchmarks.features.uploading import Arrays, on_device
from benchmarks.results.previews import picture_sheets
from benchmarks.specs import CellSpec, EvaluationProtocol
from methods.base import Features
from methods.lazy import torch

RESIDENT_SHARE = 0.5
"""Share of a GPU's memory for the features of two categories: the one that is evaluated, and the
next one, which is extracted meanwhile. Larger features are streamed from the host."""


def resident_bytes(memory: int, members: int) -> int:
    """Return how much one member's features of one category may take on a GPU."""
    return int(RESIDENT_SHARE * memory) // (2 * members)


class GroundTruth:
    """A category's test images: labels, masks, and pictures of them.

    `whole` is the category with all of its images, `category` with those that `select` has left.

    Args:
        category: its images.
        protocol: how images and masks are read.
        crops: reads the decoded images.
    """

    def __init__(
        self, category: Category, protocol: EvaluationProtocol, crops: Crops, shift: str = ""
    ) -> None:
        self._uncovered: Masks | None = None
        self._shift, self._shifted = shift, dict[str, GroundTruth]()
        if is_geometric(shift):
            category, self._uncovered = moved(category, protocol, shift)
        self.category, self.protocol, self._crops = category, protocol, crops
        self.whole, self._rows = category, list(range(len(category.test)))
        self.labels = np.array([sample.label for sample in category.test])
        self.masks, self.regions = read_masks(category.test, protocol)
        self.lost = defects_lost(category, protocol)
        self.frames = frames_of(category.test, protocol)

    def draw(self, spec: CellSpec) -> Draw:
        """Return which of all images a cell is fitted to, and so on; raises as `draw_images`."""
        labels = [sample.label for sample in self.whole.test]
        return draw_images(spec, len(self.whole.train), labels)

    def shifted(self, shift: str) -> GroundTruth:
        """Return the ground truth of all test images as a shift leaves them, "" for none."""
        if shift == self._shift:
            return self
        if shift not in self._shifted:
            self._shifted[shift] = GroundTruth(self.whole, self.protocol, self._crops, shift)
        return self._shifted[shift]

    def select(self, rows: Sequence[int]) -> GroundTruth:
        """Return the ground truth of some of all test images."""
        if rows == self._rows:
            return self
        part, test = copy(self), self.whole.test
        part.__dict__.pop("pictures", None)
        part.category = replace(self.whole, test=tuple(test[row] for row in rows))
        part.labels, part.masks, part._rows = self.labels[rows], self.masks[rows], list(rows)
        part.regions = None if self.regions is None else self.regions[rows]
        part._uncovered = None if self._uncovered is None else self._uncovered[rows]
        part.frames = [self.frames[row] for row in rows]
        part.lost = defects_lost(part.category, self.protocol)
        return part

    def padding(self, samples: Sequence[Sample]) -> Masks | None:
        """Return pixels that no image has, (n, S, S), of any images; None where there are none."""
        padded = self.protocol.fit == "pad"
        return padding_of(frames_of(samples, self.protocol)) if padded else None

    @property
    def ignored(self) -> Masks | None:
        """Pixels that no image has, (N, S, S); None where there are none."""
        if self.protocol.fit != "pad":
            return self._uncovered
        padded = padding_of(self.frames)
        return padded if self._uncovered is None else padded | self._uncovered

    @property
    def outside(self) -> Masks | None:
        """Pixels over which no maximum of a map is taken, likewise."""
        return self.ignored if self.protocol.score_area == "image" else self._uncovered

    @cached_property
    def _images(self) -> np.ndarray[Any, Any]:
        """All test images as the backbone saw them, (N, 3, S, S) uint8."""
        return self._crops.images(self.whole, self._shift or "test")

    def image(self, row: int) -> np.ndarray[Any, Any]:
        """Return a test image as the backbone saw it, in its own proportions, (S, S, 3) uint8."""
        square = np.ascontiguousarray(self._images[self._rows[row]].transpose(1, 2, 0))
        return self.frames[row].shown(square, WHITE)

    def shown(self, pictures: np.ndarray[Any, Any], rows: Sequence[int]) -> np.ndarray[Any, Any]:
        """Return masks or maps (n, S, S) of test images in their own proportions.

        Around them masks are False and maps NaN.
        """
        if self.protocol.fit == "crop":
            return pictures
        around = False if pictures.dtype == np.bool_ else np.nan
        pairs = zip(rows, pictures, strict=True)
        return np.stack([self.frames[row].shown(picture, around) for row, picture in pairs])

    @cached_property
    def pictures(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """Small previews of all test images and their defects, as they are stored."""
        rows = range(len(self.category.test))
        return picture_sheets(map(self.image, rows), self.shown(self.masks, rows))


class CategoryData:
    """What all cells of one category share: features on the device, and ground truth.

    Args:
        truth: the test images.
        members: the features' arrays, one set for each member of an ensemble.
        device: where features go.
        memory: bytes on it for resident features, caches and blocks; changes no result.
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
        self.members: list[dict[Split, Features]] = []
        for member in members:
            arrays = on_device(member, torch.device(device), share)
            levels = {
                level: [arrays[split][level] for split in arrays] for level in arrays["train"]
            }
            features = Features(levels, device=device, memory=left, share=True)
            self.members.append(dict(zip(arrays, features.by_array(), strict=True)))
