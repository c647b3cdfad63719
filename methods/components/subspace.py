"""Subspaces that hold most of the variance of nominal vectors (principal components)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

from methods.lazy import Tensor, torch

NEGLIGIBLE = 1e-12
"""Variances below this share of the largest are rounding."""


@dataclass(frozen=True)
class Subspace:
    """Principal components of vectors of d numbers, all float64.

    Attributes:
        mean: (d,).
        basis: (d, k), orthonormal columns.
        variances: (k,) along these, descending.
    """

    mean: Tensor
    basis: Tensor
    variances: Tensor

    @classmethod
    def of(cls, batches: Callable[[], Iterable[Tensor]], share: float) -> Self:
        """Return the smallest subspace that holds a share of the variance.

        Args:
            batches: gives the vectors, (n, d) float64 a batch, whenever it is called.
            share: in (0, 1]. Of vectors that are all alike the subspace is their mean alone.
        """
        counts, sums = zip(*((len(batch), batch.sum(dim=0)) for batch in batches()), strict=True)
        count, mean = sum(counts), torch.stack(sums).sum(dim=0) / sum(counts)
        if count < len(mean):
            centred = torch.cat([batch - mean for batch in batches()])
            variances, vectors = torch.linalg.eigh(centred @ centred.T / count)
            vectors = torch.nn.functional.normalize(centred.T @ vectors, dim=0)
        else:
            covariance = torch.zeros(len(mean), len(mean), dtype=mean.dtype, device=mean.device)
            for batch in batches():
                covariance += (batch - mean).T @ (batch - mean)
            variances, vectors = torch.linalg.eigh(covariance / count)
        variances, vectors = variances.flip(0), vectors.flip(1)
        held = variances.clamp(min=0).cumsum(0)
        known = int((variances > NEGLIGIBLE * variances[0]).sum()) if variances[0] > 0 else 0
        kept = min(known, int((held < share * held[-1]).sum()) + 1)
        return cls(mean, vectors[:, :kept].contiguous(), variances[:kept])

    def residuals(self, vectors: Tensor) -> Tensor:
        """Return what of vectors (n, d) lies outside the subspace, (n, d)."""
        centred = vectors - self.mean
        return centred - centred @ self.basis @ self.basis.T

    def unlikeliness(self, vectors: Tensor, ridge: float) -> Tensor:
        """Return -2 log of the Gaussian density within the subspace, less a constant, (n,).

        Args:
            vectors: (n, d).
            ridge: the variance in every direction where there is none in any.
        """
        centred = vectors - self.mean
        if not len(self.variances):
            return centred.square().sum(dim=1) / ridge
        scaled = (centred @ self.basis).square() / self.variances
        return scaled.sum(dim=1) + self.variances.log().sum()
