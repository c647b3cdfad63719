"""Exact greedy k-centre (farthest-first) selection for PatchCore's memory bank.

Distances to the nearest centre only shrink, so one that has not been compared with the latest
centres is an upper bound, and an upper bound is all that excludes a point from being the farthest.
Only points with the largest bounds are therefore compared with all centres, when their turn comes.
What keeps other bounds tight needs no guarantee: a new centre is compared with points around it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from methods.components.bounds import DIFFERENCES, Reduction
from methods.components.coreset_device import SIZES, Sizes, select_on_device
from methods.components.parallel import parallel_map
from methods.components.screening import Best, Bounded, allowance_of, bits, compiles, improve
from methods.components.uploads import moved
from methods.lazy import Tensor, torch


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
    return mean_distances(points, moved(draw(len(points), count, generator), points.device))


def draw(total: int, count: int, generator: torch.Generator) -> Tensor:
    """Draw `count` points, or all where there are fewer, of `total`."""
    return torch.randperm(total, generator=generator)[:count]


def mean_distances(points: Tensor, drawn: Tensor) -> Tensor:
    """Return each point's mean distance to some of them, (N,)."""
    return torch.cdist(points, points[drawn], compute_mode=DIFFERENCES).mean(dim=1)


def farthest_first(points: Tensor, size: int, distances: Tensor) -> Tensor:
    """Select `size` points, each the farthest from those selected before it ("coreset", eq. 5).

    The same selection as the plain loop's, that updates all N distances after every centre: of
    equally far points the first is selected, and distances are equal within float32's rounding.

    Args:
        points: (N, d) float32.
        size: number of centres, at most N.
        distances: (N,) initial distances: what the first centre is chosen by.

    Returns:
        indices (size,) in the order of selection; no point is selected twice.

    Raises:
        ValueError: some initial distances are no numbers.
    """
    return Selection(points, distances).first(size)


class Selection:
    """A selection that can go on: a smaller coreset is the beginning of a larger one.

    Args:
        points: (N, d) float32.
        distances: (N,) initial distances.
        sizes: how the work is divided.

    Raises:
        ValueError: some initial distances are no numbers.
    """

    def __init__(self, points: Tensor, distances: Tensor, sizes: Sizes = SIZES) -> None:
        if bool(distances.isnan().any()):
            raise ValueError("initial distances must be numbers: some are NaN")
        select = _select_lazily if compiles(points.device) else select_on_device
        self._strides = select(points, distances, sizes)
        self._chosen: list[Tensor] = []
        self._count = 0
        self.nbytes = 4 * points.nbytes
        """About the memory that it takes, in bytes."""

    def first(self, size: int) -> Tensor:
        """Return the first `size` selected points, (size,), selecting what is missing of them."""
        while self._count < size:
            self._chosen.append(next(self._strides))
            self._count += len(self._chosen[-1])
        self._chosen = [torch.cat(self._chosen)]
        return self._chosen[0][:size]


def _select_lazily(points: Tensor, distances: Tensor, sizes: Sizes) -> Iterator[Tensor]:
    """Yield indices of centres in order, some at a time."""
    clusters = _Clusters.of(points, sizes)
    order = clusters.order
    state = _State(points[order], distances[order].square(), order, sizes)
    while len(state.centres) < len(points):
        pool = state.pool()
        state.catch_up(pool.members)
        for chosen in state.select(pool):
            yield order[chosen]
        clusters.spread(state, pool.ceiling * sizes.worthwhile)


@dataclass(frozen=True)
class _Pool:
    """The points with the largest bounds; of equal ones, those that come first.

    Attributes:
        members: their places, in the order in which they were given.
        ceiling: the largest bound outside.
        barrier: the number of the first point outside with that bound.
    """

    members: Tensor
    ceiling: float
    barrier: int


class _State:
    """Points with upper bounds of their squared distances to the centres; -1 once selected.

    Attributes:
        centres: (n,) the points selected so far, in order; `added` is the number of the first
            among those selected last.
    """

    def __init__(self, points: Tensor, bounds: Tensor, order: Tensor, sizes: Sizes) -> None:
        self.points, self.bounds, self._order, self._sizes = points, bounds, order, sizes
        self.centres, self.added = torch.empty(0, dtype=torch.long), 0
        self._reduction = Reduction.of(points)
        self._asked = self._reduction.queries(points)
        self.centre_points = torch.empty_like(points)
        self._reduced = self._reduction.gallery(points[:1]).room(len(points))
        self._compared = torch.zeros(len(points), dtype=torch.long)

    def pool(self) -> _Pool:
        """Return the points to select from next."""
        count, size = len(self.bounds), self._sizes.pool
        if count <= size:
            return _Pool(self._order.argsort(), 0.0, count)
        ceiling = max(0.0, float(self.bounds.topk(size + 1, sorted=False).values.min()))
        above, ties = ((self.bounds > ceiling).nonzero()[:, 0], self._ties(ceiling))
        room = size - len(above)
        barrier = int(self._order[ties[room]]) if len(ties) > room else count
        members = torch.cat([above, ties[:room]])
        return _Pool(members[self._order[members].argsort()], ceiling, barrier)

    def _ties(self, bound: float) -> Tensor:
        ties = (self.bounds == bound).nonzero()[:, 0]
        return ties[self._order[ties].argsort()]

    def select(self, pool: _Pool) -> Iterator[Tensor]:
        """Yield the centres that a pool which has caught up holds, and append them."""
        self.added = len(self.centres)
        members = pool.members[self.bounds[pool.members] >= pool.ceiling]
        if len(members) == 0:  # all that seemed farthest turned out to be nearer than others
            return
        points, squared = self.points[members], self.bounds[members]
        barrier = int((self._order[members] < pool.barrier).sum())
        stride = self._sizes.stride
        for chosen in _farthest(
            self._reduction, points, squared, pool.ceiling, barrier, stride=stride
        ):
            self.centres = torch.cat([self.centres, members[chosen]])
            yield members[chosen]
        new = self.centres[self.added :]
        rows = slice(self.added, len(self.centres))
        self.centre_points[rows] = self.points[new]
        self._reduced.put(rows, self._reduction.gallery(self.points[new]))
        self.bounds[members] = squared

    def catch_up(self, points: Tensor) -> None:
        """Compare some points with all centres that they have not yet been compared with."""
        points = points[self._compared[points].argsort()]
        step = self._sizes.centres

        def compare(block: Tensor) -> None:
            for first in range(int(self._compared[block[0]]), len(self.centres), step):
                self._lower(block, slice(first, min(first + step, len(self.centres))))

        parallel_map(compare, points.split(self._sizes.rows), points.device)
        self._compared[points] = len(self.centres)

    def lower_few(self, rows: Tensor, numbers: Tensor) -> None:
        """Compare some points with some centres, too few for a product to pay."""
        from methods.components import kernels

        points, bounds, centres = self.points, self.bounds, self.centre_points
        kernels.lower(*(array.numpy() for array in (points, bounds, rows, centres, numbers)))

    def _lower(self, rows: Tensor, numbers: slice) -> None:
        """Lower some points' bounds to the distances from the nearest of some centres."""
        best = Best(self.bounds[rows], torch.empty_like(rows))
        points = self.points.index_select(0, rows)  # several times as fast as indexing
        centres = self.centre_points[numbers]
        asked, kept = Bounded(points, self._asked[rows]), Bounded(centres, self._reduced[numbers])
        improve(best, asked, kept)
        self.bounds[rows] = best.squared


@dataclass(frozen=True)
class _Clusters:
    """Points grouped by the nearest of some pivots.

    Attributes:
        order: (N,) the points, cluster by cluster.
        borders: (clusters + 1,) where clusters begin and end in that order.
        mean: (d,) of the points.
        pivots: (clusters, d), less the mean.
        around: clusters in which a new centre is compared with points at once.
    """

    order: Tensor
    borders: Tensor
    mean: Tensor
    pivots: Tensor
    around: int

    @classmethod
    def of(cls, points: Tensor, sizes: Sizes) -> _Clusters:
        """Group points (N, d) around pivots taken at regular intervals."""
        count, mean = max(1, len(points) // sizes.cluster_points), points.mean(dim=0)
        pivots = points[torch.arange(count) * len(points) // count] - mean
        blocks = points.split(sizes.assigned)
        nearest = torch.cat([_apart(block - mean, pivots).argmin(dim=1) for block in blocks])
        ends = torch.bincount(nearest, minlength=count).cumsum(dim=0)
        borders = torch.nn.functional.pad(ends, (1, 0))
        around = min(sizes.clusters_around, count)
        return cls(nearest.argsort(stable=True), borders, mean, pivots, around)

    def spread(self, state: _State, least: float) -> None:
        """Compare the centres added last with nearby points whose bound is at least `least`."""
        added = state.centre_points[state.added : len(state.centres)] - self.mean
        clusters = _apart(added, self.pivots).topk(self.around, largest=False).indices.flatten()
        sizes = torch.bincount(clusters, minlength=len(self.pivots)).tolist()
        near = (clusters.argsort(stable=True) // self.around + state.added).split(sizes)
        rows = (state.bounds >= least).nonzero()[:, 0]
        members = rows.tensor_split(torch.searchsorted(rows, self.borders[1:-1]))

        def lower(cluster: int) -> None:
            state.lower_few(members[cluster], near[cluster])

        busy = [cluster for cluster, size in enumerate(sizes) if size and len(members[cluster])]
        parallel_map(lower, busy, rows.device)


def _apart(points: Tensor, pivots: Tensor) -> Tensor:
    """Return squared distances (n, clusters) less each point's squared length."""
    return torch.addmm(pivots.square().sum(dim=1), points, pivots.T, alpha=-2)


def _farthest(
    reduction: Reduction,
    points: Tensor,
    squared: Tensor,
    ceiling: float,
    barrier: int,
    *,
    stride: int,
) -> Iterator[Tensor]:
    """Yield places in a pool, farthest first, some at a time, while far enough.

    Args:
        reduction: reduces points.
        points: (n, d), the pool.
        squared: (n,) squared distances to the nearest centre, lowered in place; -1 once selected.
        ceiling: squared distance below which none is selected.
        barrier: the first place whose point is not selected at the ceiling itself.
        stride: places that are yielded together.
    """
    from methods.components import kernels

    reduced_queries, reduced_gallery = reduction.queries(points), reduction.gallery(points)
    between = bits(reduced_queries.squared_distances(reduced_gallery))
    allowance = allowance_of(reduced_queries, reduced_gallery)
    arrays = points.numpy(), squared.numpy()
    going_on = True
    while going_on:
        chosen = kernels.farthest_first(between, allowance, *arrays, ceiling, barrier, stride)
        going_on = len(chosen) == stride
        if len(chosen):
            yield torch.from_numpy(chosen)
