"""Gaussians of a few vectors: covariances shrunk so that they can be inverted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from methods.lazy import Tensor, torch

SINGULAR = 1e-10
"""Least eigenvalue of a shrunk covariance over the mean one at which it counts as invertible."""


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian of vectors of d numbers, float64.

    Attributes:
        mean: (d,).
        factor: (d, d), L of its covariance LLᵀ.
    """

    mean: Tensor
    factor: Tensor

    @classmethod
    def shrunk(cls, vectors: Tensor, ridge: float) -> Self:
        """Return the Gaussian of vectors (N, d), its covariance shrunk.

        (Ledoit and Wolf, "A Well-Conditioned Estimator for Large-Dimensional Covariance Matrices",
        2004.)

        Args:
            vectors: float64.
            ridge: added to the diagonal where the shrunk covariance is still singular.
        """
        count, dims = vectors.shape
        mean = vectors.mean(dim=0)
        centred = vectors - mean
        covariance = centred.T @ centred / count
        trace = covariance.diagonal().sum() / dims
        squares = covariance.square().sum()
        # both over d: how far the covariance is from trace·I, and how uncertain it is itself
        spread = (squares - dims * trace.square()) / dims
        error = (centred.square().sum(dim=1).square().sum() / count - squares) / (count * dims)
        share = (error.clamp(min=0) / spread.clamp(min=1e-300)).clamp(max=1)
        matrix = (1 - share) * covariance
        diagonal = share * trace
        diagonal = diagonal + ridge * (diagonal <= SINGULAR * trace)
        matrix.diagonal().add_(diagonal)
        return cls(mean, torch.linalg.cholesky(matrix))

    def distances(self, vectors: Tensor) -> Tensor:
        """Return the Mahalanobis distances of vectors (N, d), (N,)."""
        differences = (vectors - self.mean).T
        solved = torch.linalg.solve_triangular(self.factor, differences, upper=False)
        return torch.linalg.vector_norm(solved, dim=0)
