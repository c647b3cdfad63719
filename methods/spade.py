"""SPADE (Cohen and Hoshen, "Sub-Image Anomaly Detection with Deep Pyramid Correspondences")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from methods.base import (
    MEMORY,
    Features,
    NotFittedError,
    Scores,
    State,
    require_inputs,
)
from methods.components.correspondence import Gallery, gallery
from methods.components.neighbours import nearest
from methods.components.pooling import pooled
from methods.components.precision import full_precision
from methods.components.uploads import moved
from methods.lazy import Tensor, torch

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
        squared: True: scores are means of squared distances (the paper, sections 3.2 and 3.3).
            False: of the distances (the popular public code).
    """

    neighbours: int = 50
    gallery_neighbours: int = 1
    concatenate: bool = True
    squared: bool = True

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
    "spade-5": Parameters(neighbours=5, concatenate=False, squared=False),
}


class Spade:
    """Retrieves similar nominal images and compares every position with all of theirs."""

    def __init__(self, parameters: Parameters | None = None) -> None:
        self.parameters = parameters or Parameters()
        self._training: Features | None = None
        self._galleries: list[Gallery] = []
        self._descriptors: Tensor | None = None

    @full_precision()
    def fit(self, features: Features, generator: torch.Generator) -> Self:
        """Keep the training images' features and their pooled descriptors; nothing is random."""
        require_inputs(features, generator)
        return self._know(features, pooled(features, IMAGE_LEVEL))

    def _know(self, training: Features, descriptors: Tensor) -> Self:
        groups = [PIXEL_LEVELS] if self.parameters.concatenate else [(i,) for i in PIXEL_LEVELS]
        self._galleries = [gallery(training, levels) for levels in groups]
        self._training, self._descriptors = training, descriptors
        return self

    def state(self) -> State:
        """Return the training images' pooled descriptors, (N, C), and their features by level."""
        if self._training is None:
            raise NotFittedError("Spade.state was called before fit")
        levels = {f"level_{level}": self._training.stored(level) for level in PIXEL_LEVELS}
        return {"descriptors": self._descriptors, **levels}

    @full_precision()
    def from_state(
        self, state: State, device: torch.device | str = "cpu", memory: int = MEMORY
    ) -> Self:
        """Become the fitted method that had this state."""
        levels = {level: state[f"level_{level}"] for level in PIXEL_LEVELS}
        descriptors = moved(torch.as_tensor(state["descriptors"]), device)
        return self._know(Features(levels, device=device, memory=memory), descriptors)

    @full_precision()
    def score(self, features: Features) -> Scores:
        """Score images by retrieval (section 3.2), positions by correspondence (section 3.3).

        Returns:
            images: mean squared distance to the K nearest training images, (N,).
            maps: mean squared distance to the kappa nearest gallery features; on level 1's grid
                where the levels are concatenated, else one map a level. Both are means of plain
                distances unless `squared`.
        """
        if self._descriptors is None:
            raise NotFittedError("Spade.score was called before fit")
        p = self.parameters
        distances, retrieved = nearest(
            pooled(features, IMAGE_LEVEL), self._descriptors, p.neighbours
        )
        correspondences = [
            gallery.correspond(features, retrieved, p.gallery_neighbours)
            for gallery in self._galleries
        ]
        maps = tuple(self._mean(to_gallery) for to_gallery in correspondences)
        return Scores(maps, self._mean(distances))

    def _mean(self, distances: Tensor) -> Tensor:
        """Return the mean over the last dimension, of the squares if the scores are of those."""
        return (distances.square() if self.parameters.squared else distances).mean(dim=-1)
