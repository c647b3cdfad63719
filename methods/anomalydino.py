"""AnomalyDINO (Damm et al., "Boosting Patch-Based Few-Shot Anomaly Detection with DINOv2")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from methods import patchcore
from methods.base import LAST, Features, Scores
from methods.components.pooling import read, top_mean, unit
from methods.components.precision import full_precision
from methods.lazy import Tensor, torch


@dataclass(frozen=True)
class Parameters:
    """AnomalyDINO's parameters; the defaults are the paper's.

    Its mask of the foreground isn't built. Rotated copies of few training images are `--augment`.

    Attributes:
        levels: the level whose positions are compared; the paper's is a transformer's last block.
        top_share: share of an image's positions, those of the largest distances, whose mean is its
            score; one at least.
        coreset_ratio: share of the training patches that are kept, by PatchCore's selection.
    """

    levels: tuple[int, ...] = (LAST,)
    top_share: float = 0.01
    coreset_ratio: float = 1.0

    def __post_init__(self) -> None:
        if len(self.levels) != 1:
            raise ValueError(f"levels must be a single one, not {self.levels}")
        if not 0 <= self.top_share <= 1:
            raise ValueError(f"top_share must lie in [0, 1], not {self.top_share}")
        self.bank  # noqa: B018 - checks the others

    @property
    def bank(self) -> patchcore.Parameters:
        """The memory bank's parameters."""
        return patchcore.Parameters(self.coreset_ratio, levels=self.levels)

    def create(self) -> AnomalyDino:
        """Return an unfitted AnomalyDINO with these parameters."""
        return AnomalyDino(self)


VARIANTS = {"anomalydino": Parameters()}


class AnomalyDino(patchcore.PatchCore):
    """A memory bank of directions: scores are cosine distances to the nearest nominal patch.

    Of vectors of length 1 it is half the squared distance. A patch of zeros has none: its distance
    to all others is 1/2.
    """

    def __init__(self, parameters: Parameters | None = None) -> None:
        self._top_share = (parameters or Parameters()).top_share
        super().__init__((parameters or Parameters()).bank)

    def _expect(self, channels: Sequence[int], device: torch.device | str) -> None:
        self._channels = dict(zip(self.parameters.levels, channels, strict=True))
        self.parameters = replace(self.parameters, dims=channels[0])

    def _embed(self, features: Features, images: slice) -> Tensor:
        return unit(read(features, self.parameters.levels[0], images))

    @full_precision()
    def score(self, features: Features) -> Scores:
        """Score positions by their nearest nominal patch, images by the mean of the largest.

        Returns:
            images: mean of the largest `top_share` of the distances.
            maps: cosine distances on the level's grid.
        """
        distances = super().score(features).maps
        assert isinstance(distances, torch.Tensor)
        maps = distances.square() / 2
        return Scores(maps, top_mean(maps, self._top_share))
