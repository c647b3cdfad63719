"""Each position's nearest among the positions of the training images that were retrieved for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from methods.base import Features, require_comparable
from methods.components.bounds import Reduced, Reduction
from methods.components.neighbours import nearest
from methods.components.parallel import parallel_map
from methods.components.screening import TILES, Best, compiles, improve
from methods.components.shortlist import TILE_BYTES, Part, search
from methods.lazy import Tensor, torch

TEST_IMAGES = 16
"""Test images that walk over the training images together on the CPU, at most."""

QUERY_SHARE, KEPT_SHARE = 1 / 4, 1 / 2
"""Shares of the memory for test images, and for what is kept of the training images."""

SAMPLE_IMAGES = 8
"""Training images from which a gallery's principal components are estimated."""

LISTED = 48
"""Positions compared exactly at first: of so many, more are nearly as near as the nearest."""


class Gallery(Protocol):
    """The training images' positions at some levels, h·w an image."""

    def correspond(self, features: Features, retrieved: Tensor, kappa: int) -> Tensor:
        """Return each position's distances to the nearest positions, (N, h, w, k), ascending.

        Args:
            features: N test images' features.
            retrieved: (N, K) the training images in which to look for each.
            kappa: how many positions; k is less where there are not as many.
        """


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
        """Return distances as `Gallery` says."""
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
        test_images = [
            _TestImage(query, self._reduction.queries(query), kappa) for query in queries
        ]
        for number in retrieved.unique().tolist():
            asking = (retrieved == number).any(dim=1).nonzero()[:, 0].tolist()
            self._compare(number, [test_images[image] for image in asking])
        return torch.stack([test.distances() for test in test_images])

    def _compare(self, number: int, test_images: Sequence[_TestImage]) -> None:
        """Compare some test images with a training image."""
        image = self._image(number)
        reduced = self._kept[number] if self._kept else self._reduce(image)
        step = TILES.query_rows
        blocks = [
            (test, slice(start, start + step))
            for test in test_images
            for start in range(0, len(image), step)
        ]
        parallel_map(lambda block: block[0].compare(image, reduced, block[1]), blocks, image.device)

    def _image(self, number: int) -> Tensor:
        return pyramid(self._features, [number], self._levels)[0]

    def _reduce(self, image: Tensor) -> Reduced:
        return self._reduction.gallery(require_comparable(image, "features"))


class _TestImage:
    """A test image's positions, and each one's kappa nearest gallery positions so far."""

    def __init__(self, queries: Tensor, reduced_queries: Reduced, kappa: int) -> None:
        self._queries, self._reduced_queries, self._kappa = queries, reduced_queries, kappa
        self._best = Best.none(queries)
        self._several = queries.new_full((len(queries), kappa), torch.inf)

    def compare(self, image: Tensor, reduced_gallery: Reduced, block: slice) -> None:
        """Compare a block of positions with another training image's."""
        queries = self._queries[block]
        if self._kappa == 1:
            reduced_queries = self._reduced_queries[block]
            improve(self._best[block], queries, image, reduced_queries, reduced_gallery)
            return
        distances, _ = nearest(queries, image, self._kappa)
        both = torch.cat([self._several[block], distances], dim=1)
        self._several[block] = both.sort(dim=1)[0][:, : self._kappa]

    def distances(self) -> Tensor:
        """Return the distances to the kappa nearest, (h·w, kappa)."""
        return self._best.squared.sqrt()[:, None] if self._kappa == 1 else self._several


class Tiled:
    """A gallery for a GPU: blocks of test images, against all that they retrieved at once.

    Where the training images' positions don't fit the memory, they are made again, by parts, for
    each block.
    """

    def __init__(self, features: Features, levels: Sequence[int]) -> None:
        self._features, self._levels = features, levels
        self._reduction, positions = _reduction(features, levels)
        channels, _, _ = _shape(features, levels)
        image = positions * (4 * channels + self._reduction.bytes_per_vector)
        self._images = max(1, int(KEPT_SHARE * features.memory / image))
        both = positions * 4 * channels + image
        self._roomy = both * len(features) <= KEPT_SHARE * features.memory
        self._kept = self._part(slice(None)) if self._images >= len(features) else None

    def correspond(self, features: Features, retrieved: Tensor, kappa: int) -> Tensor:
        """Return distances as `Gallery` says."""
        channels, height, width = _shape(features, self._levels)
        positions, looked = height * width, retrieved.shape[1] * height * width
        bounds = self._reduction.dtype.itemsize * looked
        image = positions * (4 * channels + self._reduction.bytes_per_vector + bounds)
        together = max(1, int(min(QUERY_SHARE * features.memory, 4 * TILE_BYTES) / image))
        distances = []
        for images in features.batches(together):
            queries = require_comparable(pyramid(features, images, self._levels), "features")
            wanted, k = retrieved[images], min(kappa, looked)
            nearest_rows = search(
                queries, wanted, self._parts, self._reduction, height=positions, k=k, listed=LISTED
            )
            distances.append(nearest_rows.distances.float())
        return torch.cat(distances).unflatten(1, (height, width))

    def _parts(self) -> Iterable[Part]:
        if self._kept is not None:
            return [self._kept]
        return (self._part(images) for images in self._features.batches(self._images))

    def _part(self, images: slice) -> Part:
        positions = pyramid(self._features, images, self._levels)
        alone = len(positions) == len(self._features)
        first = images.start or 0
        require_comparable(positions, "features")
        return Part.of(first, positions, self._reduction, alone=alone, roomy=self._roomy and alone)


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
    _, height, width = features.shape(levels[0])
    parts = [features.read(level, images) for level in levels]
    count, channels = len(parts[0]), sum(part.shape[1] for part in parts)
    pyramid = parts[0].new_empty(count, height, width, channels)
    first = 0
    for part in parts:
        # channels last: interpolated so, a position's features come out side by side
        resized = torch.nn.functional.interpolate(
            part.contiguous(memory_format=torch.channels_last),
            size=(height, width),
            mode="bilinear",
            align_corners=False,
        )
        pyramid[..., first : first + part.shape[1]] = resized.permute(0, 2, 3, 1)
        first += part.shape[1]
    return pyramid.flatten(1, 2)
