"""SoftPatch (Jiang et al., "SoftPatch: Unsupervised Anomaly Detection with Noisy Data", 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Self

from methods import patchcore
from methods.base import MEMORY, Features, State, require_inputs
from methods.components.coreset import Selection, draw, mean_distances, projection
from methods.components.memory_bank import gather
from methods.components.outliers import outlier_factors
from methods.components.precision import full_precision
from methods.lazy import Tensor, torch


@dataclass(frozen=True)
class Parameters(patchcore.Parameters):
    """SoftPatch's parameters: PatchCore's, and how noise is found; the defaults are the paper's.

    Its code means to pass 6 neighbours, under a name that nothing reads: 5 are used, as in its
    text. It scores by squared distances (`squared`), draws another projection for the factors than
    for the coreset, and may begin the coreset with a patch that is dropped.

    Attributes:
        coreset_ratio: share of all training patches that the memory bank keeps.
        outlier_neighbours: k of the local outlier factor of a patch among those of its position; 1
            is every patch's factor where there are no more than k training images.
        dropped: share of the training patches, those of the largest factors, that no bank keeps.
        weighted: whether distances are multiplied by the factor of the nearest kept patch.
    """

    coreset_ratio: float = 0.10
    outlier_neighbours: int = 5
    dropped: float = 0.15
    weighted: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.outlier_neighbours < 1:
            raise ValueError(f"outlier_neighbours must be positive, not {self.outlier_neighbours}")
        if not 0 <= self.dropped < 1:
            raise ValueError(f"dropped must lie in [0, 1), not {self.dropped}")

    def create(self) -> SoftPatch:
        """Return an unfitted SoftPatch with these parameters."""
        return SoftPatch(self)


VARIANTS = {"softpatch": Parameters()}


class SoftPatch(patchcore.PatchCore):
    """PatchCore without the training patches that look like noise, and with doubt in the others."""

    parameters: Parameters

    def __init__(self, parameters: Parameters | None = None) -> None:
        super().__init__(parameters or Parameters())
        self._factors: Tensor | None = None

    @full_precision()
    def fit(self, features: Features, generator: torch.Generator) -> Self:
        """Judge the training patches by position, and keep a coreset of the better ones."""
        require_inputs(features, generator)
        p, device = self.parameters, features.device
        self._expect([features.shape(level)[0] for level in p.levels], device)
        mapping = projection(p.dims, p.projection_dims, generator).to(device)
        batches = partial(self._patches, features)
        points = torch.cat([batch @ mapping for batch in batches()])
        drawn = draw(len(points), p.starting_points, generator).to(device)
        factors = outlier_factors(points.unflatten(0, (len(features), -1)), p.outlier_neighbours)
        ascending = factors.flatten().sort().values
        most = ascending[int((1 - p.dropped) * (len(points) - 1))]
        kept = (factors.flatten() <= most).nonzero()[:, 0]
        size = min(len(kept), max(1, int(len(points) * p.coreset_ratio)))
        selection = Selection(points[kept], mean_distances(points, drawn)[kept])
        rows = kept[selection.first(size)]
        fits = size <= self._rows_together(device, features.memory)
        self._bank = gather(batches, rows, p.dims, device if fits else torch.device("cpu"))
        self._factors = factors.flatten()[rows].float()
        return self

    def state(self) -> State:
        """Return the memory bank, (m, dims), the levels' channels, and the factors, (m,)."""
        return {**super().state(), "factors": self._factors}

    def from_state(
        self, state: State, device: torch.device | str = "cpu", memory: int = MEMORY
    ) -> Self:
        """Become the fitted method that had this state."""
        self._factors = torch.as_tensor(state["factors"]).to(device)
        return super().from_state(state, device, memory)

    def _weighted(self, distances: Tensor, rows: Tensor) -> Tensor:
        if not self.parameters.weighted:
            return distances
        assert self._factors is not None
        factors = self._factors[rows]
        return distances * (factors.sqrt() if self.parameters.squared else factors)
