"""The greedy selection on a GPU: four operations a centre, and hardly a word from the device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from methods.components.shortlist import length
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
    distances, centred = distances.clone(), _Centred.of(points)
    left = len(points)
    while left:
        farthest = distances.sort(descending=True, stable=True)
        pool = farthest.indices[: sizes.pool].sort()[0]
        ceiling, barrier = distances.new_zeros(1), pool.new_full((1,), len(points))
        if len(points) > sizes.pool:  # the farthest outside, and of equally far ones the first
            after = slice(sizes.pool, sizes.pool + 1)
            outside = farthest.values[after]
            barrier = farthest.indices[after].masked_fill(outside < 0, len(points))
            ceiling = outside.clamp(min=0)
        new = []
        members, current = points.index_select(0, pool), distances.index_select(0, pool)
        for places, heights in _farthest(members, current, sizes.stride):
            centres = pool.index_select(0, places)
            far = (heights > ceiling) | ((heights == ceiling) & (centres < barrier))
            count = int((far & (heights > 0)).sum())
            if count:
                new.append(centres[:count])
                yield new[-1]
            if count < len(centres):
                break
        if not new:  # all that are left lie where a centre does
            yield (distances >= 0).nonzero()[:, 0]
            return
        chosen = torch.cat(new)
        left -= len(chosen)
        step = max(1, sizes.compared_bytes // (8 * len(chosen)))
        for start in range(0, len(points), step):
            rows = slice(start, start + step)
            centred.lower(distances[rows], rows, chosen)
        distances.index_fill_(0, chosen, -1.0)


def _farthest(points: Tensor, current: Tensor, stride: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield places in a pool, each the farthest from those before it, and how far they were.

    Args:
        points: (n, d), the pool.
        current: (n,) distances to the nearest centre.
        stride: places that are yielded together.
    """
    current = current[None]
    for start in range(0, len(points), stride):
        steps = min(stride, len(points) - start)
        places = torch.empty(steps, 1, dtype=torch.long, device=points.device)
        heights = current.new_empty(steps, 1)
        for place, height in zip(places.unbind(), heights.unbind(), strict=True):
            torch.max(current, 1, out=(height, place))
            torch.minimum(current, _apart(points.index_select(0, place), points), out=current)
        yield places[:, 0], heights[:, 0]


def _apart(ours: Tensor, theirs: Tensor) -> Tensor:
    """Return the distances (n, m) of points from differences: `torch.cdist`, in one operation."""
    apart: Tensor = torch.ops.aten._cdist_forward(ours, theirs, 2.0, 2)
    return apart


@dataclass(frozen=True)
class _Centred:
    """Points whose distances are bounded by products in float32.

    |p|² + |c|² - 2 p·c of points less their mean is a sum of d + 2 terms, whose magnitudes sum to
    2·(|p|² + |c|²) at most; the mean's subtraction, and the rounding of squared lengths and of
    limits, add as much as ten more terms: (d + 12)·2⁻²³·(|p|² + |c|²) in all.

    Attributes:
        points: (N, d).
        centred: (N, d) the points less their mean.
        norms: (N,) their squared lengths.
    """

    points: Tensor
    centred: Tensor
    norms: Tensor

    @classmethod
    def of(cls, points: Tensor) -> _Centred:
        """Centre points."""
        centred = points - points.mean(dim=0)
        lengths = torch.linalg.vector_norm(centred, dim=1, dtype=torch.float64)
        return cls(points, centred, lengths.square().float())

    def lower(self, distances: Tensor, rows: slice, centres: Tensor) -> None:
        """Lower, in place, some points' distances to those from the nearest of some centres."""
        norms, terms = self.norms[centres], self.points.shape[1] + 12
        bounds = torch.addmm(norms, self.centred[rows], self.centred[centres].T, alpha=-2)
        nearest = bounds.argmin(dim=1)
        differences = self.points[rows] - self.points.index_select(0, centres[nearest])
        torch.minimum(distances, length(differences).float(), out=distances)
        slack = terms * (2.0**-23 * (self.norms[rows] + norms.amax()) + 2.0**-120)
        limits = distances.square() * (1 + 2.0**-20) - self.norms[rows] + slack
        several = (bounds <= limits[:, None]).sum(dim=1) > 1
        unsure = (several & (distances >= 0)).nonzero()[:, 0]
        if len(unsure):
            near = _apart(self.points[rows][unsure], self.points[centres]).amin(dim=1)
            distances[unsure] = torch.minimum(distances[unsure], near)
