"""SPADE (Cohen and Hoshen, "Sub-Image Anomaly Detection with Deep Pyramid Correspondences")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from methods.base import Features, NotFittedError, Scores, require_finite
from methods.lazy import torch
from methods.neighbours import nearest, nearest_in_gallery

if TYPE_CHECKING:
    from torch import Tensor

BATCH_IMAGES = 16
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
        self._gallery: Features | None = None
        self._descriptors: Tensor | None = None

    def fit(self, features: Features, generator: torch.Generator) -> Self:
        """Keep the training images' features and their pooled descriptors; nothing is random."""
        for images in features.batches(BATCH_IMAGES):
            for level in PIXEL_LEVELS:
                require_finite(features.read(level, images), "features")
        self._gallery = features
        self._descriptors = _descriptors(features)
        return self

    def score(self, features: Features) -> Scores:
        """Score images by retrieval (section 3.2), positions by correspondence (section 3.3).

        Returns:
            images: mean distance to the K nearest training images, (N,).
            maps: mean distance to the kappa nearest gallery features; on level 1's grid where the
                levels are concatenated, else one map a level.
        """
        if self._descriptors is None:
            raise NotFittedError("Spade.score was called before fit")
        distances, retrieved = nearest(
            _descriptors(features), self._descriptors, self.parameters.neighbours
        )
        groups = [PIXEL_LEVELS] if self.parameters.concatenate else [(i,) for i in PIXEL_LEVELS]
        maps = [
            torch.cat([self._correspond(features, images, retrieved[images], levels) for images in
                       features.batches(BATCH_IMAGES)])
            for levels in groups
        ]  # fmt: skip
        return Scores(tuple(maps), distances.mean(dim=1))

    def _correspond(
        self, features: Features, images: slice, retrieved: Tensor, levels: Sequence[int]
    ) -> Tensor:
        """Return the maps (n, h, w) of some images over the given levels.

        Walks over the training images, so that each is read and resized once for all the test
        images that retrieved it, and no gallery is ever assembled.

        Args:
            features: the test features.
            images: which of them.
            retrieved: (n, K) the training images retrieved for each.
            levels: the levels to concatenate.
        """
        assert self._gallery is not None
        queries = require_finite(_pyramid(features, images, levels), "features")
        count, positions, _ = queries.shape
        kappa = self.parameters.gallery_neighbours
        best = queries.new_full((count, positions, kappa), torch.inf)
        for training_image in retrieved.unique().tolist():
            part = slice(training_image, training_image + 1)
            gallery = _pyramid(self._gallery, part, levels)[0]
            for image in (retrieved == training_image).any(dim=1).nonzero()[:, 0].tolist():
                found = nearest_in_gallery(queries[image], gallery, kappa)
                best[image] = torch.cat([best[image], found], dim=1).sort(dim=1)[0][:, :kappa]
        _, height, width = features.shape(levels[0])
        return best.mean(dim=2).reshape(count, height, width)


def _descriptors(features: Features) -> Tensor:
    """Return the average-pooled features of the image level, (N, C)."""
    pooled = [
        features.read(IMAGE_LEVEL, images).mean(dim=(2, 3))
        for images in features.batches(BATCH_IMAGES)
    ]
    return require_finite(torch.cat(pooled), "features")


def _pyramid(features: Features, images: slice, levels: Sequence[int]) -> Tensor:
    """Return the levels resized to the first one's grid and concatenated, (n, h·w, C)."""
    _, height, width = features.shape(levels[0])
    resized = []
    for level in levels:
        part = features.read(level, images)
        if part.shape[-2:] != (height, width):
            part = torch.nn.functional.interpolate(
                part, size=(height, width), mode="bilinear", align_corners=False
            )
        resized.append(part.flatten(2))
    return torch.cat(resized, dim=1).transpose(1, 2).contiguous()
