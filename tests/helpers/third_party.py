"""A method as another package would bring it: distance to the mean nominal feature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch

from methods.base import Features, NotFittedError, Scores, require_finite


@dataclass(frozen=True)
class Parameters:
    """Its one parameter: the power to which distances are raised."""

    power: int = 2
    levels: tuple[int, ...] = (2,)

    def create(self) -> MeanDistance:
        return MeanDistance(self)


VARIANTS = {"mean-distance": Parameters()}


class MeanDistance:
    """Scores every position by its distance to the mean of all nominal positions."""

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self._mean: torch.Tensor | None = None

    def fit(self, features: Features, generator: torch.Generator) -> Self:
        self._mean = require_finite(features.read(2), "features").mean(dim=(0, 2, 3))
        return self

    def score(self, features: Features) -> Scores:
        if self._mean is None:
            raise NotFittedError("MeanDistance.score was called before fit")
        level = require_finite(features.read(2), "features")
        difference = level - self._mean[:, None, None]
        return Scores(difference.norm(dim=1) ** self.parameters.power)
