"""PatchCore's locally aware patch features, without unfolding the neighbourhoods.

The definition unfolds the P×P neighbourhood of every position, flattens it (C·P² numbers), pools
it to a fixed length, stacks the levels and pools again. All of that is linear and the same at
every position, so it is one sparse matrix a level over (channel, offset in the neighbourhood).
Where a channel's P² offsets share a weight, as nearly all do, their sum is a box filter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from methods.lazy import torch

if TYPE_CHECKING:
    from scipy.sparse import csr_array
    from torch import Tensor

ROUNDING = 1e-9
"""Weights below this are differences of equal weights: real ones are at least 1/(C·P²)."""


@dataclass(frozen=True)
class LevelMap:
    """One level's share of the embedding: r of its dimensions from C channels.

    Attributes:
        patch_size: P.
        first: the first embedding dimension that the level contributes to.
        box: (r, C) weights of the sums over the neighbourhood.
        offsets: (row, column) in the neighbourhood → (r, C) weights beyond the box's.
    """

    patch_size: int
    first: int
    box: Tensor
    offsets: Mapping[tuple[int, int], Tensor]


def level_maps(
    channels: Mapping[int, int], patch_size: int, level_dims: int, dims: int
) -> dict[int, LevelMap]:
    """Return each level's map.

    Args:
        channels: level → its number of channels, in stacking order.
        patch_size: P, odd.
        level_dims: length to which a level's neighbourhoods are pooled (1024 in the paper).
        dims: length to which the stacked levels are pooled (1024 in the paper).
    """
    stacked = _adaptive_average(dims, level_dims * len(channels))
    maps = {}
    for position, (level, count) in enumerate(channels.items()):
        columns = slice(position * level_dims, (position + 1) * level_dims)
        pooled = _adaptive_average(level_dims, count * patch_size**2)
        maps[level] = _factor(stacked[:, columns] @ pooled, patch_size)
    return maps


def embed(levels: Mapping[int, Tensor], maps: Mapping[int, LevelMap], dims: int) -> Tensor:
    """Return the patch features (n, h, w, dims) on the first level's grid (section 3.1).

    Coarser levels are pooled on their own grid and then upsampled bilinearly.

    Args:
        levels: level → (n, C, h, w), finest first.
        maps: from `level_maps` for the same channels.
        dims: length of a patch feature.
    """
    finest = next(iter(levels.values()))
    count, _, height, width = finest.shape
    embedding = finest.new_zeros(count, height, width, dims)
    for level, features in levels.items():
        part = _apply(maps[level], features)
        if part.shape[-2:] != (height, width):
            part = torch.nn.functional.interpolate(
                part, size=(height, width), mode="bilinear", align_corners=False
            )
        first = maps[level].first
        embedding[..., first : first + part.shape[1]] += part.permute(0, 2, 3, 1)
    return embedding


def _adaptive_average(size: int, length: int) -> csr_array:
    """Return adaptive average pooling of `length` numbers to `size` as a matrix (size, length)."""
    from scipy.sparse import csr_array

    starts = np.arange(size) * length // size
    ends = -(-np.arange(1, size + 1) * length // size)
    widths = ends - starts
    pointers = np.concatenate([[0], np.cumsum(widths)])
    columns = np.arange(pointers[-1]) + np.repeat(starts - pointers[:-1], widths)
    return csr_array((np.repeat(1 / widths, widths), columns, pointers), shape=(size, length))


def _factor(matrix: csr_array, patch_size: int) -> LevelMap:
    """Split a matrix (dims, C·P²) into a box filter's weights and what single offsets add."""
    used = np.flatnonzero(np.diff(matrix.indptr))
    matrix = matrix[used[0] : used[-1] + 1]
    area = patch_size**2
    parts = [matrix[:, offset::area] for offset in range(area)]
    common = reduce(lambda left, right: left.minimum(right), parts)
    offsets = {}
    for offset, part in enumerate(parts):
        rest = part - common
        if np.abs(rest.data).max(initial=0) > ROUNDING:
            offsets[divmod(offset, patch_size)] = _dense(rest)
    return LevelMap(patch_size, int(used[0]), _dense(common), offsets)


def _dense(matrix: csr_array) -> Tensor:
    return torch.from_numpy(matrix.toarray()).float()


def _apply(level_map: LevelMap, features: Tensor) -> Tensor:
    """Apply one level's map: (n, C, h, w) → (n, r, h, w); outside the image are zeros."""
    size, (count, _, height, width) = level_map.patch_size, features.shape
    sums = torch.nn.functional.avg_pool2d(
        features, size, stride=1, padding=size // 2, divisor_override=1
    )
    mapped = level_map.box.to(features.device) @ sums.flatten(2)  # (n, r, h·w)
    padded = torch.nn.functional.pad(features, [size // 2] * 4)
    for (row, column), weights in level_map.offsets.items():
        shifted = padded[:, :, row : row + height, column : column + width]
        mapped += weights.to(features.device) @ shifted.flatten(2)
    return mapped.reshape(count, -1, height, width)
