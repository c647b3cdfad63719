"""Exact nearest neighbours in few large operations, which is what a GPU is fast at.

Each query's rows of the smallest bounds are listed; those that may be among the nearest are
compared by their differences. Rows left off are at least as far as the list's end: where that is
nearer than the nearest compared, the query is open, and searched again, in a longer list, with
bounds of whole vectors in float32, and at last by all differences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from methods.components.bounds import DIFFERENCES, Allowance, Reduced, Reduction
from methods.lazy import Tensor, torch

GROUP = 32
"""Neighbouring rows that one minimum stands for: sorting bounds takes several passes over them."""

LISTED, LONGER = 12, 256
"""Rows that are listed beyond those asked for, at first and where that leaves doubts."""

TILE_BYTES = 1 << 28
"""Memory for the bounds, or the differences, that are made together."""

BELOW = 1 - 2.0**-22
"""Lowers bounds by more than rounding takes from a distance: no row left off seems nearer."""


class Lists(NamedTuple):
    """Rows that may be queries' nearest.

    Attributes:
        rows: (…, t) int32, -1 where there are none.
        lower: (…, t) float32, what their distances are at least, ascending.
        least: (…) float64, what all other rows' distances are at least.
    """

    rows: Tensor
    lower: Tensor
    least: Tensor

    def merged(self, other: Lists, count: int) -> Lists:
        """Return, of these and other rows, `count` of the smallest bounds."""
        lower, order = torch.cat([self.lower, other.lower], dim=-1).sort(dim=-1, stable=True)
        rows = torch.cat([self.rows, other.rows], dim=-1).gather(-1, order)
        least = torch.minimum(self.least, other.least)
        if lower.shape[-1] > count:
            least = torch.minimum(least, lower[..., count].double())
        return Lists(rows[..., :count], lower[..., :count], least)


def shortlist(reduced_queries: Reduced, gallery: Reduced, count: int, memory: int) -> Lists:
    """List the rows of the smallest bounds.

    Args:
        reduced_queries: (b, n, K).
        gallery: (b, m, K), with the largest error and squared length (b, 1) of its rows.
        count: how many rows to list; all of them where there are fewer.
        memory: bytes of bounds that are made together.
    """
    images, rows, _ = gallery.points.shape
    extra = -rows % GROUP
    if extra:  # rows that are far from everything fill the last group
        points = torch.nn.functional.pad(gallery.points, (0, 0, 0, extra))
        points[:, rows:, -6].fill_(torch.finfo(points.dtype).max)
        gallery = Reduced(points, gallery.error, gallery.norms)
    step = max(1, memory // (gallery.points.itemsize * images * (rows + extra)))
    parts = []
    for start in range(0, reduced_queries.points.shape[1], step):
        part = reduced_queries[:, start : start + step]
        parts.append(_tile(part, gallery, count))
    numbers, lower, least = (torch.cat(tensors, dim=1) for tensors in zip(*parts, strict=True))
    none = numbers >= rows
    return Lists(numbers.masked_fill_(none, -1), lower.masked_fill_(none, torch.inf), least)


def _tile(queries: Reduced, gallery: Reduced, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return rows, lower bounds (b, n, count) and what other rows' distances are at least."""
    bounds = queries.squared_distances(gallery)
    groups = bounds.unflatten(2, (-1, GROUP)).amin(dim=3)  # (b, n, m / GROUP)
    group, beyond = _smallest(groups, count)
    members = (group[..., None] * GROUP + torch.arange(GROUP, device=group.device)).flatten(2)
    inside = bounds.gather(2, members)
    places, beyond_inside = _smallest(inside, count)
    ends = torch.minimum(beyond, beyond_inside)[..., None]
    values = torch.cat([inside.gather(2, places), ends], dim=2)
    reach, slack, eps = Allowance.of(queries, gallery.error, gallery.norms)
    lower = Allowance(reach[..., None], slack[..., None], eps).distances(values).mul_(BELOW)
    rows = members.gather(2, places).int()
    return rows, lower[..., :-1].float(), lower[..., -1]


def _smallest(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return where the smallest of values (b, n, m) are, (b, n, count), and the next, (b, n)."""
    if count >= values.shape[2]:
        return values.argsort(dim=2), values.new_full(values.shape[:2], torch.inf)
    smallest = values.topk(count + 1, dim=2, largest=False)
    return smallest.indices[..., :count], smallest.values[..., count]


def compare(lists: Lists, k: int, measure: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Return distances (n, t) float64 to rows listed, inf to those not among the k nearest.

    Args:
        lists: (n, t) rows.
        k: how many rows are looked for.
        measure: returns the distances (p,) float64 of pairs: queries (p,) and rows (p,).
    """
    distances = torch.full_like(lists.lower, torch.inf, dtype=torch.float64)
    left = lists.rows >= 0
    for most in (k, lists.rows.shape[1]):  # the likeliest first: they exclude most others
        near = left & (lists.lower <= distances.topk(k, largest=False).values[:, -1:])
        near[:, most:] = False
        query, place = near.nonzero().unbind(dim=1)
        distances[query, place] = measure(query, lists.rows[query, place].long())
        left &= ~near
    return distances


def apart(
    queries: Tensor, gallery: Tensor, query: Tensor, row: Tensor, memory: int = TILE_BYTES
) -> Tensor:
    """Return the distances (p,) float64 of pairs, from differences made within some memory.

    Args:
        queries: (n, d).
        gallery: (m, d).
        query: (p,) rows of the queries.
        row: (p,) rows of the gallery.
        memory: bytes of differences that are made together.
    """
    step = max(1, memory // (8 * queries.shape[1]))
    pairs = zip(query.split(step), row.split(step), strict=True)
    lengths = [
        length(gallery.index_select(0, theirs).sub_(queries.index_select(0, ours)))
        for ours, theirs in pairs
    ]
    return torch.cat(lengths)


@dataclass(frozen=True)
class Bank:
    """Rows (m, d), and their bounds (1, m, K)."""

    rows: Tensor
    reduction: Reduction
    reduced: Reduced

    @classmethod
    def of(cls, rows: Tensor, reduction: Reduction) -> Bank:
        """Reduce rows."""
        return cls(rows, reduction, reduction.gallery(rows[None]).largest())


def search_bank(queries: Tensor, bank: Bank, k: int) -> tuple[Tensor, Tensor]:
    """Return distances (n, k) float64 to, and rows of, the nearest in a bank, to queries (n, d).

    The host waits three times, and three times more wherever some queries are open.
    """
    distances, rows, least = _nearest(queries, bank, k, LISTED)
    for finer, listed in _after(bank):
        again = (least < distances[:, -1]).nonzero()[:, 0]
        if len(again) == 0:
            break
        nearest = _nearest(queries[again], finer, k, listed)
        distances[again], rows[again], least[again] = nearest
    return distances, rows


def _after(bank: Bank) -> Iterator[tuple[Bank | Tensor, int]]:
    """Yield banks and lengths of lists that settle ever more queries; at last the rows alone."""
    if bank.reduction.basis is not None:
        yield bank, LONGER
        yield Bank.of(bank.rows, bank.reduction.whole(torch.float32)), LISTED
    yield bank.rows, LISTED


def _nearest(
    queries: Tensor, bank: Bank | Tensor, k: int, listed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return distances and rows (n, k), and what all other rows' distances are at least, (n,)."""
    if isinstance(bank, Bank):
        reduced_queries = bank.reduction.queries(queries[None])
        lists = shortlist(reduced_queries, bank.reduced, k + listed, TILE_BYTES)
        lists, gallery = Lists(*(numbers[0] for numbers in lists)), bank.rows
    else:
        lists, gallery = _by_differences(queries, bank, k + listed), bank
    distances = compare(lists, k, partial(apart, queries, gallery))
    rows, order = lists.rows.long().sort(dim=1)  # of equally near ones, the first comes first
    distances, nearest = distances.gather(1, order).sort(dim=1, stable=True)
    return distances[:, :k], rows.gather(1, nearest[:, :k]), lists.least


def _by_differences(queries: Tensor, rows: Tensor, count: int) -> Lists:
    """List the nearest rows by all differences."""
    gallery = rows.double()
    places = [
        _smallest(torch.cdist(some.double(), gallery, compute_mode=DIFFERENCES)[None], count)[0][0]
        for some in queries.split(max(1, TILE_BYTES // (8 * len(rows))))
    ]
    nearest = torch.cat(places).int()
    least = queries.new_full((len(queries),), torch.inf, dtype=torch.float64)
    return Lists(nearest, queries.new_zeros(nearest.shape), least)


def length(differences: Tensor) -> Tensor:
    """Return the lengths (…,) float64 of float32 vectors (…, d): no square is lost or overflows."""
    return torch.linalg.vector_norm(differences, dim=-1, dtype=torch.float64)
