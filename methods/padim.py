"""PaDiM (Defard et al., "PaDiM: a Patch Distribution Modeling Framework", ICPR 2020)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from methods.base import Features, NotFittedError, Scores, require_finite
from methods.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

LEVELS = (1, 2, 3)
BATCH_IMAGES = 32
SCORED_IMAGES = 256
BLOCK_BYTES = 1 << 29
"""Memory for the embeddings of one block of positions, and as much for its covariances."""
KEPT_BYTES = 4 << 30
"""Memory for all positions' factored covariances; beyond it they are made anew for scoring."""

Gaussians = tuple["Tensor", "Tensor"]
"""Means (P, d) and lower Cholesky factors of the covariances (P, d, d) of P positions."""


@dataclass(frozen=True)
class Parameters:
    """PaDiM's parameters; the defaults are the paper's.

    Attributes:
        dims: number of randomly chosen dimensions; 0 for the paper's choice by backbone: 100 where
            the pyramid has at most ResNet18's 448, else 550; -1 for all of them.
        epsilon: what is added to the covariances' diagonals (section 3.2).
    """

    dims: int = 0
    epsilon: float = 0.01

    def __post_init__(self) -> None:
        if self.dims < -1:
            raise ValueError(f"dims must be positive, 0 (by backbone) or -1 (all), not {self.dims}")
        if self.epsilon <= 0:
            raise ValueError(f"epsilon must be positive, not {self.epsilon}")

    @property
    def levels(self) -> tuple[int, ...]:
        """Levels 1-3."""
        return LEVELS

    def create(self) -> Padim:
        """Return an unfitted PaDiM with these parameters."""
        return Padim(self)


VARIANTS = {
    "padim": Parameters(),
    "padim-full": Parameters(dims=-1),
}


class Padim:
    """One Gaussian of nominal features a position; scores are Mahalanobis distances to it."""

    def __init__(self, parameters: Parameters | None = None) -> None:
        self.parameters = parameters or Parameters()
        self._dims: list[int] = []
        self._training: Features | None = None
        self._kept: list[Gaussians] = []

    def fit(self, features: Features, generator: torch.Generator) -> Self:
        """Estimate mean and covariance of every position (section 3.2), by blocks of positions."""
        self._dims = self._choose(features, generator)
        self._training = features
        _, height, width = features.shape(LEVELS[0])
        fits = 4 * height * width * len(self._dims) ** 2 <= KEPT_BYTES
        blocks = self._blocks(features) if fits else ()
        self._kept = [self._gaussians(features, rows) for rows in blocks]
        return self

    def score(self, features: Features) -> Scores:
        """Return maps of Mahalanobis distances (section 3.3); image scores are the maps' maxima."""
        if self._training is None:
            raise NotFittedError("Padim.score was called before fit")
        _, height, width = features.shape(LEVELS[0])
        maps = torch.empty(len(features), height, width, device=features.device)
        for number, rows in enumerate(self._blocks(self._training)):
            kept = self._kept[number] if self._kept else self._gaussians(self._training, rows)
            for images in features.batches(SCORED_IMAGES):
                samples = _embedding(features, images, self._dims, rows)  # (positions, n, dims)
                distances = mahalanobis(samples, *kept)
                maps[images, rows] = distances.T.reshape(-1, rows.stop - rows.start, width)
        return Scores(maps)

    def _gaussians(self, features: Features, rows: slice) -> Gaussians:
        samples = _embedding(features, slice(0, len(features)), self._dims, rows)
        return gaussians(samples, self.parameters.epsilon)

    def _choose(self, features: Features, generator: torch.Generator) -> list[int]:
        """Draw the dimensions, ascending; the draw depends on their numbers and the seed alone."""
        total = sum(features.shape(level)[0] for level in LEVELS)
        wanted = self.parameters.dims or (100 if total <= 448 else 550)
        if wanted == -1 or wanted >= total:
            return list(range(total))
        return sorted(torch.randperm(total, generator=generator)[:wanted].tolist())

    def _blocks(self, training: Features) -> Iterator[slice]:
        """Yield slices of the grid's rows whose embeddings and covariances fit the budget."""
        _, height, width = training.shape(LEVELS[0])
        position_bytes = 8 * len(self._dims) * max(len(training), len(self._dims))
        step = max(1, BLOCK_BYTES // (position_bytes * width))
        for start in range(0, height, step):
            yield slice(start, min(start + step, height))


def gaussians(samples: Tensor, epsilon: float) -> Gaussians:
    """Return means and factored covariances + epsilon·I of N observations at P positions.

    The covariance is divided by N - 1; one image has none, and epsilon·I alone remains. Factored
    in float64: the covariances' condition reaches 10⁵, beyond what float32 can factor to 1e-4.

    Args:
        samples: (P, N, d).
        epsilon: what is added to the diagonal.
    """
    exact = samples.double()
    means = exact.mean(dim=1)
    centred = (exact - means[:, None]) / max(samples.shape[1] - 1, 1) ** 0.5
    covariances = centred.transpose(1, 2) @ centred
    covariances.diagonal(dim1=1, dim2=2).add_(epsilon)
    return means.float(), torch.linalg.cholesky(covariances).float()


def mahalanobis(samples: Tensor, means: Tensor, factors: Tensor) -> Tensor:
    """Return the Mahalanobis distances (P, N), square root included.

    Args:
        samples: (P, N, d).
        means: (P, d).
        factors: (P, d, d), lower Cholesky factors of the covariances.
    """
    centred = (samples - means[:, None]).transpose(1, 2)  # (P, d, N)
    solved = torch.linalg.solve_triangular(factors, centred, upper=False)
    return torch.linalg.vector_norm(solved, dim=1)


def _embedding(features: Features, images: slice, dims: list[int], rows: slice) -> Tensor:
    """Return the chosen dimensions at some of level 1's rows, (positions, n, dims).

    Coarser levels are repeated to level 1's grid, i.e. nearest-neighbour upsampling.
    """
    _, height, width = features.shape(LEVELS[0])
    count, positions = images.stop - images.start, (rows.stop - rows.start) * width
    samples = torch.empty(positions, count, len(dims), device=features.device)
    first = offset = 0
    for level in LEVELS:
        channels, level_height, level_width = features.shape(level)
        chosen = [dim - offset for dim in dims if offset <= dim < offset + channels]
        below = torch.arange(rows.start, rows.stop) * level_height // height
        beside = torch.arange(width) * level_width // width
        lines = slice(int(below[0]), int(below[-1]) + 1)
        for start in range(images.start, images.stop, BATCH_IMAGES):
            batch = slice(start, min(start + BATCH_IMAGES, images.stop))
            part = features.read(level, batch, chosen, lines)
            part = part[:, :, below - lines.start][:, :, :, beside].flatten(2)
            into = slice(start - images.start, batch.stop - images.start)
            samples[:, into, first : first + len(chosen)] = part.permute(2, 0, 1)
        first, offset = first + len(chosen), offset + channels
    return require_finite(samples, "features")
