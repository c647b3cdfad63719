"""Exact greedy k-centre (farthest-first) selection for PatchCore's memory bank.

Distances to the nearest centre only shrink, so one that has not been compared with the latest
centres is an upper bound, and an upper bound is all that excludes a point from being the farthest.
Only points with the largest bounds are therefore compared with all centres, when their turn comes.
What keeps other bounds tight needs no guarantee: a new centre is compared with points around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.components.parallel import each
from methods.components.screening import Best, Screen, bits, compiled_rounding, compiles, improve
from methods.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

POOL = 4096
"""Points that are compared with all centres together; the next centres are selected among them."""

CELL_POINTS = 1024
"""Mean number of points around one pivot."""

CELLS_AROUND = 8
"""Cells nearest to a new centre with whose points it is compared at once."""

WORTHWHILE = 0.5
"""Points with squared bounds below this share of the pool's smallest are not compared at once."""

PART = {"cpu": 512, "cuda": 1 << 16}
CENTRES = 4096
"""Points and centres that are compared together: on the CPU, bounds that lie in the cache."""

ASSIGNED = 8192
"""Points that are assigned to pivots together."""

UNWATCHED = 256
"""Centres selected on a device before it is asked how many of them were high enough."""


def projection(width: int, dims: int, generator: torch.Generator) -> Tensor:
    """Return a random linear map (width, dims) of features; the identity if width ≤ dims.

    The map is `nn.Linear`'s default initialisation without bias, uniform in ±1/√width, as in the
    official code; distances are kept up to a common factor (Johnson-Lindenstrauss).
    """
    if width <= dims:
        return torch.eye(width)
    return (torch.rand(dims, width, generator=generator) * 2 - 1).T / width**0.5


def starting_distances(points: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return each point's mean distance to `count` random points, (N,).

    The official code starts so instead of from a first centre; the points drawn are not selected.
    """
    drawn = torch.randperm(len(points), generator=generator)[:count].to(points.device)
    exact = "donot_use_mm_for_euclid_dist"
    return torch.cdist(points, points[drawn], compute_mode=exact).mean(dim=1)


def farthest_first(points: Tensor, size: int, distances: Tensor) -> Tensor:
    """Select `size` points, each the farthest from those selected before it ("coreset", eq. 5).

    The same selection as the plain loop's, that updates all N distances after every centre, up to
    points that are equally far within float32's rounding.

    Args:
        points: (N, d) float32.
        size: number of centres, at most N.
        distances: (N,) initial distances: what the first centre is chosen by.

    Returns:
        indices (size,) in the order of selection; no point is selected twice.

    Raises:
        ValueError: some initial distances are no numbers.
    """
    if bool(distances.isnan().any()):
        raise ValueError("initial distances must be numbers: some are NaN")
    points = points - points.mean(dim=0)
    cells = _Cells.of(points)
    state = _State(points[cells.order], distances[cells.order].square(), size)
    while len(state.centres) < size:
        pool, ceiling = state.pool()
        state.catch_up(pool)
        pool = pool[state.bounds[pool] >= ceiling]
        state.select(pool, ceiling, size - len(state.centres))
        cells.spread(state, ceiling * WORTHWHILE)
    return cells.order[state.centres]


class _State:
    """Points with upper bounds of their squared distances to the centres; -1 once selected.

    Attributes:
        centres: (n,) the points selected so far, in order; `added` is the number of the first
            among those selected last.
    """

    def __init__(self, points: Tensor, bounds: Tensor, size: int) -> None:
        self.points, self.bounds = points, bounds
        self.centres, self.added = torch.empty(0, dtype=torch.long, device=points.device), 0
        self._screen = Screen.of(points)
        self._asked = self._screen.queries(points)
        self.centre_points = points.new_empty(size, points.shape[1])
        self._reduced = self._screen.gallery(points[:1]).room(size)
        self._compared = torch.zeros(len(points), dtype=torch.long, device=points.device)

    def pool(self) -> tuple[Tensor, float]:
        """Return the points with the largest bounds, and the largest bound outside them."""
        largest = self.bounds.topk(min(POOL + 1, len(self.bounds)))
        if len(self.bounds) <= POOL:
            return largest.indices, 0.0
        return largest.indices[:-1], max(0.0, float(largest.values[-1]))

    def select(self, pool: Tensor, ceiling: float, most: int) -> None:
        """Append up to `most` centres from a pool that has caught up."""
        self.added = len(self.centres)
        if len(pool) == 0:  # all that seemed farthest turned out to be nearer than others
            return
        points, squared = self.points[pool], self.bounds[pool]
        chosen = _farthest(self._screen, points, squared, ceiling, most)
        self.centres = torch.cat([self.centres, pool[chosen]])
        new = slice(self.added, len(self.centres))
        self.centre_points[new] = points[chosen]
        self._reduced.put(new, self._screen.gallery(points[chosen]))
        self.bounds[pool] = squared

    def catch_up(self, points: Tensor) -> None:
        """Compare some points with all centres that they have not yet been compared with."""
        points = points[self._compared[points].argsort()]

        def compare(part: Tensor) -> None:
            for first in range(int(self._compared[part[0]]), len(self.centres), CENTRES):
                self.lower(part, slice(first, min(first + CENTRES, len(self.centres))))

        each(compare, points.split(PART[points.device.type]), points.device)
        self._compared[points] = len(self.centres)

    def lower_few(self, rows: Tensor, numbers: Tensor) -> None:
        """As `lower`, where there are too few for a product to pay."""
        if not compiles(rows.device):
            for part in rows.split(PART[rows.device.type]):
                self.lower(part, numbers)
            return
        from methods.components import kernels

        points, bounds, centres = self.points, self.bounds, self.centre_points
        arrays = (array.numpy() for array in (points, bounds, rows, centres, numbers))
        kernels.lower(*arrays)

    def lower(self, rows: Tensor, numbers: slice | Tensor) -> None:
        """Lower some points' bounds to the distances from the nearest of some centres."""
        best = Best(self.bounds[rows], torch.empty_like(rows))
        centres = self.centre_points[numbers]
        points = self.points.index_select(0, rows)  # several times as fast as indexing
        improve(best, points, centres, self._asked[rows], self._reduced[numbers])
        self.bounds[rows] = best.squared


@dataclass(frozen=True)
class _Cells:
    """Points grouped by the nearest of some pivots.

    Attributes:
        order: (N,) the points, cell by cell.
        borders: (cells + 1,) where cells begin and end in that order.
        pivots: (cells, d).
    """

    order: Tensor
    borders: Tensor
    pivots: Tensor

    @classmethod
    def of(cls, points: Tensor) -> _Cells:
        """Group points (N, d) around pivots taken at regular intervals; off the CPU, all in one."""
        count = max(1, len(points) // CELL_POINTS) if points.device.type == "cpu" else 1
        pivots = points[torch.arange(count, device=points.device) * len(points) // count]
        own = torch.cat([_apart(part, pivots).argmin(dim=1) for part in points.split(ASSIGNED)])
        ends = torch.bincount(own, minlength=count).cumsum(dim=0)
        return cls(own.argsort(stable=True), torch.nn.functional.pad(ends, (1, 0)), pivots)

    def spread(self, state: _State, least: float) -> None:
        """Compare the centres added last with the points around them of bounds of `least` on."""
        around = min(CELLS_AROUND, len(self.pivots))
        apart = _apart(state.centre_points[state.added : len(state.centres)], self.pivots)
        cells = apart.topk(around, largest=False).indices.flatten()
        sizes = torch.bincount(cells, minlength=len(self.pivots)).tolist()
        near = (cells.argsort(stable=True) // around + state.added).split(sizes)
        rows = (state.bounds >= least).nonzero()[:, 0]
        members = rows.tensor_split(torch.searchsorted(rows, self.borders[1:-1]).cpu())

        def lower(cell: int) -> None:
            state.lower_few(members[cell], near[cell])

        busy = [cell for cell, size in enumerate(sizes) if size and len(members[cell])]
        each(lower, busy, rows.device)


def _apart(points: Tensor, pivots: Tensor) -> Tensor:
    """Return squared distances (n, cells) less each point's squared length."""
    return torch.addmm(pivots.square().sum(dim=1), points, pivots.T, alpha=-2)


def _farthest(screen: Screen, points: Tensor, squared: Tensor, ceiling: float, most: int) -> Tensor:
    """Return positions in a pool, farthest first, while at or above `ceiling`.

    Args:
        screen: reduces points.
        points: (n, d), the pool.
        squared: (n,) squared distances to the nearest centre, lowered in place; -1 once selected.
        ceiling: squared distance below which none is selected.
        most: how many to select at most.
    """
    if not compiles(points.device):
        return _farthest_on_device(points, squared, ceiling, most)
    from methods.components import kernels

    asked, reduced = screen.queries(points), screen.gallery(points)
    chosen = kernels.farthest_first(
        bits(asked.points @ reduced.points.T),
        compiled_rounding(asked, reduced),
        points.numpy(),
        squared.numpy(),
        ceiling,
        most,
    )
    return torch.from_numpy(chosen)


def _farthest_on_device(points: Tensor, squared: Tensor, ceiling: float, most: int) -> Tensor:
    """As `_farthest`, without a word from the device before many have been selected."""
    exact = points.double()
    norms = exact.square().sum(dim=1)
    between = torch.addmm(norms, exact, exact.T, alpha=-2).add_(norms[:, None]).clamp_(min=0)
    current, chosen, going_on = squared.double(), squared.new_empty(0, dtype=torch.long), True
    while going_on and len(chosen) < most:
        best = chosen.new_empty(min(UNWATCHED, most - len(chosen)), 1)
        heights = current.new_empty(best.shape)
        for step in range(len(best)):
            torch.max(current, 0, keepdim=True, out=(heights[step], best[step]))
            torch.minimum(current, between.index_select(0, best[step])[0], out=current)
            current.index_fill_(0, best[step], -1.0)
        right = int((heights >= ceiling).sum())
        chosen = torch.cat([chosen, best[:right, 0]])
        going_on = right == len(best)
    lowered = between.index_select(0, chosen).amin(dim=0).index_fill_(0, chosen, -1.0)
    torch.minimum(squared, lowered.float(), out=squared)
    return chosen
