"""PaDiM (Defard et al., "PaDiM: a Patch Distribution Modeling Framework", ICPR 2020)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from methods.base import (
    MEMORY,
    Features,
    NotFittedError,
    Scores,
    State,
    later,
    require_finite,
    require_inputs,
)
from methods.components import split_products
from methods.components.parallel import parallel_map
from methods.components.precision import full_precision
from methods.lazy import Tensor, torch

LEVELS = (1, 2, 3)
SCORED_IMAGES = 512
BLOCK_SHARE = 1 / 8
"""Share of the memory for the Gaussians of one block; on the CPU, every core is at work on one."""
CONDITION = 1e11
"""Largest samples' spread over epsilon at which a difference of float64 keeps five digits."""
SPLIT_CONDITION = 1e7
"""The same up to which split products, of vectors rounded by 2⁻²⁰, keep four digits of a distance:
rounding moves it by 2⁻²⁰ of the vector's length, which is √SPLIT_CONDITION / √d of it or so.
Beyond, a device's products stay in float64."""
KEPT_SHARE, KEPT_BYTES = 1 / 2, 1 << 30
"""Memory for all positions' Gaussians. Beyond it they are made block by block when scoring, which
takes no longer: filling gigabytes of memory for the first time costs as much as factoring."""
CHUNK_BYTES = {"cpu": 1 << 22, "cuda": 1 << 30}
"""Memory for the matrices factored in one call: a core's share of the cache, or a GPU's fill."""

TOO_SMALL = "epsilon={:g} is lost beside features of this size: pass a larger one"

Samples = Sequence["Tensor"]
"""Features by level, (cells, n, dims) in float64; a coarse grid's lie beneath many positions."""


def dims_of_backbone(total: int) -> int:
    """Return the paper's number of dimensions: 100 of at most ResNet18's 448, else 550."""
    return 100 if total <= 448 else 550


@dataclass(frozen=True)
class Parameters:
    """PaDiM's parameters; the defaults are the paper's.

    Attributes:
        dims: number of randomly chosen dimensions; 0 for the paper's choice by backbone: 100 where
            the pyramid has at most ResNet18's 448, else 550; -1 for all of them.
        epsilon: what is added to the covariances' diagonals (section 3.2).
        projection: "drawn" dimensions, as in the paper, or as many by a random "orthogonal" one.
    """

    dims: int = 0
    epsilon: float = 0.01
    projection: str = later("drawn")

    def __post_init__(self) -> None:
        if self.dims < -1:
            raise ValueError(f"dims must be positive, 0 (by backbone) or -1 (all), not {self.dims}")
        if self.epsilon <= 0:
            raise ValueError(f"epsilon must be positive, not {self.epsilon}")
        if self.projection not in ("drawn", "orthogonal"):
            raise ValueError(f"projection must be drawn or orthogonal, not {self.projection!r}")

    @property
    def levels(self) -> tuple[int, ...]:
        """Levels 1-3."""
        return LEVELS

    def create(self) -> Padim:
        """Return an unfitted PaDiM with these parameters."""
        if self.projection == "orthogonal":
            from methods.components.orthogonal_padim import OrthogonalPadim

            return OrthogonalPadim(self)
        return Padim(self)


VARIANTS = {
    "padim": Parameters(),
    "padim-full": Parameters(dims=-1),
}


class Padim:
    """One Gaussian of nominal features a position; scores are Mahalanobis distances to it."""

    def __init__(self, parameters: Parameters | None = None) -> None:
        self.parameters = parameters or Parameters()
        self._dims: list[list[int]] = []
        self._training: Features | None = None
        self._training_dims: list[list[int]] = []
        self._kept: list[Gaussians] = []

    @full_precision()
    def fit(self, features: Features, generator: torch.Generator) -> Self:
        """Estimate mean and covariance of every position (section 3.2), by blocks of positions."""
        require_inputs(features, generator)
        self._dims = self._choose(features, generator)
        return self._know(features, self._dims)

    def state(self) -> State:
        """Return each level's drawn dimensions, and training features in these, (N, d, H, W)."""
        if self._training is None:
            raise NotFittedError("Padim.state was called before fit")
        drawn = {f"dims_{i}": dims for i, dims in zip(LEVELS, self._dims, strict=True)}
        known = zip(LEVELS, self._training_dims, strict=True)
        return {**drawn, **{f"level_{i}": self._training.stored(i)[:, dims] for i, dims in known}}

    @full_precision()
    def from_state(
        self, state: State, device: torch.device | str = "cpu", memory: int = MEMORY
    ) -> Self:
        """Become the fitted method that had this state."""
        levels = {level: state[f"level_{level}"] for level in LEVELS}
        self._dims = [list(state[f"dims_{level}"]) for level in LEVELS]
        features = Features(levels, device=device, memory=memory)
        return self._know(features, [list(range(len(dims))) for dims in self._dims])

    def _know(self, features: Features, dims: list[list[int]]) -> Self:
        """Make the Gaussians of training features' dimensions, if there is room for them."""
        self._training, self._training_dims = features, dims
        most = min(KEPT_BYTES, KEPT_SHARE * features.memory)
        blocks = self._blocks(features) if self._bytes(features) <= most else []
        self._kept = parallel_map(
            lambda rows: self._gaussians(features, rows).factored(), blocks, features.device
        )
        return self

    @full_precision()
    def score(self, features: Features) -> Scores:
        """Return maps of Mahalanobis distances (section 3.3); image scores are the maps' maxima."""
        if self._training is None:
            raise NotFittedError("Padim.score was called before fit")
        training, kept = self._training, self._kept
        _, height, width = features.shape(LEVELS[0])
        maps = torch.empty(len(features), height, width, device=features.device)

        def score(numbered: tuple[int, slice]) -> None:
            number, rows = numbered
            gaussians = kept[number] if kept else self._gaussians(training, rows)
            for images in features.batches(SCORED_IMAGES):
                distances = gaussians.distances(self._read(features, self._dims, images, rows))
                maps[images, rows] = distances.T.reshape(-1, rows.stop - rows.start, width).float()

        parallel_map(score, list(enumerate(self._blocks(training))), features.device)
        return Scores(maps)

    def _choose(self, features: Features, generator: torch.Generator) -> list[list[int]]:
        """Draw each level's dimensions; the draw depends on their numbers and the seed alone."""
        channels = [features.shape(level)[0] for level in LEVELS]
        total = sum(channels)
        drawn = torch.zeros(total, dtype=torch.bool)
        drawn[torch.randperm(total, generator=generator)[: self._wanted(total)]] = True
        return [level.nonzero().flatten().tolist() for level in drawn.split(channels)]

    def _wanted(self, total: int) -> int:
        """Return the number of dimensions, where the pyramid has so many."""
        wanted = self.parameters.dims or dims_of_backbone(total)
        return total if wanted == -1 else min(wanted, total)

    def _bytes(self, training: Features) -> int:
        """Return the memory for all positions' Gaussians: their samples and factors."""
        grid_cells = [math.prod(training.shape(level)[1:]) for level in LEVELS]
        samples = sum(len(dims) * n for dims, n in zip(self._dims, grid_cells, strict=True))
        order = min(len(training), sum(map(len, self._dims)))
        return 8 * (len(training) * samples + grid_cells[0] * order**2)

    def _blocks(self, training: Features) -> list[slice]:
        """Return slices of level 1's rows whose Gaussians fit the budget.

        On the CPU, one is what lies above a row of the coarsest level: no cell is shared by two.
        """
        heights = [training.shape(level)[1] for level in LEVELS]
        step = max(1, int(BLOCK_SHARE * training.memory * heights[0] / self._bytes(training)))
        if training.device.type == "cpu":
            step = min(step, max(1, heights[0] // min(heights)))
        return [slice(i, min(i + step, heights[0])) for i in range(0, heights[0], step)]

    def _read(
        self, features: Features, dims: list[list[int]], images: slice, rows: slice
    ) -> Samples:
        samples = []
        for level, of_level in zip(LEVELS, dims, strict=True):
            lines, _ = beneath(features, level, rows)
            part = features.read(level, images, of_level, lines).flatten(2).permute(2, 0, 1)
            samples.append(_empty(*part.shape, device=part.device).copy_(part))
        return samples

    def _gaussians(self, training: Features, rows: slice) -> Gaussians:
        samples = self._read(training, self._training_dims, slice(0, len(training)), rows)
        return Gaussians.fit(samples, self._cells(training, rows), self.parameters.epsilon)

    def _cells(self, training: Features, rows: slice) -> Sequence[Tensor]:
        """Return by samples' levels the cell of their grid beneath each position, (P,)."""
        return [beneath(training, level, rows)[1] for level in LEVELS]


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
        kept = _empty(len(self.grid_cells[0]), order, order, device=self.grid_cells[0].device).mT
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
            self._multiply(ours, x, out=_empty(len(x), *shape, device=device))
            for ours, x in zip(left[1:], self.centred[1:], strict=True)
        ]
        chunks = list(self._chunks())
        buffers = _empty(2, chunks[0].stop, *shape, device=device)
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


def beneath(features: Features, level: int, rows: slice) -> tuple[slice, Tensor]:
    """Return a level's rows beneath these of level 1, and the cell among them by position, (P,).

    Coarser levels are repeated to level 1's grid, i.e. nearest-neighbour upsampling.
    """
    _, height, width = features.shape(LEVELS[0])
    _, level_height, level_width = features.shape(level)
    first, last = (row * level_height // height for row in (rows.start, rows.stop - 1))
    below = torch.arange(rows.start, rows.stop, device=features.device) * level_height // height
    beside = torch.arange(width, device=features.device) * level_width // width
    grid_cells = (below - first)[:, None] * level_width + beside
    return slice(first, last + 1), grid_cells.flatten()


def _subtract(samples: Samples, means: Samples) -> Samples:
    """Return samples - means, in the samples' memory."""
    return [level.sub_(mean) for level, mean in zip(samples, means, strict=True)]


def _empty(*shape: int, device: torch.device) -> Tensor:
    """Return an uninitialised float64 tensor; numpy's memory has huge pages, fast to fill."""
    if device.type == "cpu":
        return torch.from_numpy(np.empty(shape))
    return torch.empty(shape, dtype=torch.float64, device=device)
