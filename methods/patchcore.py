"""PatchCore (Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

from methods.base import (
    LAST,
    MEMORY,
    Features,
    NotFittedError,
    Scores,
    State,
    later,
    require_comparable,
    require_inputs,
)
from methods.components.coreset import draw, projection
from methods.components.coreset_device import SIZES
from methods.components.embedding import LevelProjection, embed, level_projections
from methods.components.flat_index import FlatIndex
from methods.components.memory_bank import MemoryBank
from methods.components.neighbours import nearest, nearest_row
from methods.components.precision import full_precision
from methods.components.screening import ScreenedBank
from methods.components.uploads import moved
from methods.lazy import Tensor, torch

BATCH_IMAGES = {"cpu": 16, "cuda": 64}
"""Images that are embedded or scored together, at most."""

BATCH_SHARE, BANK_SHARE, COMPARED_SHARE = 1 / 4, 1 / 2, 1 / 4
"""Shares of a GPU's memory for patch features and what they are made of, for the bank, and for
distances that select the coreset. What is larger is divided; the bank then waits on the host."""

LEAST_ROWS, LEAST_COMPARED = 4096, 1 << 24
"""Rows of a bank that are searched together at least, and bytes for distances at least."""

SCREENED_ROWS, SCREENED_PAIRS = 8192, 1 << 28
"""Rows of a bank, and pairs with queries, from which a screen saves more than estimating it costs.
Below, the bank is searched whole; the distances are the same."""

SEARCHES = ("exact", "faiss")

Search = Callable[["Tensor"], "tuple[Tensor, Tensor]"]
"""Patch features (n, dims) → distances (n,) to, and rows (n,) of, the nearest in the bank."""


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
        search: "exact", or "faiss" for its flat index, as in the official code, whose distances
            are off by the rounding of |q|² + |b|² - 2 q·b.
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
    search: str = later("exact")

    def __post_init__(self) -> None:
        if not 0 < self.coreset_ratio <= 1:
            raise ValueError(f"coreset_ratio must lie in (0, 1], not {self.coreset_ratio}")
        if self.patch_size < 1 or self.patch_size % 2 == 0:
            raise ValueError(f"patch_size must be odd and positive, not {self.patch_size}")
        if not self.levels or list(self.levels) != sorted(set(self.levels) & {1, 2, 3, 4, LAST}):
            raise ValueError(f"levels must ascend within 1 to {LAST}, not {self.levels}")
        if min(self.level_dims, self.dims, self.projection_dims, self.starting_points) < 1:
            raise ValueError("dimensions and starting_points must be positive")
        if self.reweight < 0 or self.reweight == 1:
            raise ValueError(f"reweight must be 0 or at least 2, not {self.reweight}")
        if self.search not in SEARCHES:
            raise ValueError(f"search must be {' or '.join(SEARCHES)}, not {self.search!r}")

    def create(self) -> PatchCore:
        """Return an unfitted PatchCore with these parameters."""
        return PatchCore(self)


VARIANTS = {
    "patchcore-100": Parameters(coreset_ratio=1.0),
    "patchcore-25": Parameters(coreset_ratio=0.25),
    "patchcore-10": Parameters(coreset_ratio=0.10),
    "patchcore-1": Parameters(coreset_ratio=0.01),
}


def exact_search(bank: Tensor, queries: int) -> Search:
    """Return the fastest exact search of a bank (m, dims) for about as many queries."""
    if len(bank) >= SCREENED_ROWS and queries * len(bank) >= SCREENED_PAIRS:
        return ScreenedBank(bank).nearest
    return partial(nearest_row, bank=bank)


class PatchCore:
    """A memory bank of nominal patch features, thinned to a coreset; scores are distances to it."""

    def __init__(self, parameters: Parameters | None = None) -> None:
        self.parameters = parameters or Parameters()
        self._channels: dict[int, int] = {}
        self._maps: dict[int, LevelProjection] = {}
        self._bank: Tensor | None = None

    @full_precision()
    def fit(self, features: Features, generator: torch.Generator) -> Self:
        """Fill the memory bank (section 3.1) and keep a coreset of it (section 3.2)."""
        require_inputs(features, generator)
        p = self.parameters
        self._expect([features.shape(level)[0] for level in p.levels], features.device)
        _, height, width = features.shape(p.levels[0])
        patches = len(features) * height * width
        size = max(1, int(patches * p.coreset_ratio))
        fits = size <= self._rows_together(features.device, features.memory)
        if size == 1 and p.reweight:
            raise ValueError("eq. 7 needs a memory bank of two patches: raise coreset_ratio")
        if size < patches:
            bank = self._coreset(features, patches, generator)
            batches = partial(self._patches, features)
            self._bank = (bank.first if fits else bank.first_on_host)(size, batches)
        else:
            where = features.device if fits else torch.device("cpu")
            self._bank = torch.cat([batch.to(where) for batch in self._patches(features)])
        return self

    def _expect(self, channels: Sequence[int], device: torch.device | str) -> None:
        """Prepare for features of so many channels, by level."""
        p = self.parameters
        self._channels = dict(zip(p.levels, channels, strict=True))
        self._maps = level_projections(self._channels, p.patch_size, p.level_dims, p.dims, device)

    def state(self) -> State:
        """Return the memory bank, (m, dims), and the levels' channels."""
        if self._bank is None:
            raise NotFittedError("PatchCore.state was called before fit")
        return {"bank": self._bank, "channels": list(self._channels.values())}

    def from_state(
        self, state: State, device: torch.device | str = "cpu", memory: int = MEMORY
    ) -> Self:
        """Become the fitted method that had this state."""
        bank, device = torch.as_tensor(state["bank"]), torch.device(device)
        fits = len(bank) <= self._rows_together(device, memory)
        self._bank = moved(bank, device if fits else "cpu")
        self._expect(state["channels"], device)
        return self

    def _coreset(self, features: Features, patches: int, generator: torch.Generator) -> MemoryBank:
        """Return the memory bank, of any size, which all ratios with the same seed share."""
        p = self.parameters
        alike = replace(p, coreset_ratio=1, squared=False, reweight=0, search="exact")
        key = (type(self).__name__, alike)
        state = generator.get_state().numpy().tobytes()
        mapping = moved(projection(p.dims, p.projection_dims, generator), features.device)
        drawn = moved(draw(patches, p.starting_points, generator), features.device)
        batches = partial(self._patches, features)
        compared = max(LEAST_COMPARED, int(COMPARED_SHARE * features.memory))
        sizes = replace(SIZES, compared_bytes=min(SIZES.compared_bytes, compared))
        return features.shared((*key, state), lambda: MemoryBank(batches, mapping, drawn, sizes))

    def _patches(self, features: Features) -> Iterator[Tensor]:
        """Yield all patch features in order, (n, dims) a batch."""
        for images in self._batches(features):
            yield self._embed(features, images).flatten(0, 2)

    def _batches(self, features: Features) -> Iterator[slice]:
        """Yield images that are embedded together, as many as a GPU's memory holds."""
        most = BATCH_IMAGES[features.device.type]
        if features.device.type != "cpu":
            _, height, width = features.shape(self.parameters.levels[0])
            image = 4 * 4 * height * width * self.parameters.dims  # with what is between
            most = max(1, min(most, int(BATCH_SHARE * features.memory / image)))
        return features.batches(most)

    def _rows_together(self, device: torch.device, memory: int) -> float:
        """Return how many rows of a bank lie on the device together."""
        if device.type == "cpu":
            return math.inf
        row = 3 * 4 * self.parameters.dims  # with its reduction, or while it is put together
        return max(LEAST_ROWS, int(BANK_SHARE * memory / row))

    def _parts(self, features: Features) -> Iterator[tuple[int, Tensor]]:
        """Yield the bank on the device, by parts where it lies on the host, with first rows."""
        assert self._bank is not None
        if self._bank.device.type == features.device.type:
            yield 0, self._bank
            return
        rows, first = int(self._rows_together(features.device, features.memory)), 0
        for part in self._bank.split(rows):
            yield first, moved(part, features.device)
            first += len(part)

    @full_precision()
    def score(self, features: Features) -> Scores:
        """Score patches by their distance to the memory bank (section 3.3).

        Returns:
            images: the maximum over an image's patches, re-weighted where `reweight` says so.
            maps: the patches' distances on the first level's grid.
        """
        if self._bank is None:
            raise NotFittedError("PatchCore.score was called before fit")
        maps, peaks, neighbours = [], [], []
        for embedding, distances, rows in self._compared(features):
            maps.append(self._weighted(distances, rows).reshape(embedding.shape[:3]))
            farthest = maps[-1].flatten(1).argmax(dim=1, keepdim=True)
            peaks.append(embedding.flatten(1, 2).take_along_dim(farthest[..., None], 1)[:, 0])
            neighbours.append(rows.reshape(len(embedding), -1).gather(1, farthest)[:, 0])
        scores = torch.cat(maps)
        scores = scores.square() if self.parameters.squared else scores
        where = self._bank.device  # few are re-weighted: a bank on the host is searched there
        weights = self._weights(torch.cat(peaks).to(where), torch.cat(neighbours).to(where))
        return Scores(scores, scores.amax(dim=(1, 2)) * moved(weights, scores.device))

    def _weighted(self, distances: Tensor, rows: Tensor) -> Tensor:
        """Return scores by distances to, and the rows of, the nearest in the bank, (n,) each."""
        return distances

    def _compared(self, features: Features) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield patch features (n, h, w, dims), and distances to, and rows of, the nearest."""
        assert self._bank is not None
        _, height, width = features.shape(self.parameters.levels[0])
        nearest_rows: dict[int, tuple[Tensor, Tensor]] = {}
        for first, part in self._parts(features):
            if self.parameters.search == "faiss":
                search: Search = FlatIndex(part).nearest
            else:
                search = exact_search(part, len(features) * height * width)
            for images in self._batches(features):
                embedding = self._embed(features, images)
                distances, rows = search(embedding.flatten(0, 2))
                if first:
                    before, rows_before = nearest_rows[images.start]
                    rows = torch.where(distances < before, rows + first, rows_before)
                    distances = torch.minimum(distances, before)
                nearest_rows[images.start] = distances, rows
                if first + len(part) == len(self._bank):
                    yield embedding, distances, rows

    def _embed(self, features: Features, images: slice) -> Tensor:
        """Return the patch features (n, h, w, dims) of some images."""
        levels = {level: features.read(level, images) for level in self.parameters.levels}
        embedding = embed(levels, self._maps, self.parameters.dims)
        return require_comparable(embedding, "features")

    def _weights(self, patches: Tensor, neighbours: Tensor) -> Tensor:
        """Return eq. 7's factors (n,): 1 minus the nearest's softmax weight; 1 if not wanted.

        Args:
            patches: (n, dims), each image's most anomalous patch.
            neighbours: (n,) the row of the memory bank nearest to it.
        """
        assert self._bank is not None
        if not self.parameters.reweight:
            return torch.ones(len(patches), device=patches.device)
        _, around = nearest(self._bank[neighbours], self._bank, self.parameters.reweight)
        distances = torch.linalg.vector_norm(patches[:, None] - self._bank[around], dim=2)
        to_nearest = torch.linalg.vector_norm(patches - self._bank[neighbours], dim=1)
        # exp(d*) / Σ exp(d) through the log-sum-exp: distances of some hundreds overflow exp
        return 1 - (to_nearest - distances.logsumexp(dim=1)).exp()
