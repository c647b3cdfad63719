"""Gaussians of many positions, each of the samples beneath it: factored, never inverted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from methods.base import require_finite
from methods.components import split_products
from methods.lazy import Tensor, torch

CONDITION = 1e11
"""Largest samples' spread over epsilon at which a difference of float64 keeps five digits."""
SPLIT_CONDITION = 1e7
"""The same up to which split products, of vectors rounded by 2⁻²⁰, keep four digits of a distance:
rounding moves it by 2⁻²⁰ of the vector's length, which is √SPLIT_CONDITION / √d of it or so.
Beyond, a device's products stay in float64."""
CHUNK_BYTES = {"cpu": 1 << 22, "cuda": 1 << 30}
"""Memory for the matrices factored in one call: a core's share of the cache, or a GPU's fill."""

TOO_SMALL = "epsilon={:g} is lost beside features of this size: pass a larger one"

Samples = Sequence["Tensor"]
"""Features by level, (cells, n, dims) in float64; a coarse grid's lie beneath many positions."""


@dataclass(frozen=True)
class Gaussians:
    """The Gaussians of P positions, their covariances C + epsilon·I factored, never inverted.

    With a position's centred samples X (N, d) and e = epsilon·(N - 1), C + epsilon·I is
    (XᵀX + e·I)/(N - 1). With N ≥ d, XᵀX + e·I = LLᵀ is factored, and a difference x from the mean
    has the squared distance (N - 1)·|L⁻¹x|². With fewer samples, XXᵀ + e·I = LLᵀ is smaller, and
    the squared distance is (|x|² - |L⁻¹Xx|²)/epsilon by Woodbury's identity. There, XXᵀ and Xx are
    sums over the levels, and a coarse level's term is the same at all positions above a cell.
    The difference cancels by up to the covariance's condition, hence float64 throughout; on a
    device its products are made of float32's (`methods.components.split_products`).

    Attributes:
        grid_cells: by level, the cell of its grid that lies beneath each position, (P,).
        means: by level, (cells, 1, dims).
        centred: X by level, (cells, N, dims).
        epsilon: what is added to the covariances' diagonals.
        kept: L, (P, k, k), k = min(N, d); None to make it when it is needed.
        split: products are made of float32's.
    """

    grid_cells: Sequence[Tensor]
    means: Samples
    centred: Samples
    epsilon: float
    kept: Tensor | None = None
    split: bool = False

    @classmethod
    def fit(cls, samples: Samples, grid_cells: Sequence[Tensor], epsilon: float) -> Gaussians:
        """Return the Gaussians of `samples`, which are overwritten; a single image's have C = 0.

        Raises:
            ValueError: the samples hold NaN or infinite values, or epsilon is too small for them.
        """
        means = [require_finite(level.mean(dim=1, keepdim=True), "features") for level in samples]
        gaussians = cls(grid_cells, means, _subtract(samples, means), epsilon)
        count, dims = gaussians._size
        on_device = samples[0].device.type != "cpu"
        if count >= dims and not on_device:
            return gaussians
        spreads = [level.square().sum(dim=(1, 2)).amax() for level in gaussians.centred]
        condition = float(torch.stack(spreads).sum()) / (epsilon * max(count - 1, 1))
        if count < dims and condition > CONDITION:
            raise ValueError(TOO_SMALL.format(epsilon))
        return replace(gaussians, split=on_device and condition <= SPLIT_CONDITION)

    def factored(self) -> Gaussians:
        """Return the same Gaussians with L kept."""
        order = min(self._size)
        kept = empty(len(self.grid_cells[0]), order, order, device=self.grid_cells[0].device).mT
        for chunk, factors in self._factors():
            kept[chunk] = factors
        return replace(self, kept=kept)

    def distances(self, samples: Samples) -> Tensor:
        """Return the Mahalanobis distances of `samples`, (P, n); the samples are overwritten.

        Raises:
            ValueError: the samples hold NaN or infinite values.
        """
        count, dims = self._size
        differences = _subtract(samples, self.means)
        sides = self._products(differences) if count < dims else self._joined(differences)
        squared = differences[0].new_empty(len(self.grid_cells[0]), differences[0].shape[1])
        for (chunk, factors), side in zip(self._factors(), sides, strict=True):
            torch.linalg.solve_triangular(factors.mT, side, upper=True, left=False, out=side)
            squared[chunk] = side.square_().sum(dim=2)
        if count < dims:
            for level, grid_cells in zip(differences, self.grid_cells, strict=True):
                multiplied = split_products.rounded(level) if self.split else level
                squared -= multiplied.square_().sum(dim=2)[grid_cells]
            squared /= -self.epsilon
        else:
            squared *= max(count - 1, 1)
        return require_finite(squared.clamp_(min=0).sqrt_(), "features")

    @property
    def _size(self) -> tuple[int, int]:
        """N and d."""
        return self.centred[0].shape[1], sum(level.shape[2] for level in self.centred)

    def _multiply(self, left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
        """Return left·rightᵀ."""
        if self.split:
            return split_products.bmm(left, right, out)
        return torch.bmm(left, right.mT, out=out)

    def _chunks(self) -> Iterator[slice]:
        """Yield slices of positions whose matrices are made and factored together."""
        positions, count = len(self.grid_cells[0]), self._size[0]
        step = CHUNK_BYTES[self.grid_cells[0].device.type] // (8 * count * min(self._size))
        for start in range(0, positions, max(1, step)):
            yield slice(start, min(start + max(1, step), positions))

    def _factors(self) -> Iterator[tuple[slice, Tensor]]:
        """Yield L by chunks of positions, (p, k, k)."""
        if self.kept is not None:
            yield from ((chunk, self.kept[chunk]) for chunk in self._chunks())
            return
        count, dims = self._size
        if count < dims:
            matrices = self._products(self.centred)
        else:
            joined = (samples.mT for samples in self._joined(self.centred))
            matrices = (self._multiply(samples, samples) for samples in joined)
        for chunk, matrix in zip(self._chunks(), matrices, strict=True):
            matrix.diagonal(dim1=1, dim2=2).add_(self.epsilon * max(count - 1, 1))
            factors, failed = torch.linalg.cholesky_ex(matrix)
            if bool(failed.any()):
                raise ValueError(TOO_SMALL.format(self.epsilon))
            yield chunk, factors

    def _products(self, left: Samples) -> Iterator[Tensor]:
        """Yield left·Xᵀ, summed over the levels, by chunks, (p, n, N); each overwrites the last."""
        shape, device = (left[0].shape[1], self._size[0]), left[0].device
        shared = [
            self._multiply(ours, x, out=empty(len(x), *shape, device=device))
            for ours, x in zip(left[1:], self.centred[1:], strict=True)
        ]
        chunks = list(self._chunks())
        buffers = empty(2, chunks[0].stop, *shape, device=device)
        for chunk in chunks:
            total, term = buffers[:, : chunk.stop - chunk.start]
            self._multiply(left[0][chunk], self.centred[0][chunk], out=total)
            for product, grid_cells in zip(shared, self.grid_cells[1:], strict=True):
                total += torch.index_select(product, 0, grid_cells[chunk], out=term)
            yield total

    def _joined(self, samples: Samples) -> Iterator[Tensor]:
        """Yield the levels side by side, by chunks of positions, (p, n, d)."""
        for chunk in self._chunks():
            pairs = zip(samples, self.grid_cells, strict=True)
            yield torch.cat([level[grid_cells[chunk]] for level, grid_cells in pairs], dim=2)


def _subtract(samples: Samples, means: Samples) -> Samples:
    """Return samples - means, in the samples' memory."""
    return [level.sub_(mean) for level, mean in zip(samples, means, strict=True)]


def empty(*shape: int, device: torch.device) -> Tensor:
    """Return an uninitialised float64 tensor; numpy's memory has huge pages, fast to fill."""
    if device.type == "cpu":
        return torch.from_numpy(np.empty(shape))
    return torch.empty(shape, dtype=torch.float64, device=device)
