"""Exact nearest neighbours from whole vectors: one product says which few rows to compare exactly.

The neighbour found is never farther than the nearest by more than float32's rounding of the
distance, wherever the vectors lie and however many are searched for together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from methods.components.bounds import INFLATION, SUMMED, Allowance, Reduction
from methods.components.parallel import parallel_map
from methods.components.shortlist import Bank, length, search_bank
from methods.lazy import Tensor, torch

MORE = 2
"""Rows that are compared exactly beyond those asked for, where several are."""

TILE_QUERIES, TILE_ROWS = 512, 2048
"""Queries and rows whose distances are bounded together: the bounds lie in the cache."""

NEARLY = 1 - 2.0**-24
"""Rows nearer by less than float32's rounding of the distance are not looked for."""

PATIENCE, UNSURE = 8, 256
"""Queries of a tile that may need more exact comparisons there than `UNSURE`."""


def nearest(queries: Tensor, bank: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
    """Return the Euclidean distances to, and the indices of, the k nearest rows of the bank.

    Args:
        queries: (n, d) float32, finite.
        bank: (m, d) float32 on the same device.
        k: number of neighbours; at most m are returned.

    Returns:
        distances (n, min(k, m)) ascending, indices of the same shape, int64. Rows nearer than some
        1e-20 are told apart no more than float32 holds the squares of their differences.
    """
    k = min(k, len(bank))
    if len(queries) == 0:
        shape = (0, k)
        return queries.new_empty(shape), torch.empty(shape, dtype=torch.long, device=bank.device)
    search = _nearest_by_tiles if queries.device.type == "cpu" else _nearest_by_products
    distances, indices = search(queries, bank, k)
    return distances.float(), indices


def nearest_row(queries: Tensor, bank: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distance to, and the row of, each query's nearest row: both (n,), exact."""
    distances, rows = nearest(queries, bank)
    return distances[:, 0], rows[:, 0]


def _nearest_by_tiles(queries: Tensor, bank: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Search on the CPU; where a nearer row may have been left out, once more in float64."""
    whole = _Whole.of(bank)
    search = whole.nearest if k == 1 else whole.nearest_several
    size = min(TILE_QUERIES, -(-len(queries) // torch.get_num_threads()))
    parts = parallel_map(lambda block: search(block, k), queries.split(size), queries.device)
    distances, indices, unsure = (torch.cat(part) for part in zip(*parts, strict=True))
    again = unsure.nonzero()[:, 0]
    if len(again):
        distances[again], indices[again] = _nearest_by_products(
            queries[again], bank, k, torch.float64
        )
    return distances, indices


def _nearest_by_products(
    queries: Tensor, bank: Tensor, k: int, precision: torch.dtype | None = None
) -> tuple[Tensor, Tensor]:
    """Search with bounds of whole vectors, in float32 if no precision is named.

    Distances are float64.
    """
    reduction = Reduction(bank.mean(dim=0, dtype=torch.float64), None, precision or torch.float32)
    return search_bank(queries, Bank.of(bank, reduction), k)


Neighbours = tuple["Tensor", "Tensor", "Tensor"]
"""Distances (n, k) float64, rows (n, k), and whether nearer rows may be left out, (n,)."""


@dataclass(frozen=True)
class _Whole:
    """A bank (m, d) on the CPU whose distances are bounded by one product of whole vectors.

    Bounds are |q|² + |b|² - 2 q·b of vectors less the bank's mean, which moves them by 2⁻²⁴ of
    their lengths at most. The sum of d products and of two squared lengths is off by 2⁻²⁴ a term
    of its magnitude, at most 2·(|q|² + |b|²); the squared lengths, sums of d squares, by 2⁻²⁴ a
    term of theirs; and all by 2⁻¹²⁶ a term flushed to zero: 2d + 8 terms of 2⁻²³·(|q|² + |b|²).

    Attributes:
        bank: the bank.
        centre: (d,) its mean.
        rows: (m, d) the bank less its mean.
        squares: (m,) their squared lengths.
    """

    bank: Tensor
    centre: Tensor
    rows: Tensor
    squares: Tensor

    @classmethod
    def of(cls, bank: Tensor) -> _Whole:
        """Centre a bank."""
        centre = bank.mean(dim=0)
        rows = bank - centre
        return cls(bank, centre, rows, torch.linalg.vector_norm(rows, dim=1).square())

    def nearest(self, queries: Tensor, _: int) -> Neighbours:
        """Find one row, in loops that compare a pair as soon as its bound is seen to be low."""
        from methods.components import kernels

        squared = queries.new_full((len(queries),), torch.inf)
        rows = torch.full((len(queries),), -1)
        unsure = torch.zeros(len(queries), dtype=torch.bool)
        allowance, tiles = self._bounds(queries)
        for first, bounds in tiles:
            gallery = self.bank[first : first + TILE_ROWS].numpy()
            pairs = kernels.Pairs(queries.numpy(), gallery, squared.numpy(), rows.numpy(), first)
            bits = bounds.view(torch.int32).numpy()
            given_up = kernels.nearest_below(bits, allowance.arrays(), pairs, PATIENCE, UNSURE)
            unsure |= torch.from_numpy(given_up)
        return *refine(queries, self.bank, rows[:, None]), unsure

    def nearest_several(self, queries: Tensor, k: int) -> Neighbours:
        """Find k rows, by exact distances to a few more than k."""
        allowance, tiles = self._bounds(queries)
        count = min(k + MORE, len(self.bank))
        values, rows = queries.new_empty(len(queries), 0), torch.empty(len(queries), 0).long()
        for first, bounds in tiles:
            smallest = bounds.topk(min(count, bounds.shape[1]), largest=False)
            values = torch.cat([values, smallest.values], dim=1)
            rows = torch.cat([rows, smallest.indices + first], dim=1)
        values, order = values.topk(count, largest=False)
        distances, rows = refine(queries, self.bank, rows.gather(1, order))
        least = allowance.distances(values[:, -1])
        unsure = (least < distances[:, k - 1] * NEARLY) & (count < len(self.bank))
        return distances[:, :k], rows[:, :k], unsure

    def _bounds(self, queries: Tensor) -> tuple[Allowance, Iterator[tuple[int, Tensor]]]:
        """Return what rounding may add to bounds, and the bounds by tiles with their first rows."""
        asked = queries - self.centre
        squares = torch.linalg.vector_norm(asked, dim=1).square()
        largest, terms = self.squares.max(), 2 * asked.shape[1] + 8
        slack = terms * SUMMED * (squares + largest) + terms * 2.0**-126
        reach = 2.0**-23 * (squares.sqrt() + largest.sqrt())
        eps = torch.finfo(torch.float32).eps
        parts = zip(self.rows.split(TILE_ROWS), self.squares.split(TILE_ROWS), strict=True)
        tiles = (
            (number * TILE_ROWS, (squares[:, None] + lengths).addmm_(asked, part.T, alpha=-2))
            for number, (part, lengths) in enumerate(parts)
        )
        return Allowance(reach.double(), slack.double() * INFLATION, eps), tiles


def refine(queries: Tensor, bank: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
    """Return distances (n, k) float64 to the given rows, from differences, and the rows, sorted.

    Args:
        queries: (n, d).
        bank: (m, d).
        indices: (n, k) rows of the bank; of equally far ones, the first comes first.
    """
    indices = indices.sort(dim=1)[0]
    distances = torch.stack(
        [length(bank.index_select(0, column).sub_(queries)) for column in indices.T], dim=1
    )
    distances, order = distances.sort(dim=1, stable=True)
    return distances, indices.gather(1, order)
