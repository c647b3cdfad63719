"""Exact greedy k-centre (farthest-first) selection for PatchCore's memory bank."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from methods.lazy import torch
from methods.parallel import each

if TYPE_CHECKING:
    from torch import Tensor

FIRST_POOL, POOL = 256, 4096
"""Points among which centres are selected between two updates of the others: few at first, when
few can be selected before one outside is farther, then as many as centres, up to the second."""

BLOCK_ELEMENTS = 1 << 20
"""Size of one block of distances: small enough to be reduced while it lies in the cache."""

BLOCK_ROWS = 4096
"""Points that are assigned to pivots at a time."""

PIVOTS_PER_ROOT = 2.0
"""Number of groups, as a multiple of √N: more groups are tighter, but each costs some overhead."""

ROUNDING = 1e-4
"""Share of the largest length by which groups are kept in reach although they seem beyond it."""


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

    The same selection as the plain loop that updates all N distances after every centre.
    Distances only shrink, so those not yet updated are upper bounds. The points with the largest
    bounds form a pool; inside it centres are selected exactly until the best one falls below the
    largest bound outside. Only then are the other points updated, against all new centres at once.

    The first centres become pivots of groups of points. From then on, a group is updated only
    against centres that the triangle inequality does not exclude from being nearest to any member.

    Args:
        points: (N, d) float32.
        size: number of centres, at most N.
        distances: (N,) initial distances: what the first centre is chosen by.

    Returns:
        indices (size,) in the order of selection; no point is selected twice.
    """
    state = _State(points - points.mean(dim=0), distances.square())
    on_cpu = points.device.type == "cpu"  # elsewhere the small products of groups do not pay
    pivots = min(size, int(PIVOTS_PER_ROOT * len(points) ** 0.5)) if on_cpu else size
    while len(state.selected) < pivots:
        state.lower_all(state.next_centres(pivots - len(state.selected)))
    if len(state.selected) < size:
        groups = _Groups(state)
        while len(state.selected) < size:
            groups.lower(state.next_centres(size - len(state.selected)))
    return torch.tensor(state.selected, device=points.device)


class _State:
    """Points with upper bounds of their squared distances to the centres selected so far."""

    def __init__(self, points: Tensor, bounds: Tensor) -> None:
        self.points, self.norms = points, points.square().sum(dim=1)
        self.bounds = bounds
        self.names = torch.arange(len(points), device=points.device)
        self.selected: list[int] = []

    def reorder(self, order: Tensor) -> None:
        """Bring the points into another order; they keep their names."""
        self.points, self.norms = self.points[order], self.norms[order]
        self.bounds, self.names = self.bounds[order], self.names[order]

    def next_centres(self, limit: int) -> Tensor:
        """Select at least one and at most `limit` further centres, and return their rows."""
        size = min(POOL, max(FIRST_POOL, len(self.selected)))
        largest = self.bounds.topk(min(size + 1, len(self.bounds)))
        pool, ceiling = largest.indices[:size], float("-inf")
        if len(largest.indices) > size:
            ceiling = float(largest.values[-1])
        positions = _select(self.points[pool], largest.values[:size], ceiling, limit)
        centres = pool[torch.tensor(positions, device=pool.device)]
        self.bounds[centres] = -1.0
        self.selected += self.names[centres].tolist()
        return centres

    def lower_all(self, centres: Tensor) -> None:
        """Lower all bounds by the new centres' distances."""
        rows = max(1, BLOCK_ELEMENTS // len(centres))
        for start in range(0, len(self.points), rows):
            self.lower(slice(start, start + rows), self.points[centres], self.norms[centres])

    def lower(self, rows: slice | Tensor, centres: Tensor, norms: Tensor) -> None:
        """Lower the bounds of some rows by the distances from centres (m, d) of squared length."""
        nearest = torch.addmm(norms, self.points[rows], centres.T, alpha=-2).amin(dim=1)
        nearest = (nearest + self.norms[rows]).clamp_(min=0)
        self.bounds[rows] = torch.minimum(self.bounds[rows], nearest)


class _Groups:
    """Points grouped around the centres selected so far, their pivots, in the state's order.

    A new centre c can be nearer than its bound b to a point at distance t from its pivot p only if
    d(c, p) < b + t. So a centre beyond the largest b + t of a group leaves the group unchanged, and
    a point whose b + t is below the d(c, p) of all centres in reach stays unchanged too.
    """

    def __init__(self, state: _State) -> None:
        pivots = state.points[torch.tensor(state.selected)]
        group = torch.cat([_nearest(part, pivots) for part in state.points.split(BLOCK_ROWS)])
        state.reorder(group.argsort(stable=True))
        self._state, self._pivots = state, pivots.double()
        self._group = group.sort().values
        self._starts = np.searchsorted(self._group.numpy(), np.arange(len(pivots) + 1))
        self._to_pivot = torch.linalg.vector_norm(state.points - pivots[self._group], dim=1)
        self._slack = ROUNDING * float(state.norms.max()) ** 0.5

    def lower(self, centres: Tensor) -> None:
        """Lower the bounds of all points that the new centres may be nearest to."""
        state = self._state
        new, norms = state.points[centres], state.norms[centres]
        away = torch.cdist(self._pivots, new.double()).float()  # (pivots, m)
        reach = state.bounds.clamp(min=0).sqrt() + self._to_pivot + self._slack
        furthest = torch.zeros(len(away)).scatter_reduce_(0, self._group, reach, "amax")
        near = away < furthest[:, None]

        def lower_group(number: int) -> None:
            members = slice(int(self._starts[number]), int(self._starts[number + 1]))
            columns = near[number].nonzero()[:, 0]
            closest = float(away[number, columns].min())
            rows = (reach[members] > closest).nonzero()[:, 0] + members.start
            state.lower(rows, new[columns], norms[columns])

        each(lower_group, near.any(dim=1).nonzero()[:, 0].tolist(), state.points.device)


def _nearest(points: Tensor, pivots: Tensor) -> Tensor:
    """Return the number of each point's nearest pivot, (n,)."""
    return torch.addmm(pivots.square().sum(dim=1), points, pivots.T, alpha=-2).argmin(dim=1)


def _select(points: Tensor, bounds: Tensor, ceiling: float, limit: int) -> list[int]:
    """Return positions in a pool (at least one), farthest first, while at or above `ceiling`."""
    exact = points.double()
    norms = exact.square().sum(dim=1)
    between = torch.addmm(norms, exact, exact.T, alpha=-2).add_(norms[:, None])
    squared, current = between.cpu().numpy(), bounds.double().cpu().numpy()
    chosen: list[int] = []
    while len(chosen) < min(limit, len(current)):
        best = int(current.argmax())
        if chosen and current[best] < ceiling:
            break
        chosen.append(best)
        np.minimum(current, squared[best], out=current)
        current[chosen[-1]] = -1.0
    return chosen
