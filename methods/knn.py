"""DN2 (Bergman, Cohen and Hoshen, "Deep Nearest Neighbor Anomaly Detection", 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from methods.base import GLOBAL, MEMORY, Features, Scores, State, require_fitted, require_inputs
from methods.components.neighbours import nearest
from methods.components.pooling import pooled
from methods.components.precision import full_precision
from methods.lazy import Tensor, torch


@dataclass(frozen=True)
class Parameters:
    """Parameters of the nearest descriptors; the defaults are the paper's.

    Attributes:
        neighbours: k, the training images whose distances are averaged; all of them where fewer.
            With SPADE's 50 the scores are SPADE's image scores, on a backbone without class tokens.
    """

    neighbours: int = 2

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise ValueError(f"neighbours must be positive, not {self.neighbours}")

    @property
    def levels(self) -> tuple[int, ...]:
        """The descriptor."""
        return (GLOBAL,)

    def create(self) -> Knn:
        """Return an unfitted method with these parameters."""
        return Knn(self)


VARIANTS = {"knn": Parameters()}


class Knn:
    """Compares whole images: the mean squared distance to the nearest nominal descriptors."""

    def __init__(self, parameters: Parameters | None = None) -> None:
        self.parameters = parameters or Parameters()
        self._descriptors: Tensor | None = None

    @full_precision()
    def fit(self, features: Features, generator: torch.Generator) -> Self:
        """Keep the training images' descriptors; nothing is random."""
        require_inputs(features, generator)
        self._descriptors = pooled(features, GLOBAL)
        return self

    def state(self) -> State:
        """Return the training images' descriptors, (N, C)."""
        return {"descriptors": require_fitted(self._descriptors, "Knn.state")}

    def from_state(
        self, state: State, device: torch.device | str = "cpu", memory: int = MEMORY
    ) -> Self:
        """Become the fitted method that had this state."""
        self._descriptors = torch.as_tensor(state["descriptors"]).to(device)
        return self

    @full_precision()
    def score(self, features: Features) -> Scores:
        """Return image scores, (N,): the mean squared distance to the k nearest. No maps."""
        known = require_fitted(self._descriptors, "Knn.score")
        distances, _ = nearest(pooled(features, GLOBAL), known, self.parameters.neighbours)
        return Scores(None, distances.square().mean(dim=1))
