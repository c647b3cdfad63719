"""Each position's nearest among the positions of the training images that were retrieved for it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from methods.base import Features, require_comparable
from methods.components.bounds import Reduced, Reduction
from methods.components.neighbours import nearest
from methods.components.parallel import parallel_map
from methods.components.screening import TILES, Best, Bounded, compiles, improve
from methods.components.shortlist import LONGER, TILE_BYTES, Lists, apart, compare, shortlist
from methods.components.uploads import moved
from methods.lazy import Tensor, torch

TEST_IMAGES = 16
"""Test images that walk over the training images together on the CPU, at most."""

QUERY_SHARE, KEPT_SHARE = 1 / 4, 1 / 2
"""Shares of the memory for test images, and for what is kept of the training images."""

BLOCK_SHARE = 1 / 6
"""Share of the memory, on a device, for positions of test images, for those of training images, and
for bounds, beside what is kept. A block takes twice as much while it is made."""

VECTOR = 16
"""Channels that processors interpolate at once: multiples are rounded alike, remainders not."""

LEAST_TILE = 1 << 27
"""Memory for the bounds, or the differences, that are made together on a device, at least."""

SAMPLE_IMAGES = 8
"""Training images from which a gallery's principal components are estimated; blocks of fewer, which
a device would hardly notice, take no less memory than these."""

LISTED = 48
"""Positions listed beyond those asked for at first: of so many, more are nearly as near."""


def gallery(features: Features, levels: Sequence[int]) -> Gallery:
    """Return the gallery of training features, as the device searches it best.

    Args:
        features: the training features.
        levels: the levels, resized to the first one's grid and concatenated.
    """
    kind = Walked if compiles(features.device) else Tiled
    return kind(features, levels)


class Walked:
    """A gallery for the CPU: test images walk over the training images together.

    Each training image is read and resized once for all the test images that retrieved it, and no
    test image's gallery is ever assembled.
    """

    def __init__(self, features: Features, levels: Sequence[int]) -> None:
        self._features, self._levels = features, levels
        self._reduction, positions = _reduction(features, levels)
        size = positions * len(features) * self._reduction.bytes_per_vector
        keeps = size <= KEPT_SHARE * features.memory
        numbers = range(len(features)) if keeps else ()
        self._kept = [self._reduce(self._image(number)) for number in numbers]

    def correspond(self, features: Features, retrieved: Tensor, kappa: int) -> Tensor:
        """Return each position's distances to the nearest positions, (N, h, w, k), ascending.

        Args:
            features: N test images' features.
            retrieved: (N, K) the training images in which to look for each.
            kappa: how many positions; k is less where there are not as many.
        """
        channels, height, width = _shape(features, self._levels)
        vector = 4 * channels + self._reduction.bytes_per_vector
        most = int(QUERY_SHARE * features.memory / (height * width * vector))
        kappa = min(kappa, retrieved.shape[1] * height * width)
        parts = [
            self._walk(features, images, retrieved[images], kappa)
            for images in features.batches(max(1, min(TEST_IMAGES, most)))
        ]
        return torch.cat(parts).unflatten(1, (height, width))

    def _walk(self, features: Features, images: slice, retrieved: Tensor, kappa: int) -> Tensor:
        """Return the distances (n, h·w, kappa) of some test images."""
        queries = require_comparable(pyramid(features, images, self._levels), "features")
        reduce = self._reduction.queries
        test_images = [_TestImage(Bounded(query, reduce(query)), kappa) for query in queries]
        for number in retrieved.unique().tolist():
            asking = (retrieved == number).any(dim=1).nonzero()[:, 0].tolist()
            self._compare(number, [test_images[image] for image in asking])
        return torch.stack([test.distances() for test in test_images])

    def _compare(self, number: int, test_images: Sequence[_TestImage]) -> None:
        """Compare some test images with a training image."""
        image = self._image(number)
        gallery = Bounded(image, self._kept[number] if self._kept else self._reduce(image))
        step = TILES.query_rows
        blocks = [
            (test, slice(start, start + step))
            for test in test_images
            for start in range(0, len(image), step)
        ]
        parallel_map(lambda block: block[0].compare(gallery, block[1]), blocks, image.device)

    def _image(self, number: int) -> Tensor:
        return pyramid(self._features, [number], self._levels)[0]

    def _reduce(self, image: Tensor) -> Reduced:
        return self._reduction.gallery(require_comparable(image, "features"))


class _TestImage:
    """A test image's positions, and each one's kappa nearest gallery positions so far."""

    def __init__(self, queries: Bounded, kappa: int) -> None:
        self._queries, self._kappa = queries, kappa
        self._best = Best.none(queries.vectors)
        self._several = queries.vectors.new_full((len(queries.vectors), kappa), torch.inf)

    def compare(self, gallery: Bounded, block: slice) -> None:
        """Compare a block of positions with another training image's."""
        queries = self._queries[block]
        if self._kappa == 1:
            improve(self._best[block], queries, gallery)
            return
        distances, _ = nearest(queries.vectors, gallery.vectors, self._kappa)
        both = torch.cat([self._several[block], distances], dim=1)
        self._several[block] = both.sort(dim=1)[0][:, : self._kappa]

    def distances(self) -> Tensor:
        """Return the distances to the kappa nearest, (h·w, kappa)."""
        return self._best.squared.sqrt()[:, None] if self._kappa == 1 else self._several


@dataclass(frozen=True)
class _Asked:
    """Positions of test images that look for their k nearest.

    Attributes:
        features: the test images' features.
        levels: the levels that make up a position.
        images: c of the images.
        rows: (c, q) which of their positions; None for all.
        wanted: (c, K) the training images in which to look, ascending.
        k: how many.
    """

    features: Features
    levels: Sequence[int]
    images: Sequence[int]
    rows: Tensor | None
    wanted: Tensor
    k: int

    def vectors(self, part: slice) -> Tensor:
        """Return the positions of some of the images, (b, q, C)."""
        vectors = pyramid(self.features, self.images[part], self.levels)
        require_comparable(vectors, "features")
        if self.rows is None:
            return vectors
        return vectors.take_along_dim(self.rows[part, :, None], dim=1)


class Tiled:
    """A gallery for a GPU: test images' positions, against all that they retrieved at once.

    What bounds need of the training images stays on the device where it fits; where it doesn't, it
    is made once for all test images of a call, by blocks of training images. Positions, ten times
    as large, are made again, some channels at a time, to compare what bounds leave open. No
    number depends on the memory: the nearest of all rows is named, by distances that are made in
    the same way.
    """

    def __init__(self, features: Features, levels: Sequence[int]) -> None:
        self._features, self._levels = features, levels
        self._reduction, self._positions = _reduction(features, levels)
        self._grid = features.shape(levels[0])[1:]
        image = 4 * self._positions * sum(features.shape(level)[0] for level in levels)
        self._share = max(BLOCK_SHARE * features.memory, SAMPLE_IMAGES * image)
        self._memory = int(min(TILE_BYTES, max(LEAST_TILE, self._share)))
        self._images = int(self._share / image)
        bounds = self._positions * self._reduction.bytes_per_point
        self._bounded = max(1, int(KEPT_SHARE * features.memory / bounds))
        fits = self._bounded >= len(features)
        self._kept = self._bounds(slice(0, len(features))) if fits else None

    def correspond(self, features: Features, retrieved: Tensor, kappa: int) -> Tensor:
        """Return distances as `Walked` does."""
        wanted = retrieved.sort(dim=1)[0]
        k = min(kappa, wanted.shape[1] * self._positions)
        asked = _Asked(features, self._levels, range(len(features)), None, wanted, k)
        distances, least = self._nearest(asked, LISTED)
        for listed in (LONGER, None):
            unsettled = least < distances[..., -1]
            counts = unsettled.sum(dim=1).tolist()
            images = [image for image, count in enumerate(counts) if count]
            if not images:
                break
            rows = unsettled[images].int().argsort(dim=1, descending=True, stable=True)
            rows = rows[:, : max(counts)]
            again = replace(asked, images=images, rows=rows, wanted=wanted[images])
            at = moved(torch.tensor(images), rows.device)[:, None], rows
            if listed is None:
                distances[at] = self._compared(again)
            else:
                distances[at], least[at] = self._nearest(again, listed)
        return distances.float().unflatten(1, features.shape(self._levels[0])[1:])

    def _nearest(self, asked: _Asked, listed: int) -> tuple[Tensor, Tensor]:
        """Return distances (c, q, k) float64, and what all others are at least, (c, q)."""
        lists = self._lists(asked, asked.wanted.tolist(), asked.k + listed)
        flat = Lists(*(numbers.flatten(0, 1) for numbers in lists))
        distances = compare(flat, asked.k, lambda *pairs: self._apart(asked, *pairs))
        nearest_rows = distances.topk(asked.k, largest=False).values
        return nearest_rows.unflatten(0, lists.least.shape), lists.least

    def _apart(self, asked: _Asked, query: Tensor, row: Tensor) -> Tensor:
        """Return the distances (p,) of asked positions and rows of the gallery.

        Channel after channel, so that positions of all images fit, and each is made once.
        """
        if asked.rows is not None:
            inside = asked.rows.flatten()[query]
            query = query // asked.rows.shape[1] * self._positions + inside
        distances = torch.zeros_like(query, dtype=torch.float64)
        tested = len(asked.images)
        room = int(self._share / (4 * VECTOR * self._positions)) - tested
        for block in _slices(len(self._features), max(1, room, tested)):
            first, last = block.start * self._positions, block.stop * self._positions
            pairs = ((row >= first) & (row < last)).nonzero()[:, 0]
            distances[pairs] = self._measured(asked, block, query[pairs], row[pairs] - first)
        return distances

    def _measured(self, asked: _Asked, block: slice, query: Tensor, row: Tensor) -> Tensor:
        """Return the distances (p,) of asked positions and rows of a block of training images."""
        squared = torch.zeros_like(query, dtype=torch.float64)
        sides = (asked.features, asked.images), (self._features, block)
        images = len(asked.images) + block.stop - block.start
        room = int(self._share / (4 * VECTOR * images * self._positions))
        for level in self._levels:
            for channels in _slices(self._features.shape(level)[0], VECTOR * max(1, room)):
                queries, gallery = (
                    resized(features, level, numbers, self._grid, channels).flatten(0, 2)
                    for features, numbers in sides
                )
                squared += apart(queries, gallery, query, row, self._memory).square_()
        return squared.sqrt_()

    def _lists(self, asked: _Asked, wanted: list[list[int]], count: int) -> Lists:
        """List the positions (c, q, count) of the smallest bounds."""
        queries = self._positions if asked.rows is None else asked.rows.shape[1]
        bounds = queries * asked.wanted.shape[1] * self._positions * self._reduction.dtype.itemsize
        together = max(1, self._memory // bounds) if self._kept else 1
        lists: dict[int, Lists] = {}
        blocks = [slice(0, len(self._features))] if self._kept else None
        for block in blocks or _slices(len(self._features), self._bounded):
            bounded = self._kept or self._bounds(block)
            for part in _slices(len(wanted), self._images):
                reduced = self._reduction.queries(asked.vectors(part))
                for some in _slices(len(reduced.points), together):
                    images = slice(part.start + some.start, part.start + some.stop)
                    row = wanted[images.start]
                    inside = slice(bisect_left(row, block.start), bisect_left(row, block.stop))
                    local = asked.wanted[images, slice(None) if self._kept else inside]
                    if local.shape[1] == 0:
                        continue
                    listed = self._listed(reduced[some], bounded, local, block.start, count)
                    known = lists.get(images.start)
                    lists[images.start] = known.merged(listed, count) if known else listed
        joined = zip(*(lists[number] for number in sorted(lists)), strict=True)
        return Lists(*map(torch.cat, joined))

    def _listed(
        self, reduced_queries: Reduced, bounded: Reduced, wanted: Tensor, first: int, count: int
    ) -> Lists:
        """List positions of some images (b, j), of a block whose first image has a number."""
        local = wanted - first
        images = Reduced(
            bounded.points[local].flatten(1, 2),
            bounded.error[local].amax(dim=1),
            bounded.norms[local].amax(dim=1),
        )
        listed = shortlist(reduced_queries, images, count, self._memory)
        rows, positions = listed.rows.long(), self._positions
        image = wanted.gather(1, (rows.clamp(min=0) // positions).flatten(1)).view(rows.shape)
        numbers = (image * positions + rows % positions).masked_fill_(rows < 0, -1)
        return Lists(numbers.int(), listed.lower, listed.least)

    def _compared(self, asked: _Asked) -> Tensor:
        """Return distances (c, q, k) from bounds of whole positions, image by image."""
        distances = []
        for number, images in enumerate(asked.wanted.tolist()):
            queries = asked.vectors(slice(number, number + 1))[0]
            nearest_rows = [
                nearest(queries, self._vectors(images[part]).flatten(0, 1), asked.k)[0]
                for part in _slices(len(images), self._images)
            ]
            distances.append(torch.cat(nearest_rows, dim=1).sort(dim=1)[0][:, : asked.k])
        return torch.stack(distances).double()

    def _bounds(self, images: slice) -> Reduced:
        """Return training images (P, h·w, C) reduced, with their largest errors and lengths."""
        room: Reduced | None = None
        for block in _slices(images.stop - images.start, self._images):
            shifted = slice(images.start + block.start, images.start + block.stop)
            reduced = self._reduction.gallery(self._vectors(shifted)).largest()
            room = room or reduced.room(images.stop - images.start)
            room.put(block, reduced)
        assert room is not None
        return room

    def _vectors(self, images: slice | Sequence[int]) -> Tensor:
        """Return training images' positions, (P, h·w, C)."""
        return require_comparable(pyramid(self._features, images, self._levels), "features")


Gallery = Walked | Tiled
"""The training images' positions at some levels, h·w an image."""


def _slices(count: int, size: int) -> Iterator[slice]:
    """Yield consecutive slices of at most `size` that cover `count`."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def _reduction(features: Features, levels: Sequence[int]) -> tuple[Reduction, int]:
    """Return the reduction of training features' positions, and the positions an image."""
    sampled = range(0, len(features), max(1, len(features) // SAMPLE_IMAGES))
    sample = require_comparable(pyramid(features, list(sampled), levels), "features")
    return Reduction.of(sample.flatten(0, 1)), sample.shape[1]


def _shape(features: Features, levels: Sequence[int]) -> tuple[int, int, int]:
    """Return the channels of some levels together, and the first one's height and width."""
    channels = sum(features.shape(level)[0] for level in levels)
    return channels, *features.shape(levels[0])[1:]


def pyramid(features: Features, images: slice | Sequence[int], levels: Sequence[int]) -> Tensor:
    """Return the levels resized to the first one's grid and concatenated, (n, h·w, C)."""
    channels, height, width = _shape(features, levels)
    pyramid, first = None, 0
    for level in levels:
        part = resized(features, level, images, (height, width))
        if pyramid is None:
            pyramid = part.new_empty(len(part), height, width, channels)
        pyramid[..., first : first + part.shape[3]] = part
        first += part.shape[3]
    assert pyramid is not None
    return pyramid.flatten(1, 2)


def resized(
    features: Features,
    level: int,
    images: slice | Sequence[int],
    size: tuple[int, int],
    channels: slice | None = None,
) -> Tensor:
    """Return a level, or some of its channels, resized to a grid, (n, h, w, C)."""
    # channels last: interpolated so, a position's features come out side by side
    part = features.read(level, images, channels).contiguous(memory_format=torch.channels_last)
    bilinear = torch.nn.functional.interpolate(part, size, mode="bilinear", align_corners=False)
    return bilinear.permute(0, 2, 3, 1)
