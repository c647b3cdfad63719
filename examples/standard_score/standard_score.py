"""How many standard deviations a position's features lie from the nominal mean there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from methods.base import Features, NotFittedError, Scores, require_finite
from methods.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

BATCH_IMAGES = 16


@dataclass(frozen=True)
class Parameters:
    """Its parameters.

    Attributes:
        level: the pyramid level that it reads, 1 to 4.
        floor: what is added to the variances, so that a channel that never varies divides by
            something.
    """

    level: int = 2
    floor: float = 1e-3

    def __post_init__(self) -> None:
        if self.level not in (1, 2, 3, 4) or self.floor <= 0:
            raise ValueError(f"level {self.level} or floor {self.floor} is out of range")

    @property
    def levels(self) -> tuple[int, ...]:
        """The one level."""
        return (self.level,)

    def create(self) -> StandardScore:
        """Return an unfitted method."""
        return StandardScore(self)


VARIANTS = {"standard-score": Parameters(), "standard-score-coarse": Parameters(level=3)}


class StandardScore:
    """Mean and variance of each channel at each position; scores are root mean square z-scores."""

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self._mean: Tensor | None = None
        self._variance: Tensor | None = None

    def fit(self, features: Features, generator: torch.Generator) -> Self:
        """Estimate means and variances (C, h, w) in two passes; nothing is random."""
        count = len(features)
        mean = torch.zeros(
            features.shape(self.parameters.level), dtype=torch.float64, device=features.device
        )
        variance = mean + self.parameters.floor
        for part in features.batches(BATCH_IMAGES):
            mean += self._read(features, part).sum(dim=0) / count
        for part in features.batches(BATCH_IMAGES):
            variance += (self._read(features, part) - mean).square().sum(dim=0) / count
        self._mean, self._variance = mean, variance
        return self

    def score(self, features: Features) -> Scores:
        """Return maps of root mean square z-scores; image scores are the finished maps' maxima."""
        if self._mean is None or self._variance is None:
            raise NotFittedError("StandardScore.score was called before fit")
        maps = []
        for part in features.batches(BATCH_IMAGES):
            z = (self._read(features, part) - self._mean).square() / self._variance
            maps.append(z.mean(dim=1).sqrt().float())  # (n, h, w)
        return Scores(torch.cat(maps))

    def _read(self, features: Features, images: slice) -> Tensor:
        level = features.read(self.parameters.level, images)
        return require_finite(level, "features").double()
