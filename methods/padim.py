"""PaDiM (Defard et al., "PaDiM: a Patch Distribution Modeling Framework", ICPR 2020)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from methods.base import (
    MEMORY,
    Features,
    NotFittedError,
    Scores,
    State,
    later,
    require_inputs,
)
from methods.components.gaussians import Gaussians, Samples, empty
from methods.components.parallel import parallel_map
from methods.components.precision import full_precision
from methods.lazy import Tensor, torch

LEVELS = (1, 2, 3)
SCORED_IMAGES = 512
BLOCK_SHARE = 1 / 8
"""Share of the memory for the Gaussians of one block; on the CPU, every core is at work on one."""
KEPT_SHARE, KEPT_BYTES = 1 / 2, 1 << 30
"""Memory for all positions' Gaussians. Beyond it they are made block by block when scoring, which
takes no longer: filling gigabytes of memory for the first time costs as much as factoring."""


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
            lines, _ = _beneath(features, level, rows)
            part = features.read(level, images, of_level, lines).flatten(2).permute(2, 0, 1)
            samples.append(empty(*part.shape, device=part.device).copy_(part))
        return samples

    def _gaussians(self, training: Features, rows: slice) -> Gaussians:
        samples = self._read(training, self._training_dims, slice(0, len(training)), rows)
        return Gaussians.fit(samples, self._cells(training, rows), self.parameters.epsilon)

    def _cells(self, training: Features, rows: slice) -> Sequence[Tensor]:
        """Return by samples' levels the cell of their grid beneath each position, (P,)."""
        return [_beneath(training, level, rows)[1] for level in LEVELS]


class OrthogonalPadim(Padim):
    """PaDiM behind a random semi-orthogonal projection of all features instead of drawn dimensions.

    (Kim et al., "Semi-Orthogonal Embedding for Efficient Unsupervised Anomaly Segmentation", 2021.)
    A projection mixes the levels, so that samples are of level 1's grid alone.
    """

    _matrices: Sequence[Tensor] = ()
    """By level the projection's rows, (C, k) float64."""

    def state(self) -> State:
        """Return each level's rows of the projection, (C, k), and training features."""
        matrices = zip(LEVELS, self._matrices, strict=False)
        return {**super().state(), **{f"projection_{level}": m for level, m in matrices}}

    def from_state(
        self, state: State, device: torch.device | str = "cpu", memory: int = MEMORY
    ) -> Self:
        """Become the fitted method that had this state."""
        rows = (state[f"projection_{level}"] for level in LEVELS)
        self._matrices = [torch.as_tensor(matrix).to(device) for matrix in rows]
        return super().from_state(state, device, memory)

    def _choose(self, features: Features, generator: torch.Generator) -> list[list[int]]:
        """Draw the projection, uniformly among all; every dimension is read."""
        channels = [features.shape(level)[0] for level in LEVELS]
        total = sum(channels)
        shape = total, self._wanted(total)
        matrix, triangle = torch.linalg.qr(torch.randn(shape, generator=generator).double())
        matrix = matrix * triangle.diagonal().sign()
        self._matrices = matrix.to(features.device).split(channels)
        return [list(range(count)) for count in channels]

    def _bytes(self, training: Features) -> int:
        _, height, width = training.shape(LEVELS[0])
        dims = self._matrices[0].shape[1]
        order = min(len(training), dims)
        return 8 * height * width * (len(training) * dims + order**2)

    def _read(
        self, features: Features, dims: list[list[int]], images: slice, rows: slice
    ) -> Samples:
        levels = super()._read(features, dims, images, rows)
        cells = super()._cells(features, rows)
        triples = zip(levels, self._matrices, cells, strict=True)
        first, *others = ((samples @ matrix)[below] for samples, matrix, below in triples)
        for projected in others:
            first += projected
        return [first]

    def _cells(self, training: Features, rows: slice) -> Sequence[Tensor]:
        _, _, width = training.shape(LEVELS[0])
        return [torch.arange((rows.stop - rows.start) * width, device=training.device)]


def _beneath(features: Features, level: int, rows: slice) -> tuple[slice, Tensor]:
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
