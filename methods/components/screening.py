"""Exact nearest neighbours with most distances only bounded from below, in low precision.

One matrix product of reduced vectors (see `methods.components.bounds`) says which rows can't be
the nearest; the few others are compared exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from methods.components.bounds import Allowance, Reduced, Reduction
from methods.components.neighbours import nearest, refine
from methods.components.parallel import parallel_map
from methods.components.shortlist import Bank, search_bank
from methods.lazy import Tensor, torch

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Tiles:
    """How a search on the CPU divides its work, which changes no result.

    Attributes:
        gallery_rows: rows of one tile of bounds, small enough to be read again from the cache.
        query_rows: queries of one tile of bounds.
        hopeless: a query for which more of a tile's rows than this share need an exact check is
            searched there by brute force.
        few: exact checks of a query too few for brute force to pay.
        several: hopeless queries of a tile too few for brute force to pay.
    """

    gallery_rows: int = 4096
    query_rows: int = 512
    hopeless: float = 1 / 16
    few: int = 256
    several: int = 8


TILES = Tiles()


@dataclass
class Best:
    """The nearest rows found so far: squared distances (n,) and rows (n,)."""

    squared: Tensor
    rows: Tensor

    @classmethod
    def none(cls, queries: Tensor) -> Best:
        """Return distances inf and rows -1: nothing is compared yet."""
        rows = torch.full((len(queries),), -1, device=queries.device)
        return cls(queries.new_full((len(queries),), torch.inf), rows)

    def __getitem__(self, queries: slice) -> Best:
        return Best(self.squared[queries], self.rows[queries])


@dataclass(frozen=True)
class Bounded:
    """Vectors (n, d), and the same reduced, by which their distances are bounded."""

    vectors: Tensor
    reduced: Reduced

    def __getitem__(self, rows: slice) -> Bounded:
        return Bounded(self.vectors[rows], self.reduced[rows])


class ScreenedBank:
    """A memory bank (m, d) that is searched through its reduction."""

    def __init__(self, bank: Tensor, tiles: Tiles = TILES) -> None:
        self._bank, self._reduction, self._tiles = bank, Reduction.of(bank), tiles
        self._on_device = None if compiles(bank.device) else Bank.of(bank, self._reduction)
        if self._on_device is None:
            self._gallery = Bounded(bank, self._reduction.gallery(bank))

    def nearest(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distance to, and the row of, each query's nearest row: both (n,), exact.

        Distances are made as `nearest` makes them, so that it matters not which of both searches.
        """
        if self._on_device is not None:
            distances, rows = search_bank(queries, self._on_device, 1)
            return distances[:, 0].float(), rows[:, 0]
        best, bounded = Best.none(queries), Bounded(queries, self._reduction.queries(queries))
        tiles, distances = self._tiles, torch.empty_like(best.squared)

        def search(start: int) -> None:
            block = slice(start, start + tiles.query_rows)
            for first in range(0, len(self._bank), tiles.gallery_rows):
                rows = slice(first, first + tiles.gallery_rows)
                gallery = self._gallery[rows]
                improve(best[block], bounded[block], gallery, first_row=first, tiles=tiles)
            nearest_rows = best.rows[block, None]
            distances[block] = refine(queries[block], self._bank, nearest_rows)[0][:, 0]

        parallel_map(search, range(0, len(queries), tiles.query_rows), queries.device)
        return distances, best.rows


def improve(
    best: Best, queries: Bounded, gallery: Bounded, *, first_row: int = 0, tiles: Tiles = TILES
) -> None:
    """Lower `best`, in place, by whatever in the gallery is nearer, in loops compiled for the CPU.

    They compare a pair as soon as its bound is seen to be low.

    Args:
        best: what is known of the queries.
        queries: n of them.
        gallery: m rows.
        first_row: the number of the gallery's first row.
        tiles: when to give a query up to brute force.
    """
    from methods.components import kernels

    bounds = bits(queries.reduced.squared_distances(gallery.reduced))
    allowance = allowance_of(queries.reduced, gallery.reduced)
    ours, theirs = queries.vectors, gallery.vectors
    arrays = best.squared.numpy(), best.rows.numpy()
    pairs = kernels.Pairs(ours.numpy(), theirs.numpy(), *arrays, first_row)
    most = max(tiles.few, int(tiles.hopeless * len(theirs)))
    given_up = kernels.nearest_below(bounds, allowance, pairs, tiles.several, most)
    if given_up.any():
        rest = torch.from_numpy(given_up).nonzero()[:, 0]
        rows = nearest(ours[rest], theirs)[1][:, 0]
        squared = (ours[rest] - theirs[rows]).square().sum(dim=1)
        known, first = best.squared[rest], first_row + rows < best.rows[rest]
        nearer = (squared < known) | ((squared == known) & first)
        rest, rows = rest[nearer], rows[nearer]
        best.squared[rest], best.rows[rest] = squared[nearer], rows + first_row


def allowance_of(reduced_queries: Reduced, reduced_gallery: Reduced) -> Allowance:
    """Return what rounding may have added to bounds, for loops compiled for the CPU."""
    error, norms = reduced_gallery.error.max(), reduced_gallery.norms.max()
    return Allowance.of(reduced_queries, error, norms).arrays()


def bits(bounds: Tensor) -> np.ndarray[Any, Any]:
    """Return lower bounds on the CPU as integers of the same order (see `kernels`)."""
    return bounds.view(torch.int16 if bounds.dtype == torch.bfloat16 else torch.int32).numpy()


def compiles(device: torch.device) -> bool:
    """Return whether loops compiled for the CPU serve the device."""
    return device.type == "cpu"
