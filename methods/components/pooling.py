"""Maps to vectors and numbers: means over space, directions, means of the largest scores."""

from __future__ import annotations

from methods.base import Features, require_comparable
from methods.lazy import Tensor, torch

IMAGES_TOGETHER = 16
"""Images that are read together: memory changes neither how many nor any sum."""


def read(features: Features, level: int, images: slice) -> Tensor:
    """Return a level of some images, (n, C, h, w); raises as `pooled`."""
    return require_comparable(features.read(level, images), "features")


def pooled(features: Features, level: int) -> Tensor:
    """Return a level's mean over space, (N, C) float32; of `GLOBAL` the descriptors.

    Raises:
        ValueError: features that can't be compared in float32, as NaN.
    """
    batches = features.batches(IMAGES_TOGETHER)
    vectors = [features.read(level, images).mean(dim=(2, 3)) for images in batches]
    return require_comparable(torch.cat(vectors), "features")


def unit(maps: Tensor) -> Tensor:
    """Return the directions of maps (N, C, h, w), (N, h, w, C): vectors of length 1, or 0."""
    return torch.nn.functional.normalize(maps, dim=1).permute(0, 2, 3, 1).contiguous()


def top_mean(scores: Tensor, share: float) -> Tensor:
    """Return the mean of each image's largest scores, (N,): of one at least.

    Args:
        scores: (N, h, w).
        share: of the positions, rounded down.
    """
    positions = scores.flatten(1)
    count = max(1, int(share * positions.shape[1]))
    return positions.topk(count, dim=1).values.mean(dim=1)
