"""The greedy selection on a GPU: three operations a centre, and hardly a word from the device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from methods.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

POOL = 4096
"""Farthest points, between which all distances are made; the next centres are among them."""

STRIDE = 256
"""Centres selected before the device is asked how many of them were far enough."""

COMPARED_BYTES = 1 << 30
"""Memory for distances between points and centres."""


def select_on_device(points: Tensor, distances: Tensor) -> Iterator[Tensor]:
    """Yield indices of points, the farthest first, some at a time, until none is left.

    Args:
        points: (N, d) float32.
        distances: (N,) initial distances: what the first centre is chosen by.
    """
    between, bounds = _Between(points, exact=False), distances.square()
    chosen: list[Tensor] = []
    left = len(points)
    while left:
        farthest = bounds.sort(descending=True, stable=True)
        pool = farthest.indices[:POOL].sort()[0]
        ceiling, barrier = bounds.new_zeros(1), pool.new_full((1,), len(points))
        if len(points) > POOL:  # the farthest outside, and of equally far ones the first
            outside = farthest.values[POOL : POOL + 1]
            barrier = farthest.indices[POOL : POOL + 1].masked_fill(outside < 0, len(points))
            ceiling = outside.clamp(min=0)
        if not between.exact and float(ceiling) < between.unsure:
            between, bounds = _Between(points, exact=True), distances.square()
            for centres in chosen:
                _lower(bounds, between, centres)
            continue
        new = []
        for places, heights in _farthest(between(pool, pool), bounds.index_select(0, pool)):
            centres = pool.index_select(0, places)
            far = (heights > ceiling) | ((heights == ceiling) & (centres < barrier))
            count = int(far.sum())
            if count:
                new.append(centres[:count])
                yield new[-1]
            if count < len(centres):
                break
        if new:
            chosen.append(torch.cat(new))
            left -= len(chosen[-1])
            _lower(bounds, between, chosen[-1])


def _farthest(between: Tensor, current: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield places in a pool, each the farthest from those before it, and how far they were.

    Args:
        between: (n, n) squared distances, -1 of each point to itself.
        current: (n,) squared distances to the nearest centre.
    """
    current = current[None]
    for start in range(0, len(between), STRIDE):
        steps = min(STRIDE, len(between) - start)
        places = torch.empty(steps, 1, dtype=torch.long, device=between.device)
        heights = current.new_empty(steps, 1)
        for place, height in zip(places.unbind(), heights.unbind(), strict=True):
            torch.max(current, 1, out=(height, place))
            torch.minimum(current, between.index_select(0, place), out=current)
        yield places[:, 0], heights[:, 0]


def _lower(bounds: Tensor, between: _Between, centres: Tensor) -> None:
    """Lower the bounds of all points to their distances from some centres; -1 for these."""
    step = max(1, COMPARED_BYTES // (8 * len(centres)))
    for start in range(0, len(bounds), step):
        part = slice(start, start + step)
        nearest = between(part, centres).amin(dim=1)
        torch.minimum(bounds[part], nearest, out=bounds[part])
    bounds.index_fill_(0, centres, -1.0)


class _Between:
    """Squared distances between points, float32: by products in float64, or by differences.

    With centred points, products are off by less than (d + 4)·2⁻⁵¹ of the largest squared length.

    Attributes:
        exact: whether they are computed from differences.
        unsure: the squared distance below which products are off by more than float32's rounding.
    """

    def __init__(self, points: Tensor, *, exact: bool) -> None:
        self.exact, self._points = exact, points.double()
        if not exact:
            self._points -= self._points.mean(dim=0)
            self._norms = self._points.square().sum(dim=1)
            largest = float(self._norms.amax())
            self.unsure = largest * (points.shape[1] + 4) * 2.0**-27

    def __call__(self, ours: Tensor | slice, theirs: Tensor) -> Tensor:
        """Return the squared distances (n, m) of points; -1 of each to itself where n are m."""
        points, others = self._points[ours], self._points[theirs]
        if self.exact:
            exact = "donot_use_mm_for_euclid_dist"
            squared = torch.cdist(points, others, compute_mode=exact).square_()
        else:
            squared = torch.addmm(self._norms[theirs], points, others.T, alpha=-2)
            squared = squared.add_(self._norms[ours][:, None]).clamp_(min=0)
        between = squared.float()
        return between.fill_diagonal_(-1.0) if ours is theirs else between
