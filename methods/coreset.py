"""Exact greedy k-centre (farthest-first) selection for PatchCore's memory bank.

Distances to the nearest centre only shrink, so one that has not been compared with the latest
centres is an upper bound, and an upper bound is all that excludes a point from being the farthest.
Only points with the largest bounds are therefore compared with all centres, when their turn comes.
What keeps other bounds tight needs no guarantee: a new centre is compared with points around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from methods.lazy import torch
from methods.parallel import each

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

BLOCK_ELEMENTS = 1 << 20
"""Size of one block of distances: small enough to be searched while it lies in the cache."""

DEVICE_BLOCK_ELEMENTS = 1 << 27
"""The same on devices other than the CPU, where few large products are faster than many."""

PARTS = 8
"""A pool is brought up to date in so many parts: several for every core, as some take longer."""


def project(features: Tensor, dims: int, generator: torch.Generator) -> Tensor:
    """Return features (N, D) through a random linear map to (N, dims); as they are if D ≤ dims.

    The map is `nn.Linear`'s default initialisation without bias, uniform in ±1/√D, as in the
    official code; distances are kept up to a common factor (Johnson-Lindenstrauss).
    """
    width = features.shape[1]
    if width <= dims:
        return features
    weights = torch.rand(dims, width, generator=generator) * 2 - 1
    return features @ (weights / width**0.5).to(features.device).T


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
        limit = size - len(state.centres)
        state.add(pool[_select(state.points[pool], state.bounds[pool], ceiling, limit)])
        cells.spread(state, ceiling * WORTHWHILE)
    return cells.order[state.centres]


class _State:
    """Points with upper bounds of their squared distances to the centres; -1 once selected.

    Attributes:
        centres: (n,) the points selected so far, in order; `added` is the number of the first
            among those selected last.
    """

    def __init__(self, points: Tensor, bounds: Tensor, size: int) -> None:
        self.points, self.norms, self.bounds = points, points.square().sum(dim=1), bounds
        self.centres, self.added = torch.empty(0, dtype=torch.long, device=points.device), 0
        self.centre_points = points.new_empty(size, points.shape[1])
        self.centre_norms = points.new_empty(size)
        on_cpu = points.device.type == "cpu"
        self.block = BLOCK_ELEMENTS if on_cpu else DEVICE_BLOCK_ELEMENTS
        self._compared = torch.zeros(len(points), dtype=torch.long, device=points.device)

    def pool(self) -> tuple[Tensor, float]:
        """Return the points with the largest bounds, and the largest bound outside them."""
        largest = self.bounds.topk(min(POOL + 1, len(self.bounds)))
        if len(self.bounds) <= POOL:
            return largest.indices, 0.0
        return largest.indices[:-1], max(0.0, float(largest.values[-1]))

    def add(self, points: Tensor) -> None:
        """Append centres."""
        self.added = len(self.centres)
        self.centres = torch.cat([self.centres, points])
        new = slice(self.added, len(self.centres))
        self.centre_points[new], self.centre_norms[new] = self.points[points], self.norms[points]
        self.bounds[points] = -1.0

    def catch_up(self, points: Tensor) -> None:
        """Compare some points with all centres that they have not yet been compared with."""
        points = points[self._compared[points].argsort()]

        def compare(part: Tensor) -> None:
            step = max(1, self.block // len(part))
            for first in range(int(self._compared[part[0]]), len(self.centres), step):
                self.lower(part, slice(first, min(first + step, len(self.centres))))

        each(compare, points.split(max(1, POOL // PARTS)), points.device)
        self._compared[points] = len(self.centres)

    def lower(self, rows: Tensor, numbers: slice | Tensor) -> None:
        """Lower some points' bounds to the distances from the nearest of some centres.

        The product only finds the nearest centre. Its distance comes from the difference, which is
        as precise as the plain loop's.
        """
        points = self.points.index_select(0, rows)  # several times as fast as indexing
        centres = self.centre_points[numbers]
        products = torch.addmm(self.centre_norms[numbers], points, centres.T, alpha=-2)
        nearest = _argmin(products)
        squared = products.gather(1, nearest[:, None])[:, 0] + self.norms[rows]
        closer = (squared < self.bounds[rows]).nonzero()[:, 0]
        rows, nearest = rows[closer], nearest[closer]
        difference = points.index_select(0, closer).sub_(centres.index_select(0, nearest))
        exact = difference.square_().sum(dim=1)
        self.bounds[rows] = torch.minimum(self.bounds[rows], exact)


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
        parts = points.split(max(1, BLOCK_ELEMENTS // count))
        own = torch.cat([_argmin(_apart(part, pivots)) for part in parts])
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
            for part in members[cell].split(max(1, state.block // len(near[cell]))):
                state.lower(part, near[cell])

        busy = [cell for cell, size in enumerate(sizes) if size and len(members[cell])]
        each(lower, busy, rows.device)


def _apart(points: Tensor, pivots: Tensor) -> Tensor:
    """Return squared distances (n, cells) less each point's squared length."""
    return torch.addmm(pivots.square().sum(dim=1), points, pivots.T, alpha=-2)


def _argmin(values: Tensor) -> Tensor:
    """Return the position of each row's minimum; NumPy's search is several times PyTorch's."""
    if values.device.type != "cpu":
        return values.argmin(dim=1)
    return torch.from_numpy(values.numpy().argmin(axis=1))


def _select(points: Tensor, bounds: Tensor, ceiling: float, limit: int) -> Tensor:
    """Return positions among points with exact distances, farthest first, down to `ceiling`."""
    exact = points.double()
    norms = exact.square().sum(dim=1)
    between = torch.addmm(norms, exact, exact.T, alpha=-2).add_(norms[:, None])
    squared = between.fill_diagonal_(-1.0).cpu().numpy()
    current = bounds.double().cpu().numpy()
    chosen: list[int] = []
    while len(chosen) < min(limit, len(current)):
        best = int(current.argmax())
        if current[best] < ceiling:
            break
        chosen.append(best)
        np.minimum(current, squared[best], out=current)
    return torch.tensor(chosen, dtype=torch.long, device=points.device)
