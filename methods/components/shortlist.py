"""Exact nearest neighbours in few large operations, which is what a GPU is fast at.

Each query's rows of the smallest bounds are listed, and compared exactly; rows left off are at
least as far as the list's end. Where that is nearer than the nearest row listed, the query is
unsettled: such queries are counted once for all, and searched again with a longer list, then with
bounds of whole vectors in float32, then in float64, then by all differences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from methods.components.bounds import Allowance, Reduced, Reduction
from methods.lazy import Tensor, torch

GROUP = 32
"""Neighbouring rows that one minimum stands for."""

LISTED, LONGER = 12, 256
"""Rows that are compared exactly beyond those asked for, at first and where that leaves doubts."""

TILE_BYTES = 1 << 30
"""Memory for what is made of some queries at a time."""

NEARLY = 1 - 2.0**-24
"""Rows nearer by less than float32's rounding of the distance are not looked for."""


@dataclass(frozen=True)
class Part:
    """Some images of a gallery, beside each other.

    Attributes:
        first: the number of its first image.
        gallery: (P, h, d) float32.
        reduction: what reduces them.
        reduced: (P, H, K), H being h rounded up to whole groups by rows that are far from
            everything; where there are other parts, (P + 1, H, K), the last image all far.
        finer: where there is memory for it, the same kept whole in float32, once that was asked
            for.
    """

    first: int
    gallery: Tensor
    reduction: Reduction
    reduced: Reduced
    finer: list[Reduced] | None = None

    @property
    def height(self) -> int:
        """H."""
        return self.reduced.points.shape[1]

    @classmethod
    def of(
        cls,
        first: int,
        gallery: Tensor,
        reduction: Reduction,
        *,
        alone: bool = False,
        roomy: bool = False,
    ) -> Part:
        """Return images (P, h, d) reduced by a reduction.

        Args:
            first: the number of the first image.
            gallery: the images.
            reduction: what reduces them.
            alone: there are no other parts.
            roomy: there is memory for the images once more, in float32.
        """
        reduced = _padded(reduction.gallery(gallery), 0 if alone else 1)
        return cls(first, gallery, reduction, reduced, [] if roomy else None)

    @classmethod
    def whole(cls, bank: Tensor, reduction: Reduction) -> Part:
        """Return a bank (m, d) as the only image."""
        return cls.of(0, bank[None], reduction, alone=True)

    def local(self, wanted: Tensor) -> Tensor:
        """Map numbers of images (b, K) to indices in this part, (b, k); P marks absent ones."""
        count = len(self.gallery)
        ours = wanted - self.first
        ours = ours.masked_fill((ours < 0) | (ours >= count), count)
        return ours if wanted.shape[1] <= count else ours.sort(dim=1)[0][:, :count]

    def chosen(self, local: Tensor, reduction: Reduction) -> Reduced:
        """Return images (b, k) side by side as a reduction gives them, (b, k·H, K)."""
        if reduction is self.reduction:
            return self.reduced.side_by_side(local)
        if self.finer is not None and reduction.dtype == torch.float32:
            if not self.finer:
                extra = len(self.reduced.points) - len(self.gallery)
                self.finer.append(_padded(reduction.gallery(self.gallery), extra))
            return self.finer[0].side_by_side(local)
        reduced = _padded(reduction.gallery(self.images(local)), 0)
        none = (local == len(self.gallery))[:, :, None, None]
        points = torch.where(none, _far(reduced.points), reduced.points)
        return Reduced(points.flatten(1, 2), reduced.error.flatten(1), reduced.norms.flatten(1))

    def images(self, local: Tensor) -> Tensor:
        """Return the images (b, k, h, d); any where none is meant."""
        return self.gallery[local.clamp(max=len(self.gallery) - 1)]


@dataclass(frozen=True)
class NearestRows:
    """The nearest rows so far of b·n queries.

    Attributes:
        distances: (b, n, k) float64, ascending.
        rows: (b, n, k) numbers of gallery rows, h an image.
        least: (b, n) float64, how near what was not compared may be.
    """

    distances: Tensor
    rows: Tensor
    least: Tensor

    @classmethod
    def none(cls, queries: Tensor, k: int) -> NearestRows:
        """Return distances inf and rows -1 for queries (b, n, d): nothing is compared yet."""
        shape = queries.shape[:2]
        distances = queries.new_full((*shape, k), torch.inf, dtype=torch.float64)
        rows = torch.full((*shape, k), -1, device=queries.device)
        return cls(distances, rows, queries.new_full(shape, torch.inf, dtype=torch.float64))

    def merged(self, distances: Tensor, rows: Tensor, least: Tensor) -> NearestRows:
        """Return the nearest k of these and of other rows, (b, n, any)."""
        k = self.distances.shape[2]
        distances, order = torch.cat([self.distances, distances], 2).sort(dim=2, stable=True)
        rows = torch.cat([self.rows, rows], 2).gather(2, order[..., :k])
        return NearestRows(distances[..., :k], rows, torch.minimum(self.least, least))

    def unsettled(self) -> Tensor:
        """Return for which queries a nearer row may have been left off, (b, n)."""
        return self.least < self.distances[..., -1] * NEARLY

    def replace(self, images: Tensor, queries: Tensor, others: NearestRows) -> None:
        """Replace, in place, the rows of some queries (c, q) of some images (c,)."""
        at = images[:, None], queries
        self.distances[at], self.rows[at] = others.distances, others.rows
        self.least[at] = others.least


Parts = Callable[[], Iterable[Part]]


def search(
    queries: Tensor,
    wanted: Tensor,
    parts: Parts,
    reduction: Reduction,
    *,
    height: int,
    k: int,
    listed: int = LISTED,
) -> NearestRows:
    """Return the k nearest rows of every query, exact.

    The host waits once, and once more each time some queries are unsettled.

    Args:
        queries: (b, n, d) float32, n of each of b images.
        wanted: (b, K) numbers of the images in whose rows to look, none twice.
        parts: gives the gallery, reduced by `reduction`, each time it is called.
        reduction: the bounds to begin with.
        height: h, the rows of an image.
        k: how many rows; no more than there are in K images.
        listed: rows that are compared exactly beyond these, at first.
    """
    nearest = _pass(queries, wanted, parts(), reduction, k=k, listed=listed)
    together = max(1, TILE_BYTES // (16 * wanted.shape[1] * height * queries.shape[2]))
    for finer, longer in _after(reduction):
        unsettled = nearest.unsettled()
        number = unsettled.sum(dim=1)
        counts = sorted(number.tolist(), reverse=True)
        if counts[0] == 0:
            break
        images = number.argsort(descending=True, stable=True)[: len(counts) - counts.count(0)]
        for some in images.split(together):
            most, counts = counts[0], counts[len(some) :]
            rest = _first_true(unsettled.index_select(0, some), most)
            asked = queries[some[:, None], rest]
            again = _pass(asked, wanted.index_select(0, some), parts(), finer, k=k, listed=longer)
            nearest.replace(some, rest, again)
    return nearest


def search_bank(queries: Tensor, part: Part, k: int) -> tuple[Tensor, Tensor]:
    """Return distances (n, k) float64 to, and rows of, the nearest in a bank, to queries (n, d)."""
    size, width = part.height, part.reduction.dtype.itemsize
    wanted = torch.zeros(1, 1, dtype=torch.long, device=queries.device)
    blocks = [
        search(block[None], wanted, lambda: [part], part.reduction, height=size, k=k)
        for block in queries.split(max(GROUP, TILE_BYTES // (width * size)))
    ]
    distances = torch.cat([block.distances[0] for block in blocks])
    return distances, torch.cat([block.rows[0] for block in blocks])


def _after(reduction: Reduction) -> list[tuple[Reduction | None, int]]:
    """Return reductions and lengths of lists that settle ever more queries; None for none."""
    coarser = 0 if reduction.basis is not None else reduction.dtype.itemsize
    wider = [kind for kind in (torch.float32, torch.float64) if kind.itemsize > coarser]
    longer = [(reduction, LONGER)] if reduction.basis is not None else []
    return [*longer, *((reduction.whole(kind), LISTED) for kind in wider), (None, LISTED)]


def _pass(
    queries: Tensor,
    wanted: Tensor,
    parts: Iterable[Part],
    reduction: Reduction | None,
    *,
    k: int,
    listed: int,
) -> NearestRows:
    """Search with one reduction's bounds, or, without one, by all differences."""
    nearest = NearestRows.none(queries, k)
    reduced_queries = None if reduction is None else reduction.queries(queries)
    for part in parts:
        local = part.local(wanted)
        if reduction is None or reduced_queries is None:
            rows, height = _nearest_rows(queries, part, local, k), part.gallery.shape[1]
            least = torch.full_like(nearest.least, torch.inf)
        else:
            rows, least = _shortlist(reduced_queries, part.chosen(local, reduction), k + listed)
            rows, height = rows.sort(dim=2)[0], part.height
        nearest = nearest.merged(*_compare(queries, part, local, rows, height), least)
    return nearest


def _shortlist(
    reduced_queries: Reduced, reduced_gallery: Reduced, count: int
) -> tuple[Tensor, Tensor]:
    """Return the rows (b, n, count) of the smallest bounds, and how near others may be, (b, n).

    Args:
        reduced_queries: (b, n, K).
        reduced_gallery: (b, m, K), m a multiple of GROUP.
        count: how many rows to list; all of them where there are fewer.
    """
    bounds = reduced_queries.squared_distances(reduced_gallery)
    groups = bounds.unflatten(2, (-1, GROUP)).amin(dim=3)  # (b, n, m / GROUP)
    group, beyond = _smallest(groups, count)
    rows = (group[..., None] * GROUP + torch.arange(GROUP, device=group.device)).flatten(2)
    inside, beyond_inside = _smallest(bounds.gather(2, rows), count)
    error, norms = (
        part.amax(dim=1, keepdim=True) for part in (reduced_gallery.error, reduced_gallery.norms)
    )
    allowance = Allowance.of(reduced_queries, error, norms)
    least = allowance.distances(torch.minimum(beyond, beyond_inside))
    return rows.gather(2, inside), least


def _smallest(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return where the smallest of values (b, n, m) are, (b, n, count), and the next, (b, n)."""
    if count >= values.shape[2]:
        rows = torch.arange(values.shape[2], device=values.device).expand(values.shape)
        return rows, values.new_full(values.shape[:2], torch.inf)
    smallest = values.topk(count + 1, dim=2, largest=False)
    return smallest.indices[..., :count], smallest.values[..., count]


def _nearest_rows(queries: Tensor, part: Part, local: Tensor, k: int) -> Tensor:
    """Return the nearest rows, (b, n, k) of those in images (b, j), by all differences."""
    gallery, height = part.images(local).flatten(1, 2), part.gallery.shape[1]
    none = (local == len(part.gallery))[:, None, :, None].expand(-1, 1, -1, height).flatten(2)
    exact = "donot_use_mm_for_euclid_dist"
    distances = torch.cdist(queries.double(), gallery.double(), compute_mode=exact)
    return _smallest(distances.masked_fill_(none, torch.inf), k)[0]


def _compare(
    queries: Tensor, part: Part, local: Tensor, rows: Tensor, height: int
) -> tuple[Tensor, Tensor]:
    """Return the distances (b, n, t) float64 of some rows, from differences, and their numbers.

    Args:
        queries: (b, n, d).
        part: where the rows lie.
        local: (b, j) its images side by side.
        rows: (b, n, t) rows of these, `height` an image.
        height: at least h; rows beyond h don't exist.
    """
    count, positions, dims = part.gallery.shape
    image = local.gather(1, (rows // height).flatten(1)).view(rows.shape)
    position = rows % height
    missing = (image == count) | (position >= positions)
    row = image * positions + position
    numbers = row + part.first * positions
    asked, gallery = queries.flatten(0, 1), part.gallery.flatten(0, 1)
    at = row.clamp_(max=len(gallery) - 1).flatten(0, 1)
    distances = queries.new_empty(at.shape, dtype=torch.float64)
    step = max(1, TILE_BYTES // (16 * dims * at.shape[1]))
    for start in range(0, len(asked), step):
        block = slice(start, start + step)
        distances[block] = length(gallery[at[block]].sub_(asked[block, None]))
    return distances.view(rows.shape).masked_fill_(missing, torch.inf), numbers


def length(differences: Tensor) -> Tensor:
    """Return the lengths (…,) float64 of float32 vectors (…, d): no square is lost or overflows."""
    return torch.linalg.vector_norm(differences, dim=-1, dtype=torch.float64)


def _first_true(marks: Tensor, count: int) -> Tensor:
    """Return the places (c, count) of what is marked in (c, n), then of some that is not."""
    return marks.int().argsort(dim=1, descending=True, stable=True)[:, :count]


def _padded(reduced: Reduced, images: int) -> Reduced:
    """Return reduced images (…, h, K) with far rows up to whole groups, and some far images."""
    *leading, height, length = reduced.points.shape
    size = (*leading[:-1], leading[-1] + images, -(-height // GROUP) * GROUP)
    if size == (*leading, height):
        return reduced
    points = _far(reduced.points).expand(*size, length).contiguous()
    error, norms = (reduced.error.new_zeros(size) for _ in range(2))
    inside = (..., slice(leading[-1]), slice(height))
    error[inside], norms[inside] = reduced.error, reduced.norms
    points[(*inside, slice(None))] = reduced.points
    return Reduced(points, error, norms)


def _far(points: Tensor) -> Tensor:
    """Return a padding row (K,) whose bound is never the smallest."""
    row = points.new_zeros(points.shape[-1])
    row[-6:-5].fill_(torch.finfo(points.dtype).max)
    return row
