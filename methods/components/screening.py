"""Exact nearest neighbours with most distances only bounded from below, in low precision.

A vector is reduced to its leading principal components and the length of the rest. By the triangle
inequality, distances between reduced vectors are at most those between the vectors themselves;
rounded to bfloat16, at most by the lengths of the two rounding errors more. One matrix product in
low precision therefore says which rows can't be the nearest; the few others are compared exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from methods.components.neighbours import nearest
from methods.components.parallel import each
from methods.lazy import torch

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from methods.components.kernels import Rounding

LENGTHS, EXTRA = (32, 64, 96, 128, 192, 256, 384, 512, 1024), 7
"""Candidates for a reduced vector's length: its components and 7 numbers beside them."""

COMPARISON = {"cpu": 25, "cuda": 500}
"""What comparing two vectors exactly costs, a dimension, in dimensions of a bound."""

SAMPLE_ROWS, TRIAL_ROWS = 8192, 256

REDUCED_ROWS = 8192
"""Vectors that are reduced together."""

GROUP = 32
"""Neighbouring rows that one minimum stands for until it falls below the limit."""

GALLERY_ROWS = {"cpu": 4096, "cuda": 16_384}
QUERY_ROWS = {"cpu": 512, "cuda": 8192}
"""Size of one tile of bounds: on the CPU, small enough to be read again from the cache."""

HOPELESS = 1 / 16
"""A query for which more of a tile's rows than this survive is searched there by brute force."""

FEW = 256
"""Exact comparisons that are always cheaper than a search by brute force."""

PAIRS = 16_384
"""Rows compared exactly at a time."""


@dataclass(frozen=True)
class Reduced:
    """Vectors ready for bounding.

    Attributes:
        points: (n, K) low precision, so that gallery · queriesᵀ are squared distances.
        error: (n,) lengths of what rounding changed.
        norms: (n,) squared lengths, which bound the product's own rounding.
    """

    points: Tensor
    error: Tensor
    norms: Tensor

    def __getitem__(self, rows: slice | Tensor) -> Reduced:
        if isinstance(rows, slice):
            return Reduced(self.points[rows], self.error[rows], self.norms[rows])
        parts = (self.points, self.error, self.norms)
        return Reduced(*(part.index_select(0, rows) for part in parts))

    def room(self, count: int) -> Reduced:
        """Return room, not initialised, for `count` vectors of the same kind."""
        parts = (self.points, self.error, self.norms)
        return Reduced(*(part.new_empty(count, *part.shape[1:]) for part in parts))

    def put(self, rows: slice, others: Reduced) -> None:
        """Replace some vectors by others."""
        self.points[rows], self.error[rows] = others.points, others.error
        self.norms[rows] = others.norms


@dataclass(frozen=True)
class Screen:
    """Leading principal components of some vectors.

    Attributes:
        mean: (d,).
        basis: (d, r), orthonormal columns.
        dtype: the precision of the bounds.
    """

    mean: Tensor
    basis: Tensor
    dtype: torch.dtype

    @classmethod
    def of(cls, vectors: Tensor) -> Screen:
        """Return the screen of vectors (n, d), with as many components as pay on a sample."""
        sample = vectors[:: max(1, len(vectors) // SAMPLE_ROWS)]
        mean = sample.mean(dim=0)
        covariance = (sample - mean).T @ (sample - mean) / len(sample)
        basis = torch.linalg.eigh(covariance.double())[1].flip(1).float()
        kept = _components((sample - mean) @ basis)
        return cls(mean, basis[:, :kept].contiguous(), _low_precision(vectors.device))

    @property
    def bytes_per_vector(self) -> int:
        """The memory that a reduced vector takes."""
        return (self.basis.shape[1] + EXTRA) * self.dtype.itemsize + 2 * 4

    def gallery(self, vectors: Tensor) -> Reduced:
        """Return rows to be searched."""
        points, error, norms = self._reduce(vectors)
        ones = torch.ones(len(points), 3, dtype=self.dtype, device=points.device)
        return Reduced(torch.cat([points * -2, self._split(norms), ones], dim=1), error, norms)

    def queries(self, vectors: Tensor) -> Reduced:
        """Return rows to search for."""
        points, error, norms = self._reduce(vectors)
        ones = torch.ones(len(points), 3, dtype=self.dtype, device=points.device)
        return Reduced(torch.cat([points, ones, self._split(norms)], dim=1), error, norms)

    def _reduce(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        parts = [self._reduce_part(part) for part in vectors.split(REDUCED_ROWS)]
        rounded, error, norms = (torch.cat(part) for part in zip(*parts, strict=True))
        return rounded, error, norms

    def _reduce_part(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        centred = vectors - self.mean
        kept = centred @ self.basis
        rest = (centred.square().sum(1) - kept.square().sum(1)).clamp(min=0).sqrt()
        exact = torch.cat([kept, rest[:, None]], dim=1)  # (n, r + 1)
        rounded = exact.to(self.dtype)
        error = torch.linalg.vector_norm(exact - rounded.float(), dim=1)
        return rounded, error, rounded.float().square().sum(dim=1)

    def _split(self, norms: Tensor) -> Tensor:
        """Return numbers (n,) as sums of three of low precision, (n, 3)."""
        parts, rest = [], norms
        for _ in range(3):
            parts.append(rest.to(self.dtype))
            rest = rest - parts[-1].float()
        return torch.stack(parts, dim=1)


@dataclass
class Best:
    """The nearest rows found so far: squared distances (n,) and rows (n,)."""

    squared: Tensor
    rows: Tensor

    @classmethod
    def none(cls, queries: Tensor) -> Best:
        """Return that nothing has been found yet."""
        rows = torch.full((len(queries),), -1, device=queries.device)
        return cls(queries.new_full((len(queries),), torch.inf), rows)

    def __getitem__(self, queries: slice) -> Best:
        return Best(self.squared[queries], self.rows[queries])

    def take(self, queries: Tensor, rows: Tensor, squared: Tensor) -> None:
        """Keep, in place, what is nearer than before; a query may occur several times."""
        least = torch.full_like(self.squared, torch.inf)
        least.scatter_reduce_(0, queries, squared, "amin")
        won = (squared == least[queries]) & (squared < self.squared[queries])
        self.rows[queries[won]] = rows[won]
        torch.minimum(self.squared, least, out=self.squared)


class ScreenedBank:
    """A memory bank (m, d) that is searched through its screen."""

    def __init__(self, bank: Tensor) -> None:
        self._bank, self._screen = bank, Screen.of(bank)
        self._reduced = self._screen.gallery(bank)

    def nearest(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distance to, and the row of, each query's nearest row: both (n,), exact."""
        best, asked = Best.none(queries), self._screen.queries(queries)
        query_rows, gallery_rows = (
            tile[queries.device.type] for tile in (QUERY_ROWS, GALLERY_ROWS)
        )

        def search(start: int) -> None:
            part = slice(start, start + query_rows)
            for first in range(0, len(self._bank), gallery_rows):
                rows = slice(first, first + gallery_rows)
                gallery, reduced = self._bank[rows], self._reduced[rows]
                improve(best[part], queries[part], gallery, asked[part], reduced, first_row=first)

        each(search, range(0, len(queries), query_rows), queries.device)
        return best.squared.sqrt(), best.rows


def improve(
    best: Best,
    queries: Tensor,
    gallery: Tensor,
    asked: Reduced,
    reduced: Reduced,
    *,
    first_row: int = 0,
) -> None:
    """Lower `best`, in place, by whatever in the gallery is nearer.

    Args:
        best: what is known of the queries.
        queries: (n, d).
        gallery: (m, d).
        asked: the queries, reduced.
        reduced: the gallery, reduced.
        first_row: the number of the gallery's first row.
    """
    way = _improve_one_by_one if compiles(queries.device) else _improve_together
    way(best, queries, gallery, asked, reduced, first_row=first_row)


def _improve_one_by_one(
    best: Best,
    queries: Tensor,
    gallery: Tensor,
    asked: Reduced,
    reduced: Reduced,
    *,
    first_row: int,
) -> None:
    """Improve in compiled loops, which compare a pair as soon as its bound is seen to be low."""
    from methods.components import kernels

    given_up = kernels.nearest_below(
        bits(asked.points @ reduced.points.T),
        compiled_rounding(asked, reduced),
        queries.numpy(),
        gallery.numpy(),
        best.squared.numpy(),
        best.rows.numpy(),
        first_row,
        max(FEW, int(HOPELESS * len(gallery))),
    )
    if given_up.any():
        which = torch.from_numpy(given_up).nonzero()[:, 0]
        _search_whole(best, queries, gallery, which, first_row=first_row)


def _improve_together(
    best: Best,
    queries: Tensor,
    gallery: Tensor,
    asked: Reduced,
    reduced: Reduced,
    *,
    first_row: int,
) -> None:
    """Improve in few operations on whole tiles, which is what a GPU is fast at."""
    points = _whole_groups(reduced.points)
    tile = (points @ asked.points.T).unflatten(0, (-1, GROUP))  # (m / GROUP, GROUP, n)
    groups = _ordered(tile).amin(dim=1).view(tile.dtype)
    lowest, group = groups.float().min(dim=0)
    found = (lowest < _limit(best, asked, reduced)).nonzero()[:, 0]
    member = tile[group[found], :, found].float().argmin(dim=1)
    _compare(best, queries, gallery, found, group[found] * GROUP + member, first_row=first_row)
    limit = _limit(best, asked, reduced)
    group, query = (groups < limit.to(tile.dtype)).nonzero(as_tuple=True)
    pair, member = (tile[group, :, query].float() < limit[query, None]).nonzero(as_tuple=True)
    query, rows = query[pair], group[pair] * GROUP + member
    hopeless = query.bincount(minlength=len(queries)) > HOPELESS * len(gallery)
    if bool(hopeless.any()):
        which = hopeless.nonzero()[:, 0]
        _search_whole(best, queries, gallery, which, first_row=first_row)
        query, rows = query[~hopeless[query]], rows[~hopeless[query]]
    _compare(best, queries, gallery, query, rows, first_row=first_row)


def _search_whole(
    best: Best, queries: Tensor, gallery: Tensor, which: Tensor, *, first_row: int
) -> None:
    """Search the gallery by brute force for the queries whose bounds exclude too little."""
    _, row = nearest(queries[which], gallery)
    _compare(best, queries, gallery, which, row[:, 0], first_row=first_row)


def _components(sample: Tensor) -> int:
    """Return how many components make searching cheapest, tried on a sample (n, d) of them all.

    The last rows look for their nearest among the others: rows beside each other are often alike.
    """
    rows, dims = sample.shape
    trial = min(TRIAL_ROWS, rows // 2)
    gallery, queries = sample[: rows - rows // 8], sample[len(sample) - trial :]
    if trial == 0:
        return dims
    nearest_distance = torch.cdist(queries, gallery).amin(dim=1, keepdim=True)
    comparison = COMPARISON[sample.device.type] * dims
    costs: dict[int, float] = {}
    for length in LENGTHS:
        kept = min(dims, length - EXTRA)
        bounds = torch.cdist(_folded(queries, kept), _folded(gallery, kept))
        survivors = float((bounds <= nearest_distance).float().mean())
        costs[kept] = min(costs.get(kept, torch.inf), length + comparison * survivors)
    return min(costs, key=lambda kept: costs[kept])


def _folded(vectors: Tensor, kept: int) -> Tensor:
    """Return the first components and the length of the rest, (n, kept + 1)."""
    rest = torch.linalg.vector_norm(vectors[:, kept:], dim=1, keepdim=True)
    return torch.cat([vectors[:, :kept], rest], dim=1)


def _rounding(asked: Reduced, reduced: Reduced) -> tuple[Tensor, Tensor, float]:
    """Return what rounding may have added to bounds (see `methods.components.kernels.Rounding`).

    It moved the two points by their errors at most; the product's own rounding is half a unit of
    its low-precision result, and some of its float32 sum.
    """
    reach = asked.error + reduced.error.max()
    slack = 2.0**-16 * (asked.norms + reduced.norms.max())
    return reach, slack, torch.finfo(reduced.points.dtype).eps


def compiled_rounding(asked: Reduced, reduced: Reduced) -> Rounding:
    """Return what rounding may have added to bounds, for loops compiled for the CPU."""
    from methods.components.kernels import Rounding

    reach, slack, eps = _rounding(asked, reduced)
    return Rounding(reach.numpy(), slack.numpy(), eps)


def _limit(best: Best, asked: Reduced, reduced: Reduced) -> Tensor:
    """Return what a bound (n,) must reach for its row to be out of the question."""
    reach, slack, eps = _rounding(asked, reduced)
    return (best.squared.sqrt() + reach).square() * (1 + 2 * eps) + slack


def _compare(
    best: Best, queries: Tensor, gallery: Tensor, query: Tensor, rows: Tensor, *, first_row: int
) -> None:
    """Compute the distances of pairs from differences, and keep what is nearer."""
    for start in range(0, len(query), PAIRS):
        part = slice(start, start + PAIRS)
        difference = queries[query[part]] - gallery[rows[part]]
        best.take(query[part], rows[part] + first_row, difference.square().sum(dim=1))


def _whole_groups(points: Tensor) -> Tensor:
    """Return reduced rows padded to whole groups with rows infinitely far away."""
    far = points.new_zeros(-len(points) % GROUP, points.shape[1])
    far[:, -6] = torch.finfo(points.dtype).max
    return torch.cat([points, far]) if len(far) else points


def bits(bounds: Tensor) -> np.ndarray[Any, Any]:
    """Return lower bounds on the CPU as integers of the same order (see `kernels`)."""
    return bounds.view(torch.int16 if bounds.dtype == torch.bfloat16 else torch.int32).numpy()


def _ordered(bounds: Tensor) -> Tensor:
    """Return non-negative bfloat16 as integers of the same order, whose minima are quicker."""
    return bounds.view(torch.int16) if bounds.dtype == torch.bfloat16 else bounds


def compiles(device: torch.device) -> bool:
    """Return whether loops compiled for the CPU serve the device."""
    return device.type == "cpu"


def _low_precision(device: torch.device) -> torch.dtype:
    """Return bfloat16 where the processor multiplies it, float32 elsewhere."""
    native = device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if native else torch.float32
