"""The greedy selection on a GPU: three operations a centre, and hardly a word from the device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from methods.lazy import Tensor, torch


@dataclass(frozen=True)
class Sizes:
    """How a selection divides its work, which changes no result.

    Attributes:
        pool: points with the largest bounds; the next centres are selected among them.
        stride: centres that are selected before a selection may pause, or before the host asks the
            device how many of them were far enough.
        compared_bytes: on a device, memory for distances between points and centres.
        cluster_points: on the CPU, mean number of points around one pivot.
        clusters_around: clusters nearest to a new centre, with whose points it is compared at once.
        worthwhile: points with squared bounds below this share of the pool's smallest are not
            compared at once.
        rows: points that are compared together with
        centres: so many centres: their bounds lie in the cache.
        assigned: points that are assigned to pivots together.
    """

    pool: int = 4096
    stride: int = 256
    compared_bytes: int = 1 << 30
    cluster_points: int = 1024
    clusters_around: int = 8
    worthwhile: float = 0.5
    rows: int = 512
    centres: int = 4096
    assigned: int = 8192


SIZES = Sizes()


def select_on_device(points: Tensor, distances: Tensor, sizes: Sizes = SIZES) -> Iterator[Tensor]:
    """Yield indices of points, the farthest first, some at a time, until none is left.

    Args:
        points: (N, d) float32.
        distances: (N,) initial distances: what the first centre is chosen by.
        sizes: how the work is divided.
    """
    between, bounds = _Between(points, exact=False), distances.square()
    chosen: list[Tensor] = []
    left = len(points)
    while left:
        farthest = bounds.sort(descending=True, stable=True)
        pool = farthest.indices[: sizes.pool].sort()[0]
        ceiling, barrier = bounds.new_zeros(1), pool.new_full((1,), len(points))
        if len(points) > sizes.pool:  # the farthest outside, and of equally far ones the first
            after = slice(sizes.pool, sizes.pool + 1)
            outside = farthest.values[after]
            barrier = farthest.indices[after].masked_fill(outside < 0, len(points))
            ceiling = outside.clamp(min=0)
        if not between.exact and float(ceiling) < between.unsure:
            between, bounds = _Between(points, exact=True), distances.square()
            for centres in chosen:
                _lower(bounds, between, centres, sizes.compared_bytes)
            continue
        new = []
        current = bounds.index_select(0, pool)
        for places, heights in _farthest(between(pool, pool), current, sizes.stride):
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
            _lower(bounds, between, chosen[-1], sizes.compared_bytes)


def _farthest(between: Tensor, current: Tensor, stride: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield places in a pool, each the farthest from those before it, and how far they were.

    Args:
        between: (n, n) squared distances, -1 of each point to itself.
        current: (n,) squared distances to the nearest centre.
        stride: places that are yielded together.
    """
    current = current[None]
    for start in range(0, len(between), stride):
        steps = min(stride, len(between) - start)
        places = torch.empty(steps, 1, dtype=torch.long, device=between.device)
        heights = current.new_empty(steps, 1)
        for place, height in zip(places.unbind(), heights.unbind(), strict=True):
            torch.max(current, 1, out=(height, place))
            torch.minimum(current, between.index_select(0, place), out=current)
        yield places[:, 0], heights[:, 0]


def _lower(bounds: Tensor, between: _Between, centres: Tensor, memory: int) -> None:
    """Lower the bounds of all points to their distances from some centres; -1 for these."""
    step = max(1, memory // (8 * len(centres)))
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
