"""PatchCore's locally aware patch features, without unfolding the neighbourhoods.

The definition unfolds the P×P neighbourhood of every position, flattens it (C·P² numbers), pools
it to a fixed length, stacks the levels and pools again. All of that is linear and the same at
every position, so it is one sparse matrix a level over (channel, offset in the neighbourhood).
Where a channel's P² offsets share a weight, as nearly all do, their sum is a box filter. A row of
the matrix has few entries: it is applied by picking channels, not by a product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from methods.components.uploads import moved
from methods.lazy import Tensor, torch

if TYPE_CHECKING:
    from scipy.sparse import csr_array

IMAGES = {"cpu": 2, "cuda": 64}
"""Images that are embedded together: on the CPU so few that what is between lies in the cache."""

ROUNDING = 1e-9
"""Weights below this are differences of equal weights: real ones are at least 1/(C·P²)."""


@dataclass(frozen=True)
class Mixing:
    """A sparse matrix (r, C) with at most K entries a row.

    Attributes:
        channels: (K, r) the columns of each row's entries; 0 where there are fewer than K.
        weights: (K, r) the entries; 0 there.
    """

    channels: Tensor
    weights: Tensor

    @classmethod
    def of(cls, matrix: csr_array) -> Mixing:
        """Take over a matrix's entries, on the CPU."""
        counts = np.diff(matrix.indptr)
        rows = np.repeat(np.arange(len(counts)), counts)
        places = np.arange(len(rows)) - np.repeat(matrix.indptr[:-1], counts)
        channels = np.zeros((counts.max(initial=0), len(counts)), np.int64)
        weights = np.zeros(channels.shape, np.float32)
        channels[places, rows], weights[places, rows] = matrix.indices, matrix.data
        return cls(torch.from_numpy(channels), torch.from_numpy(weights))

    def __call__(self, features: Tensor) -> Tensor:
        """Return mixed channels (n, h, w, r) of features (n, h, w, C)."""
        flat = features.flatten(0, 2)  # (n·h·w, C)
        mixed = flat.new_zeros(len(flat), self.weights.shape[1])
        for channels, weights in zip(self.channels, self.weights, strict=True):
            mixed.addcmul_(flat.index_select(1, channels), weights)
        return mixed.unflatten(0, features.shape[:3])


@dataclass(frozen=True)
class LevelProjection:
    """One level's share of the embedding: r of its dimensions from C channels.

    Attributes:
        patch_size: P.
        first: the first embedding dimension that the level contributes to.
        box: weights of the sums over the neighbourhood.
        offsets: (row, column) in the neighbourhood → the dimensions to which it adds weights beyond
            the box's, all where None, and these weights.
    """

    patch_size: int
    first: int
    box: Mixing
    offsets: Mapping[tuple[int, int], tuple[Tensor | None, Mixing]]


def level_projections(
    channels: Mapping[int, int],
    patch_size: int,
    level_dims: int,
    dims: int,
    device: torch.device | str = "cpu",
) -> dict[int, LevelProjection]:
    """Return each level's map, on a device.

    Args:
        channels: level → its number of channels, in stacking order.
        patch_size: P, odd.
        level_dims: length to which a level's neighbourhoods are pooled (1024 in the paper).
        dims: length to which the stacked levels are pooled (1024 in the paper).
        device: where the features lie.
    """
    stacked = _adaptive_average(dims, level_dims * len(channels))
    maps = {}
    for position, (level, count) in enumerate(channels.items()):
        columns = slice(position * level_dims, (position + 1) * level_dims)
        pooled = _adaptive_average(level_dims, count * patch_size**2)
        maps[level] = _factor(stacked[:, columns] @ pooled, patch_size)
    move = _Mover()
    for projection in maps.values():
        _moved(projection, move.note)
    move.send(torch.device(device))
    return {level: _moved(projection, move.take) for level, projection in maps.items()}


class _Mover:
    """Brings many small tensors to a device in one copy a type."""

    def __init__(self) -> None:
        self._noted: dict[torch.dtype, list[Tensor]] = {}

    def note(self, tensor: Tensor) -> Tensor:
        """Take note of a tensor to be moved."""
        self._noted.setdefault(tensor.dtype, []).append(tensor)
        return tensor

    def send(self, device: torch.device) -> None:
        """Move what was noted."""
        for dtype, tensors in self._noted.items():
            sizes = [tensor.numel() for tensor in tensors]
            sent = moved(torch.cat([tensor.flatten() for tensor in tensors]), device).split(sizes)
            shaped = [flat.view(tensor.shape) for flat, tensor in zip(sent, tensors, strict=True)]
            self._noted[dtype] = shaped[::-1]

    def take(self, tensor: Tensor) -> Tensor:
        """Return what became of a tensor, asked for in the order in which they were noted."""
        return self._noted[tensor.dtype].pop()


def _moved(projection: LevelProjection, move: Callable[[Tensor], Tensor]) -> LevelProjection:
    """Return a map whose tensors are what `move` makes of them."""

    def moved(mixing: Mixing) -> Mixing:
        return Mixing(move(mixing.channels), move(mixing.weights))

    offsets = {
        offset: (None if rows is None else move(rows), moved(mixing))
        for offset, (rows, mixing) in projection.offsets.items()
    }
    return replace(projection, box=moved(projection.box), offsets=offsets)


def embed(levels: Mapping[int, Tensor], maps: Mapping[int, LevelProjection], dims: int) -> Tensor:
    """Return the patch features (n, h, w, dims) on the first level's grid (section 3.1).

    Coarser levels are pooled on their own grid and then upsampled bilinearly.

    Args:
        levels: level → (n, C, h, w), finest first.
        maps: from `level_projections` for the same channels.
        dims: length of a patch feature.
    """
    finest = next(iter(levels.values()))
    count, _, height, width = finest.shape
    embedding = finest.new_empty(count, height, width, dims)
    step = IMAGES[finest.device.type]
    for start in range(0, count, step):
        images = slice(start, start + step)
        part = embedding[images].zero_()
        for level, features in levels.items():
            _add(part, maps[level], features[images])
    return embedding


def _add(embedding: Tensor, projection: LevelProjection, features: Tensor) -> None:
    """Add a level's share, from features (n, C, h, w), to an embedding on the finest grid."""
    share = _apply(projection, features)
    size = embedding.shape[1:3]
    if share.shape[1:3] != size:
        share = torch.nn.functional.interpolate(
            share.permute(0, 3, 1, 2), size=size, mode="bilinear", align_corners=False
        ).permute(0, 2, 3, 1)
    embedding[..., projection.first : projection.first + share.shape[3]] += share


def _adaptive_average(size: int, length: int) -> csr_array:
    """Return adaptive average pooling of `length` numbers to `size` as a matrix (size, length)."""
    from scipy.sparse import csr_array

    starts = np.arange(size) * length // size
    ends = -(-np.arange(1, size + 1) * length // size)
    widths = ends - starts
    pointers = np.concatenate([[0], np.cumsum(widths)])
    columns = np.arange(pointers[-1]) + np.repeat(starts - pointers[:-1], widths)
    return csr_array((np.repeat(1 / widths, widths), columns, pointers), shape=(size, length))


def _factor(matrix: csr_array, patch_size: int) -> LevelProjection:
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
            rows = np.flatnonzero(abs(rest).sum(axis=1) > ROUNDING)
            whole = len(rows) == rest.shape[0]
            offsets[divmod(offset, patch_size)] = (
                None if whole else torch.from_numpy(rows),
                Mixing.of(rest if whole else rest[rows]),
            )
    return LevelProjection(patch_size, int(used[0]), Mixing.of(common), offsets)


def _apply(projection: LevelProjection, features: Tensor) -> Tensor:
    """Apply one level's map: (n, C, h, w) → (n, h, w, r); outside the image are zeros."""
    size, (height, width) = projection.patch_size, features.shape[2:]
    features = features.contiguous(memory_format=torch.channels_last)
    sums = torch.nn.functional.avg_pool2d(
        features, size, stride=1, padding=size // 2, divisor_override=1
    )
    mapped = projection.box(sums.permute(0, 2, 3, 1))
    padded = torch.nn.functional.pad(features, [size // 2] * 4).permute(0, 2, 3, 1)
    for (row, column), (rows, mixing) in projection.offsets.items():
        added = mixing(padded[:, row : row + height, column : column + width])
        if rows is None:
            mapped += added
        else:
            mapped.index_add_(3, rows, added)
    return mapped
