"""Mah.AD (Rippel et al., "Modeling the Distribution of Normal Data …", ICPR 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from methods.base import MEMORY, Features, Scores, State, require_fitted, require_inputs
from methods.components.covariance import Gaussian
from methods.components.pooling import pooled
from methods.components.precision import full_precision
from methods.lazy import torch


@dataclass(frozen=True)
class Parameters:
    """Parameters of the Gaussians of whole images.

    The paper takes eight blocks of EfficientNet-B4; here the pyramid's four levels stand for them.

    Attributes:
        levels: whose distances are added up.
        ridge: what is added to a covariance's diagonal where shrinkage leaves it singular, which it
            does with fewer than three training images.
    """

    levels: tuple[int, ...] = (1, 2, 3, 4)
    ridge: float = 0.01

    def __post_init__(self) -> None:
        if not self.levels or len(set(self.levels)) < len(self.levels):
            raise ValueError(f"levels must be one or several, each once, not {self.levels}")
        if self.ridge <= 0:
            raise ValueError(f"ridge must be positive, not {self.ridge}")

    def create(self) -> Mahalanobis:
        """Return an unfitted method with these parameters."""
        return Mahalanobis(self)


VARIANTS = {"mahalanobis": Parameters()}


class Mahalanobis:
    """One Gaussian of nominal images a level; scores are sums of distances to them."""

    def __init__(self, parameters: Parameters | None = None) -> None:
        self.parameters = parameters or Parameters()
        self._gaussians: dict[int, Gaussian] = {}

    @full_precision()
    def fit(self, features: Features, generator: torch.Generator) -> Self:
        """Estimate each level's mean and shrunk covariance; nothing is random."""
        require_inputs(features, generator)
        self._gaussians = {
            level: Gaussian.shrunk(pooled(features, level).double(), self.parameters.ridge)
            for level in self.parameters.levels
        }
        return self

    def state(self) -> State:
        """Return each level's mean, (C,), and the factor of its covariance, (C, C), float64."""
        known = require_fitted(self._gaussians or None, "Mahalanobis.state").items()
        means = {f"mean_{level}": gaussian.mean for level, gaussian in known}
        return {**means, **{f"factor_{level}": gaussian.factor for level, gaussian in known}}

    def from_state(
        self, state: State, device: torch.device | str = "cpu", memory: int = MEMORY
    ) -> Self:
        """Become the fitted method that had this state."""

        def tensor(name: str) -> torch.Tensor:
            return torch.as_tensor(state[name]).to(device)

        self._gaussians = {
            level: Gaussian(tensor(f"mean_{level}"), tensor(f"factor_{level}"))
            for level in self.parameters.levels
        }
        return self

    @full_precision()
    def score(self, features: Features) -> Scores:
        """Return image scores, (N,): the sum of the Mahalanobis distances. No maps."""
        known = require_fitted(self._gaussians or None, "Mahalanobis.score").items()
        distances = [g.distances(pooled(features, level).double()) for level, g in known]
        return Scores(None, torch.stack(distances).sum(dim=0).float())
