"""Residuals of principal components: DFM and SubspaceAD.

DFM: Ahuja et al., "Probabilistic Modeling of Deep Features for Out-of-Distribution and Adversarial
Detection", 2019. SubspaceAD: Lendering et al., "SubspaceAD: Training-Free Few-Shot Anomaly
Detection via Subspace Modeling", 2026.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from methods.base import MEMORY, Features, Scores, State, require_fitted, require_inputs
from methods.components.pooling import IMAGES_TOGETHER, read, top_mean
from methods.components.precision import full_precision
from methods.components.subspace import Subspace
from methods.lazy import Tensor, torch

CHOICES = {
    "vectors": ("images", "positions"),
    "score": ("residual", "likelihood"),
    "image_score": ("maximum", "sum", "top"),
}


@dataclass(frozen=True)
class Parameters:
    """Parameters of the principal components.

    The defaults are DFM's: level, pooling and share of the variance as anomalib has them, and the
    largest residual as an image's score, for which anomalib has their sum.

    Attributes:
        levels: the level, a single one. That of several blocks' mean is named by `--layers`.
        pooling: side of the windows that are averaged; at most the level's.
        variance: share of the variance that the subspace holds, in (0, 1].
        vectors: "images": a vector an image, of all its positions; "positions": one a position, the
            subspace is the same everywhere.
        score: "residual": the squared length outside the subspace; "likelihood": the Gaussian's
            within it, which makes no maps.
        image_score: of residuals: the "maximum" over an image's positions, their "sum", or "top",
            the mean of the largest `top_share`.
        top_share: share of the positions, one at least.
        ridge: the variance of the likelihood's Gaussian where the training images have none.
    """

    levels: tuple[int, ...] = (3,)
    pooling: int = 4
    variance: float = 0.97
    vectors: str = "images"
    score: str = "residual"
    image_score: str = "maximum"
    top_share: float = 0.01
    ridge: float = 0.01

    def __post_init__(self) -> None:
        if len(self.levels) != 1:
            raise ValueError(f"levels must be a single one, not {self.levels}")
        if self.pooling < 1 or self.ridge <= 0:
            raise ValueError("pooling and ridge must be positive")
        if not (0 < self.variance <= 1 and 0 <= self.top_share <= 1):
            raise ValueError("variance must lie in (0, 1], top_share in [0, 1]")
        for name, known in CHOICES.items():
            if (chosen := getattr(self, name)) not in known:
                raise ValueError(f"{name} must be {' or '.join(known)}, not {chosen!r}")
        if self.score == "likelihood" and self.vectors == "positions":
            raise ValueError("the likelihood is of images: vectors=positions has none")

    def create(self) -> Dfm:
        """Return an unfitted method with these parameters."""
        return Dfm(self)


VARIANTS = {
    "dfm": Parameters(),
    "dfm-likelihood": Parameters(score="likelihood"),
    "subspace": Parameters(pooling=1, variance=0.99, vectors="positions", image_score="top"),
}


class Dfm:
    """A subspace of nominal features; scores are what lies outside it."""

    def __init__(self, parameters: Parameters | None = None) -> None:
        self.parameters = parameters or Parameters()
        self._subspace: Subspace | None = None

    @full_precision()
    def fit(self, features: Features, generator: torch.Generator) -> Self:
        """Find the subspace; nothing is random."""
        require_inputs(features, generator)
        self._subspace = Subspace.of(
            lambda: map(self._vectors, self._batches(features)), self.parameters.variance
        )
        return self

    def state(self) -> State:
        """Return the subspace's mean, (d,), basis, (d, k), and variances, (k,), float64."""
        return dict(vars(require_fitted(self._subspace, "Dfm.state")))

    def from_state(
        self, state: State, device: torch.device | str = "cpu", memory: int = MEMORY
    ) -> Self:
        """Become the fitted method that had this state."""
        self._subspace = Subspace(
            *(torch.as_tensor(state[name]).to(device) for name in ("mean", "basis", "variances"))
        )
        return self

    @full_precision()
    def score(self, features: Features) -> Scores:
        """Score positions by their squared residual, or images by their likelihood.

        Returns:
            images: by the parameters `score` and `image_score`.
            maps: squared residuals on the pooled grid; None of likelihoods.
        """
        subspace, p, scores = require_fitted(self._subspace, "Dfm.score"), self.parameters, []
        for maps in self._batches(features):
            vectors = self._vectors(maps)
            if p.score == "likelihood":
                scores.append(subspace.unlikeliness(vectors, p.ridge))
                continue
            squared = subspace.residuals(vectors).square()
            if p.vectors == "images":
                scores.append(squared.unflatten(1, maps.shape[1:]).sum(dim=1))
            else:
                scores.append(squared.sum(dim=1).reshape(len(maps), *maps.shape[2:]))
        whole = torch.cat(scores)
        if p.score == "likelihood":
            return Scores(None, whole.float())
        images = {"maximum": whole.amax(dim=(1, 2)), "sum": whole.sum(dim=(1, 2))}
        image_scores = images.get(p.image_score, top_mean(whole, p.top_share))
        return Scores(whole.float(), image_scores.float())

    def _batches(self, features: Features) -> Iterator[Tensor]:
        """Yield the pooled level, (n, C, h, w) float64, by images."""
        (level,) = self.parameters.levels
        _, height, width = features.shape(level)
        window = min(self.parameters.pooling, height, width)
        for images in features.batches(IMAGES_TOGETHER):
            yield torch.nn.functional.avg_pool2d(read(features, level, images).double(), window)

    def _vectors(self, maps: Tensor) -> Tensor:
        if self.parameters.vectors == "images":
            return maps.flatten(1)
        return maps.permute(0, 2, 3, 1).flatten(0, 2)
