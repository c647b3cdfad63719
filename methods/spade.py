"""SPADE (Cohen and Hoshen, "Sub-Image Anomaly Detection with Deep Pyramid Correspondences")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from methods.base import Features, NotFittedError, Scores, require_finite
from methods.components.neighbours import nearest
from methods.components.parallel import each
from methods.components.precision import full_precision
from methods.components.screening import QUERY_ROWS, Best, Reduced, Screen, improve
from methods.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

BATCH_IMAGES = 16
TEST_IMAGES = 16
"""Test images that walk over the training images together, at most."""

QUERY_SHARE, KEPT_SHARE = 1 / 4, 1 / 2
"""Shares of the memory for these test images, and for the training images' reduced positions."""

SAMPLE_IMAGES = 8
"""Training images from which a gallery's principal components are estimated."""

IMAGE_LEVEL = 4
PIXEL_LEVELS = (1, 2, 3)


@dataclass(frozen=True)
class Parameters:
    """SPADE's parameters; the defaults are the paper's.

    Attributes:
        neighbours: K, the training images retrieved for a test image; all of them where fewer.
        gallery_neighbours: kappa, the gallery features that a position's score averages over.
        concatenate: True: the levels are resized to the first one's grid and concatenated (the
            paper). False: one map a level, upsampled and averaged (the popular public code).
    """

    neighbours: int = 50
    gallery_neighbours: int = 1
    concatenate: bool = True

    def __post_init__(self) -> None:
        if min(self.neighbours, self.gallery_neighbours) < 1:
            raise ValueError("neighbours and gallery_neighbours must be positive")

    @property
    def levels(self) -> tuple[int, ...]:
        """Levels 1-3 for the correspondences, 4 for the retrieval."""
        return (*PIXEL_LEVELS, IMAGE_LEVEL)

    def create(self) -> Spade:
        """Return an unfitted SPADE with these parameters."""
        return Spade(self)


VARIANTS = {
    "spade": Parameters(),
    "spade-5": Parameters(neighbours=5, concatenate=False),
}


class Spade:
    """Retrieves similar nominal images and compares every position with all of theirs."""

    def __init__(self, parameters: Parameters | None = None) -> None:
        self.parameters = parameters or Parameters()
        self._galleries: list[Gallery] = []
        self._descriptors: Tensor | None = None

    @full_precision()
    def fit(self, features: Features, generator: torch.Generator) -> Self:
        """Keep the training images' features and their pooled descriptors; nothing is random."""
        groups = [PIXEL_LEVELS] if self.parameters.concatenate else [(i,) for i in PIXEL_LEVELS]
        self._galleries = [Gallery(features, levels) for levels in groups]
        self._descriptors = _descriptors(features)
        return self

    @full_precision()
    def score(self, features: Features) -> Scores:
        """Score images by retrieval (section 3.2), positions by correspondence (section 3.3).

        Returns:
            images: mean distance to the K nearest training images, (N,).
            maps: mean distance to the kappa nearest gallery features; on level 1's grid where the
                levels are concatenated, else one map a level.
        """
        if self._descriptors is None:
            raise NotFittedError("Spade.score was called before fit")
        p = self.parameters
        distances, retrieved = nearest(_descriptors(features), self._descriptors, p.neighbours)
        maps = []
        for gallery in self._galleries:
            parts = [
                gallery.correspond(features, images, retrieved[images], p.gallery_neighbours)
                for images in features.batches(gallery.together(features))
            ]
            maps.append(torch.cat(parts))
        return Scores(tuple(maps), distances.mean(dim=1))


class Gallery:
    """The training images' positions at some levels, h·w an image.

    Args:
        features: the training features.
        levels: the levels, resized to the first one's grid and concatenated.
    """

    def __init__(self, features: Features, levels: Sequence[int]) -> None:
        self._features, self._levels = features, levels
        sampled = range(0, len(features), max(1, len(features) // SAMPLE_IMAGES))
        sample = require_finite(_pyramid(features, list(sampled), levels), "features")
        self._screen = Screen.of(sample.flatten(0, 1))
        positions = sample.shape[1] * len(features)
        keeps = positions * self._screen.bytes_per_vector <= KEPT_SHARE * features.memory
        numbers = range(len(features)) if keeps else ()
        self._kept = [self._reduce(self._image(number)) for number in numbers]

    def together(self, features: Features) -> int:
        """Return how many test images may walk over the training images together."""
        _, height, width = features.shape(self._levels[0])
        channels = sum(features.shape(level)[0] for level in self._levels)
        vector = 4 * channels + self._screen.bytes_per_vector
        most = QUERY_SHARE * features.memory / (height * width * vector)
        return max(1, min(TEST_IMAGES, int(most)))

    def correspond(
        self, features: Features, images: slice, retrieved: Tensor, kappa: int
    ) -> Tensor:
        """Return the maps (n, h, w) of some test images: distances to the kappa nearest positions.

        Walks over the training images, so that each is read and resized once for all the test
        images that retrieved it, and no test image's gallery is ever assembled.

        Args:
            features: the test features.
            images: which of them.
            retrieved: (n, K) the training images retrieved for each.
            kappa: how many gallery positions a score averages over.
        """
        queries = require_finite(
            _pyramid(features, images, self._levels), "features"
        )  # (n, h·w, C)
        found = [Nearest(query, self._screen.queries(query), kappa) for query in queries]
        for number in retrieved.unique().tolist():
            wanted = (retrieved == number).any(dim=1).nonzero()[:, 0].tolist()
            self._show(number, [found[image] for image in wanted])
        _, height, width = features.shape(self._levels[0])
        return torch.stack([one.distances().reshape(height, width) for one in found])

    def _show(self, number: int, wanted: Sequence[Nearest]) -> None:
        """Let some test images consider a training image."""
        gallery = self._image(number)
        reduced = self._kept[number] if self._kept else self._reduce(gallery)
        step = QUERY_ROWS[gallery.device.type]
        rows = [slice(start, start + step) for start in range(0, len(gallery), step)]
        parts = [(one, part) for one in wanted for part in rows]
        each(lambda part: part[0].look_at(gallery, reduced, part[1]), parts, gallery.device)

    def _image(self, number: int) -> Tensor:
        return _pyramid(self._features, [number], self._levels)[0]

    def _reduce(self, gallery: Tensor) -> Reduced:
        return self._screen.gallery(require_finite(gallery, "features"))


class Nearest:
    """One test image's kappa nearest gallery positions so far, for each of its own."""

    def __init__(self, queries: Tensor, asked: Reduced, kappa: int) -> None:
        self._queries, self._asked, self._kappa = queries, asked, kappa
        self._best = Best.none(queries)
        self._several = queries.new_full((len(queries), kappa), torch.inf)

    def look_at(self, gallery: Tensor, reduced: Reduced, part: slice) -> None:
        """Consider another training image's positions, for a part of the own ones."""
        if self._kappa == 1:
            improve(self._best[part], self._queries[part], gallery, self._asked[part], reduced)
            return
        distances, _ = nearest(self._queries[part], gallery, self._kappa)
        merged = torch.cat([self._several[part], distances], dim=1)
        self._several[part] = merged.sort(dim=1)[0][:, : self._kappa]

    def distances(self) -> Tensor:
        """Return the mean distance to the kappa nearest, (h·w,)."""
        return self._best.squared.sqrt() if self._kappa == 1 else self._several.mean(dim=1)


def _descriptors(features: Features) -> Tensor:
    """Return the average-pooled features of the image level, (N, C)."""
    pooled = [
        features.read(IMAGE_LEVEL, images).mean(dim=(2, 3))
        for images in features.batches(BATCH_IMAGES)
    ]
    return require_finite(torch.cat(pooled), "features")


def _pyramid(features: Features, images: slice | Sequence[int], levels: Sequence[int]) -> Tensor:
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
