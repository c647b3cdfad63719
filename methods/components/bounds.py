"""Lower bounds of distances from one product of reduced vectors, with all that rounding may add.

Vectors keep their leading principal components and the length of the rest, in low precision. No
distance between reduced vectors is larger than the vectors' own, but for rounding, and what that
may add is derived: the README of this folder has the mathematics.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from methods.lazy import Tensor, torch

LENGTHS, EXTRA = (32, 64, 96, 128, 192, 256, 384, 512, 1024), 7
"""Candidates for a reduced vector's length: its components and 7 numbers beside them."""

COMPARISON = {"cpu": 25, "cuda": 500}
"""Cost of an exact comparison per dimension, relative to one dimension of a bound."""

SAMPLE_ROWS, TRIAL_ROWS = 8192, 256

REDUCED_ROWS = {"cpu": 1024, "cuda": 1 << 14}
"""Vectors that are reduced together: on the CPU, what lies in the cache."""

TERMS = 128
"""Terms that a device's reduction sums in one product of float32."""

FLUSHED = 2.0**-90
"""A vector's length next to which numbers that a device flushes to zero vanish."""

SUMMED, TENSOR_CORES = 2.0**-23, 2.0**-21
"""What a product in float32 may be off by, a term, of the sum of both squared lengths: rounded at
every step, and as a GPU's tensor cores sum bfloat16."""

DIFFERENCES = "donot_use_mm_for_euclid_dist"
"""How `torch.cdist` computes distances from differences."""

INFLATION = 1 + 2.0**-20
"""Covers the rounding of allowances themselves, some operations on positive numbers."""

CHECKED_ROWS = 512
WRONG = (
    "{}: lower bounds in bfloat16 exceed the distances that they bound, as products are not summed "
    "in float32 there; searches take float32, which is slower and gives the same results"
)
_CHECKED: dict[torch.device, bool] = {}
"""Devices, and whether bounds in bfloat16 were right on a sample."""


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

    def __getitem__(self, rows: slice | tuple[slice, ...] | Tensor) -> Reduced:
        if isinstance(rows, torch.Tensor):
            return self._each(lambda part: part.index_select(0, rows))
        return self._each(lambda part: part[rows])

    def _each(self, change: Callable[[Tensor], Tensor]) -> Reduced:
        return Reduced(change(self.points), change(self.error), change(self.norms))

    def squared_distances(self, gallery: Reduced) -> Tensor:
        """Return the rounded squared distances (…, n, m) between queries and a gallery's rows.

        Of several images, one product each: a batched one need not obey the switches that have
        bfloat16 summed in float32 (`methods.components.precision`).
        """
        if self.points.dim() == 2:
            return self.points @ gallery.points.mT
        pairs = list(zip(self.points, gallery.points, strict=True))
        bounds = self.points.new_empty(*self.points.shape[:2], gallery.points.shape[1])
        for (points, rows), product in zip(pairs, bounds, strict=True):
            torch.mm(points, rows.mT, out=product)
        return bounds

    def largest(self) -> Reduced:
        """Return the points with the largest error and squared length of each image, (…, 1)."""
        extremes = (part.amax(dim=-1, keepdim=True) for part in (self.error, self.norms))
        return Reduced(self.points, *extremes)

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
        cores = dtype == torch.bfloat16 and reduced_queries.points.device.type != "cpu"
        unit, tiny = TENSOR_CORES if cores else SUMMED, 2.0**-125
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
        precision = low_precision(vectors.device)
        reduction = cls(mean, basis[:, :kept].contiguous(), precision)
        return reduction._checked(sample)

    def _checked(self, sample: Tensor) -> Reduction:
        """Return the reduction in float32 if its bounds exceed distances of a sample (n, d).

        Bounds in bfloat16 are so checked once a process and device: how a GPU sums is up to it.
        """
        device = self.mean.device
        if device.type != "cpu" and self.dtype == torch.bfloat16:
            if device not in _CHECKED:
                _CHECKED[device] = bounds_hold(self, sample[:: -(-len(sample) // CHECKED_ROWS)])
                if not _CHECKED[device]:
                    warnings.warn(WRONG.format(device), stacklevel=2)
            if not _CHECKED[device]:
                return Reduction(self.mean, self.basis, torch.float32)
        return self

    def whole(self, dtype: torch.dtype) -> Reduction:
        """Return a reduction that keeps vectors whole, in a precision of its own."""
        return Reduction(self.mean, None, dtype)

    @property
    def bytes_per_vector(self) -> int:
        """The memory that a reduced vector takes."""
        return self.bytes_per_point + 2 * 8

    @property
    def bytes_per_point(self) -> int:
        """The memory that a reduced vector takes but for its error and length."""
        kept = len(self.mean) if self.basis is None else self.basis.shape[1]
        return (kept + EXTRA) * self.dtype.itemsize

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
        narrow = self.basis is not None and vectors.device.type != "cpu"
        kind = torch.float32 if narrow else torch.float64
        centred = vectors.to(kind, copy=True).sub_(self.mean.to(kind))
        lengths = torch.linalg.vector_norm(centred, dim=1, keepdim=True, dtype=torch.float64)
        squared = lengths.square()
        if self.basis is None:
            kept, rest, unsure = centred, torch.zeros_like(squared), 2.0**-53 * lengths
        else:
            kept = _projected(centred, self.basis.to(kind)).double()
            rest = (squared - kept.square().sum(dim=1, keepdim=True)).clamp_(min=0).sqrt_()
            off = _off(dims, kept.shape[1], narrow=narrow)
            most = lengths + (FLUSHED if narrow else 0.0)
            away = 2 * off * most.square()
            unsure = off * most + away / torch.maximum(rest, away.sqrt()).clamp(min=1e-300)
        length = kept.shape[1]
        points = torch.ones(count, length + EXTRA, dtype=self.dtype, device=vectors.device)
        exact = torch.cat([kept, rest], dim=1)
        rounded = exact.to(self.dtype)
        wide = rounded.double()
        error = torch.linalg.vector_norm(exact - wide, dim=1) + unsure[:, 0]
        norms = wide.square().sum(dim=1)
        points[:, : length + 1] = rounded * -2 if gallery else rounded
        rest, first = norms.clone(), length + 1 + (0 if gallery else 3)
        for column in points[:, first : first + 3].unbind(dim=1):
            rest -= column.copy_(rest)
        return points, error, norms


def _projected(centred: Tensor, basis: Tensor) -> Tensor:
    """Return vectors (n, d) in a basis (d, r); in float32, from products of few terms."""
    if centred.dtype == torch.float64:
        return centred @ basis
    kept = centred.new_zeros(len(centred), basis.shape[1])
    for columns, rows in zip(centred.split(TERMS, dim=1), basis.split(TERMS), strict=True):
        kept += columns @ rows
    return kept


def _off(dims: int, kept: int, *, narrow: bool) -> float:
    """Return what components may be off by, all together, of the vector's length."""
    if not narrow:
        return 8 * dims * (kept + 1) ** 0.5 * 2.0**-53
    return (min(dims, TERMS) + -(-dims // TERMS) + 8) * (kept + 1) ** 0.5 * 2.0**-24


def bounds_hold(reduction: Reduction, sample: Tensor) -> bool:
    """Return whether lower bounds between vectors (n, d) are nowhere above their distances."""
    queries, gallery = reduction.queries(sample), reduction.gallery(sample)
    allowance = Allowance.of(queries, gallery.error.amax(), gallery.norms.amax())
    bounds = [queries[:some].squared_distances(gallery) for some in (8, len(sample))]
    exact = torch.cdist(sample.double(), sample.double(), compute_mode=DIFFERENCES)
    for product in bounds:
        some = slice(len(product))
        said = Allowance(allowance.reach[some, None], allowance.slack[some, None], allowance.eps)
        if bool((said.distances(product) > exact[some] * INFLATION).any()):
            return False
    return True


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
