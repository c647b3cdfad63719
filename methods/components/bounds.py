"""Lower bounds of distances from one product of reduced vectors, with all that rounding may add.

Vectors keep their leading principal components and the length of the rest, in low precision. No
distance between reduced vectors is larger than the vectors' own, but for rounding, and what that
may add is derived: the README of this folder has the mathematics.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from methods.lazy import Tensor, torch

LENGTHS, EXTRA = (32, 64, 96, 128, 192, 256, 384, 512, 1024), 7
"""Candidates for a reduced vector's length: its components and 7 numbers beside them."""

COMPARISON = {"cpu": 25, "cuda": 500}
"""Cost of an exact comparison per dimension, relative to one dimension of a bound."""

SAMPLE_ROWS, TRIAL_ROWS = 8192, 256

REDUCED_ROWS = {"cpu": 1024, "cuda": 1 << 16}
"""Vectors that are reduced together: on the CPU, what lies in the cache."""

SUMMED = {"cpu": 2.0**-23, "cuda": 2.0**-21}
"""What a product in float32 may be off by, a term, of the sum of both squared lengths."""

INFLATION = 1 + 2.0**-20
"""Covers the rounding of allowances themselves, some operations on positive numbers."""


@dataclass(frozen=True)
class Reduced:
    """Vectors ready for bounding; leading dimensions may stand for images.

    Attributes:
        points: (…, n, K) low precision, so that queries · galleryᵀ are squared distances.
        error: (…, n) float64, by how much a reduced vector may be away from where it should be.
        norms: (…, n) float64 squared lengths, which bound the product's own rounding.
    """

    points: Tensor
    error: Tensor
    norms: Tensor

    def __getitem__(self, rows: slice | Tensor) -> Reduced:
        if isinstance(rows, slice):
            return self._each(lambda part: part[rows])
        return self._each(lambda part: part.index_select(0, rows))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Reduced:
        return Reduced(change(self.points), change(self.error), change(self.norms))

    def side_by_side(self, images: Tensor) -> Reduced:
        """Return some images' vectors (b, k·n) of (P, n), for images (b, k)."""
        return self._each(lambda part: part[images].flatten(1, 2))

    def squared_distances(self, gallery: Reduced) -> Tensor:
        """Return the rounded squared distances (…, n, m) between queries and a gallery's rows."""
        return self.points @ gallery.points.mT

    def room(self, count: int) -> Reduced:
        """Return room, not initialised, for `count` vectors of the same kind."""
        return self._each(lambda part: part.new_empty(count, *part.shape[1:]))

    def put(self, rows: slice, others: Reduced) -> None:
        """Replace some vectors by others."""
        self.points[rows], self.error[rows] = others.points, others.error
        self.norms[rows] = others.norms


class Allowance(NamedTuple):
    """What rounding may have added to the bounds of each query.

    Attributes:
        reach: (…, n) float64, by how much it may have moved a query and any row apart.
        slack: (…, n) float64, what the sum of the product may be off by.
        eps: the relative spacing of the bounds' type: 2⁻⁷ in bfloat16, 2⁻²³ in float32.
    """

    reach: Tensor
    slack: Tensor
    eps: float

    @classmethod
    def of(cls, reduced_queries: Reduced, error: Tensor, norms: Tensor) -> Allowance:
        """Return it for queries, and the largest error and squared length of the rows."""
        dtype, terms = reduced_queries.points.dtype, reduced_queries.points.shape[-1]
        unit, tiny = SUMMED[reduced_queries.points.device.type], 2.0**-125
        if dtype == torch.float64:
            unit, tiny = 2.0**-50, 0.0
        slack = terms * unit * (reduced_queries.norms + norms) + terms * tiny
        reach = (reduced_queries.error + error) * INFLATION
        return cls(reach, slack * INFLATION, torch.finfo(dtype).eps)

    def arrays(self) -> Allowance:
        """Return the same in NumPy's arrays, for compiled loops."""
        reach: Any = self.reach.numpy()
        slack: Any = self.slack.numpy()
        return Allowance(reach, slack, self.eps)

    def distances(self, bounds: Tensor) -> Tensor:
        """Return what distances are at least, (…, n) float64, where bounds are not below these."""
        squared = (bounds.double() - self.slack) / (1 + self.eps)
        return squared.clamp_(min=0).sqrt_() - self.reach


@dataclass(frozen=True)
class Reduction:
    """Leading principal components of some vectors.

    Attributes:
        mean: (d,) float64.
        basis: (d, r) float64, orthonormal columns; None to keep vectors whole.
        dtype: the precision of the bounds.
    """

    mean: Tensor
    basis: Tensor | None
    dtype: torch.dtype

    @classmethod
    def of(cls, vectors: Tensor) -> Reduction:
        """Return the reduction of vectors (n, d), with as many components as pay on a sample."""
        sample = vectors[:: max(1, len(vectors) // SAMPLE_ROWS)]
        mean = sample.mean(dim=0, dtype=torch.float64)
        centred = (sample - mean).float()
        covariance = centred.T @ centred / len(sample)
        basis = torch.linalg.eigh(covariance.double())[1].flip(1)
        kept = _components(centred @ basis.float())
        return cls(mean, basis[:, :kept].contiguous(), low_precision(vectors.device))

    def whole(self, dtype: torch.dtype) -> Reduction:
        """Return a reduction that keeps vectors whole, in a precision of its own."""
        return Reduction(self.mean, None, dtype)

    @property
    def bytes_per_vector(self) -> int:
        """The memory that a reduced vector takes."""
        kept = len(self.mean) if self.basis is None else self.basis.shape[1]
        return (kept + EXTRA) * self.dtype.itemsize + 2 * 8

    def gallery(self, vectors: Tensor) -> Reduced:
        """Return rows (…, d) to be searched."""
        return self._reduced(vectors, gallery=True)

    def queries(self, vectors: Tensor) -> Reduced:
        """Return rows (…, d) to search for."""
        return self._reduced(vectors, gallery=False)

    def _reduced(self, vectors: Tensor, *, gallery: bool) -> Reduced:
        shape = vectors.shape[:-1]
        step = REDUCED_ROWS[vectors.device.type]
        parts = [self._part(part, gallery) for part in vectors.flatten(0, -2).split(step)]
        joined = parts[0] if len(parts) == 1 else map(torch.cat, zip(*parts, strict=True))
        points, error, norms = joined
        return Reduced(points.unflatten(0, shape), error.view(shape), norms.view(shape))

    def _part(self, vectors: Tensor, gallery: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Return the points (n, K), errors (n,) and squared lengths (n,) of vectors (n, d)."""
        count, dims = vectors.shape
        centred = vectors.double().sub_(self.mean)
        squared = centred.square().sum(dim=1, keepdim=True)
        kept = centred if self.basis is None else centred @ self.basis
        length = kept.shape[1]
        points = torch.ones(count, length + EXTRA, dtype=self.dtype, device=vectors.device)
        if self.basis is None:
            rest, unsure = torch.zeros_like(squared), 2.0**-53
        else:
            rest = (squared - kept.square().sum(dim=1, keepdim=True)).clamp_(min=0).sqrt_()
            unsure = 4 * (dims * (length + 1) ** 0.5 * 2.0**-53) ** 0.5
        exact = torch.cat([kept, rest], dim=1)
        rounded = exact.to(self.dtype)
        wide = rounded.double()
        error = torch.linalg.vector_norm(exact - wide, dim=1) + unsure * squared[:, 0].sqrt()
        norms = wide.square().sum(dim=1)
        points[:, : length + 1] = rounded * -2 if gallery else rounded
        rest, first = norms.clone(), length + 1 + (0 if gallery else 3)
        for column in range(first, first + 3):
            points[:, column] = rest.to(self.dtype)
            rest -= points[:, column].double()
        return points, error, norms


def low_precision(device: torch.device) -> torch.dtype:
    """Return bfloat16 where the processor multiplies it, float32 elsewhere."""
    native = device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if native else torch.float32


def _components(sample: Tensor) -> int:
    """Return how many components make searching cheapest, tried on a sample (n, d) of them all.

    The last rows look for their nearest among the others: rows beside each other are often alike.
    """
    rows, dims = sample.shape
    trial = min(TRIAL_ROWS, rows // 2)
    gallery, queries = sample[: rows - rows // 8], sample[len(sample) - trial :]
    if trial == 0:
        return dims
    nearest = torch.cdist(queries, gallery).amin(dim=1, keepdim=True)
    kept = sorted({min(dims, length - EXTRA) for length in LENGTHS})
    survivors = [
        (torch.cdist(_folded(queries, r), _folded(gallery, r)) <= nearest).float().mean()
        for r in kept
    ]
    comparison = COMPARISON[sample.device.type] * dims
    costs = [
        r + EXTRA + comparison * share
        for r, share in zip(kept, torch.stack(survivors).tolist(), strict=True)
    ]
    return kept[costs.index(min(costs))]


def _folded(vectors: Tensor, kept: int) -> Tensor:
    """Return the first components and the length of the rest, (n, kept + 1)."""
    rest = torch.linalg.vector_norm(vectors[:, kept:], dim=1, keepdim=True)
    return torch.cat([vectors[:, :kept], rest], dim=1)
