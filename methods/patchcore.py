"""PatchCore (Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Self

from methods.base import Features, NotFittedError, Scores, require_comparable
from methods.components.coreset import draw, projection
from methods.components.embedding import LevelProjection, embed, level_projections
from methods.components.memory_bank import MemoryBank
from methods.components.neighbours import nearest
from methods.components.precision import full_precision
from methods.components.screening import ScreenedBank
from methods.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

BATCH_IMAGES = {"cpu": 16, "cuda": 64}
"""Images that are embedded or scored together."""

SCREENED_ROWS = 4096
"""Banks of fewer rows are searched whole: estimating a screen would cost more than it saves."""


@dataclass(frozen=True)
class Parameters:
    """PatchCore's parameters; the defaults are the paper's.

    Attributes:
        coreset_ratio: share of the training patches that the memory bank keeps, in (0, 1].
        patch_size: P, the neighbourhood's side, odd.
        levels: the pyramid levels, finest first; maps are on the first one's grid.
        level_dims: length to which each level's neighbourhoods are pooled.
        dims: length of a patch feature.
        projection_dims: dimensions in which the coreset is selected.
        starting_points: random points whose mean distance starts the selection.
        squared: score by squared distances, as the official code does; the ranking of images is
            the same, smoothed maps differ.
        reweight: b of eq. 7, the neighbours that re-weight the image score, the nearest included;
            0 leaves it out, as the official code does (the paper names no b; anomalib uses 9).
            With 1, every image's score would be 0.
    """

    coreset_ratio: float = 0.25
    patch_size: int = 3
    levels: tuple[int, ...] = (2, 3)
    level_dims: int = 1024
    dims: int = 1024
    projection_dims: int = 128
    starting_points: int = 10
    squared: bool = False
    reweight: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.coreset_ratio <= 1:
            raise ValueError(f"coreset_ratio must lie in (0, 1], not {self.coreset_ratio}")
        if self.patch_size < 1 or self.patch_size % 2 == 0:
            raise ValueError(f"patch_size must be odd and positive, not {self.patch_size}")
        if not self.levels or list(self.levels) != sorted(set(self.levels) & {1, 2, 3, 4}):
            raise ValueError(f"levels must ascend within 1 to 4, not {self.levels}")
        if min(self.level_dims, self.dims, self.projection_dims, self.starting_points) < 1:
            raise ValueError("dimensions and starting_points must be positive")
        if self.reweight < 0 or self.reweight == 1:
            raise ValueError(f"reweight must be 0 or at least 2, not {self.reweight}")

    def create(self) -> PatchCore:
        """Return an unfitted PatchCore with these parameters."""
        return PatchCore(self)


VARIANTS = {
    "patchcore-100": Parameters(coreset_ratio=1.0),
    "patchcore-25": Parameters(coreset_ratio=0.25),
    "patchcore-10": Parameters(coreset_ratio=0.10),
    "patchcore-1": Parameters(coreset_ratio=0.01),
}


class PatchCore:
    """A memory bank of nominal patch features, thinned to a coreset; scores are distances to it."""

    def __init__(self, parameters: Parameters | None = None) -> None:
        self.parameters = parameters or Parameters()
        self._maps: dict[int, LevelProjection] = {}
        self._bank: Tensor | None = None
        self._screened: ScreenedBank | None = None
        self.saved_seconds = 0.0
        """How much longer the last fit would have taken with no other ratio's bank at hand."""

    @full_precision()
    def fit(self, features: Features, generator: torch.Generator) -> Self:
        """Fill the memory bank (section 3.1) and keep a coreset of it (section 3.2)."""
        p = self.parameters
        channels = {level: features.shape(level)[0] for level in p.levels}
        self._maps = level_projections(
            channels, p.patch_size, p.level_dims, p.dims, features.device
        )
        _, height, width = features.shape(p.levels[0])
        patches = len(features) * height * width
        size = max(1, int(patches * p.coreset_ratio))
        self.saved_seconds = 0.0
        if size == 1 and p.reweight:
            raise ValueError("eq. 7 needs a memory bank of two patches: raise coreset_ratio")
        if size < patches:
            self._bank = self._coreset(features, size, patches, generator)
        else:
            self._bank = torch.cat(list(self._patches(features)))
        self._screened = ScreenedBank(self._bank) if size >= SCREENED_ROWS else None
        return self

    def _coreset(
        self, features: Features, size: int, patches: int, generator: torch.Generator
    ) -> Tensor:
        """Return the memory bank, (size, dims), which all ratios with the same seed share."""
        p = self.parameters
        key = ("patchcore", replace(p, coreset_ratio=1, squared=False, reweight=0))
        state = generator.get_state().numpy().tobytes()
        mapping = projection(p.dims, p.projection_dims, generator).to(features.device)
        drawn = draw(patches, p.starting_points, generator).to(features.device)
        begun = time.perf_counter()
        batches = partial(self._patches, features)
        bank = features.shared((*key, state), lambda: MemoryBank(batches, mapping, drawn))
        rows = bank.first(size, batches)
        self.saved_seconds = bank.seconds(size) - (time.perf_counter() - begun)
        return rows

    def _patches(self, features: Features) -> Iterator[Tensor]:
        """Yield all patch features in order, (n, dims) a batch."""
        for images in features.batches(BATCH_IMAGES[features.device.type]):
            yield self._embed(features, images).flatten(0, 2)

    @full_precision()
    def score(self, features: Features) -> Scores:
        """Score patches by their distance to the memory bank (section 3.3).

        Returns:
            images: the maximum over an image's patches, re-weighted where `reweight` says so.
            maps: the patches' distances on the first level's grid.
        """
        if self._bank is None:
            raise NotFittedError("PatchCore.score was called before fit")
        maps, images = [], []
        for batch in features.batches(BATCH_IMAGES[features.device.type]):
            embedding = self._embed(features, batch)  # (n, h, w, dims)
            distances, rows = self._nearest(embedding.flatten(0, 2))
            scores = distances.square() if self.parameters.squared else distances
            maps.append(scores.reshape(embedding.shape[:3]))
            peaks = scores.reshape(len(embedding), -1).max(dim=1)
            images.append(peaks.values)
            if self.parameters.reweight:
                at = torch.arange(len(embedding), device=rows.device), peaks.indices
                images[-1] = images[-1] * self._weights(
                    embedding.flatten(1, 2)[at], rows.reshape(len(embedding), -1)[at]
                )
        return Scores(torch.cat(maps), torch.cat(images))

    def _embed(self, features: Features, images: slice) -> Tensor:
        """Return the patch features (n, h, w, dims) of some images."""
        levels = {level: features.read(level, images) for level in self.parameters.levels}
        embedding = embed(levels, self._maps, self.parameters.dims)
        return require_comparable(embedding, "features")

    def _nearest(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distances (n,) to, and the rows (n,) of, the nearest in the memory bank."""
        assert self._bank is not None
        if self._screened is not None:
            return self._screened.nearest(patches)
        distances, rows = nearest(patches, self._bank)
        return distances[:, 0], rows[:, 0]

    def _weights(self, patches: Tensor, neighbours: Tensor) -> Tensor:
        """Return eq. 7's factors (n,): 1 minus the softmax weight of the nearest neighbour.

        Args:
            patches: (n, dims), each image's most anomalous patch.
            neighbours: (n,) the row of the memory bank nearest to it.
        """
        assert self._bank is not None
        _, around = nearest(self._bank[neighbours], self._bank, self.parameters.reweight)
        distances = torch.linalg.vector_norm(patches[:, None] - self._bank[around], dim=2)
        own = torch.linalg.vector_norm(patches - self._bank[neighbours], dim=1)
        # exp(own) / Σ exp(d) through the log-sum-exp: distances of some hundreds overflow exp
        return 1 - (own - distances.logsumexp(dim=1)).exp()
