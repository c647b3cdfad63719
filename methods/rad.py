"""RAD (arXiv 2601.22763, 2026): patches against those around their place in similar images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from methods.base import GLOBAL, MEMORY, Features, Scores, State, require_fitted, require_inputs
from methods.components.neighbours import nearest
from methods.components.pooling import pooled, read, top_mean, unit
from methods.components.precision import full_precision
from methods.lazy import Tensor, torch

BLOCK = 16
"""Training images that are compared together, always."""

KEPT_SHARE = 1 / 2
"""Share of the memory that directions of training patches may take; beyond it they are made again
for every test image."""


@dataclass(frozen=True)
class Parameters:
    """RAD's parameters; the defaults are the paper's for MVTec AD.

    Deviations: its levels are blocks 3, 6, 9 and 11 of a DINOv3 ViT-B/16, which `--layers` names,
    each behind the final norm, which is left out here. It smooths maps by σ = 1 and scores images
    by the largest pixels; here these are the largest positions of the mean map, and smoothing is
    the protocol's. Levels of several grids are resized to the first one's.

    Attributes:
        levels: whose distances are averaged.
        neighbours: K, the training images retrieved for a test image; all of them where fewer.
        radius: how far from its own position a patch may be found, in positions.
        top_share: share of an image's positions, those of the largest distances, whose mean is its
            score; one at least.
    """

    levels: tuple[int, ...] = (1, 2, 3, 4)
    neighbours: int = 150
    radius: int = 1
    top_share: float = 0.01

    def __post_init__(self) -> None:
        if not self.levels or len(set(self.levels)) < len(self.levels):
            raise ValueError(f"levels must be one or several, each once, not {self.levels}")
        if self.neighbours < 1 or self.radius < 0 or not 0 <= self.top_share <= 1:
            raise ValueError("neighbours must be positive, radius 0 or more, top_share in [0, 1]")

    def create(self) -> Rad:
        """Return an unfitted RAD with these parameters."""
        return Rad(self)


VARIANTS = {"rad": Parameters()}


class Rad:
    """Retrieves similar nominal images and compares positions with theirs around the same place."""

    def __init__(self, parameters: Parameters | None = None) -> None:
        self.parameters = parameters or Parameters()
        self._training: Features | None = None
        self._descriptors: Tensor | None = None
        self._kept: dict[int, list[Tensor]] = {}

    @full_precision()
    def fit(self, features: Features, generator: torch.Generator) -> Self:
        """Keep the training images' features and descriptors; nothing is random."""
        require_inputs(features, generator)
        return self._know(features, _directions(features))

    def _know(self, training: Features, descriptors: Tensor) -> Self:
        self._training, self._descriptors, self._kept = training, descriptors, {}
        levels = self.parameters.levels
        numbers = sum(torch.Size(training.shape(level)).numel() for level in levels)
        fits = 4 * len(training) * numbers <= KEPT_SHARE * training.memory
        for level in levels:  # all are made once, so that fitting refuses what can't be compared
            self._kept[level] = [block for block in _blocks(training, level) if fits]
        return self

    def state(self) -> State:
        """Return the descriptors' directions, (N, C), and the training features by level."""
        training, levels = require_fitted(self._training, "Rad.state"), self.parameters.levels
        stored = {f"level_{level}": training.stored(level) for level in levels}
        return {"descriptors": self._descriptors, **stored}

    @full_precision()
    def from_state(
        self, state: State, device: torch.device | str = "cpu", memory: int = MEMORY
    ) -> Self:
        """Become the fitted method that had this state."""
        levels = {level: state[f"level_{level}"] for level in self.parameters.levels}
        descriptors = torch.as_tensor(state["descriptors"]).to(device)
        return self._know(Features(levels, device=device, memory=memory), descriptors)

    @full_precision()
    def score(self, features: Features) -> Scores:
        """Score positions by cosine distance, images by the mean of the largest.

        Returns:
            images: mean of the largest `top_share` of the map.
            maps: mean over the levels of distances, on the first level's grid.
        """
        p, known = self.parameters, require_fitted(self._descriptors, "Rad.score")
        _, retrieved = nearest(_directions(features), known, p.neighbours)
        asked = torch.zeros(len(features), len(known), dtype=torch.bool, device=known.device)
        pairs = list(zip(asked.scatter_(1, retrieved, 1), asked.cpu(), strict=True))
        size, resized = features.shape(p.levels[0])[1:], []
        for level in p.levels:
            maps = [self._distances(features, level, i, *pair) for i, pair in enumerate(pairs)]
            grid = torch.stack(maps)[:, None]
            resized.append(torch.nn.functional.interpolate(grid, size=size, mode="bilinear"))
        mean = torch.cat(resized, dim=1).mean(dim=1)
        return Scores(mean.float(), top_mean(mean, p.top_share).float())

    def _distances(
        self, features: Features, level: int, image: int, asked: Tensor, on_host: Tensor
    ) -> Tensor:
        """Return a test image's distances on a level's grid, (h, w) float64.

        One product finds the nearest; its distance is computed from differences.

        Args:
            features: of test images.
            level: which level.
            image: which of them.
            asked: which training images are compared, (N,) bool.
            on_host: the same on the CPU, which says what to skip without waiting for a device.
        """
        _, height, width = features.shape(level)
        query = unit(read(features, level, slice(image, image + 1)))[0].flatten(0, 1)  # (P, C)
        places, inside = _around(height, width, self.parameters.radius, features.device)
        shifted = query[places]  # (P, O, C): what a training position is compared with
        most = query.new_full(places.shape, -torch.inf)
        images = torch.zeros_like(places)
        for number, block in self._asked_blocks(level, on_host):
            left_out = ~asked[number * BLOCK :][:BLOCK]
            products = torch.bmm(shifted, block.mT).masked_fill_(left_out, -torch.inf)
            largest, rows = products.max(dim=2)
            images = torch.where(largest > most, rows + number * BLOCK, images)
            most = torch.maximum(most, largest)
        # the same positions seen from the test image: offset o there is offset O - 1 - o here
        offsets = torch.arange(places.shape[1] - 1, -1, -1, device=query.device)
        seen = most[places, offsets].masked_fill_(~inside, -torch.inf)
        best = seen.argmax(dim=1, keepdim=True)
        position = places.gather(1, best)[:, 0]
        image_there = images[position, offsets[best[:, 0]]]
        vectors = torch.zeros_like(query)
        for number, block in self._asked_blocks(level, on_host):
            row = image_there - number * BLOCK
            within = row.clamp(0, block.shape[1] - 1)
            vectors = torch.where((row == within)[:, None], block[position, within], vectors)
        halves = (query.double() - vectors.double()).square().sum(dim=1) / 2
        return halves.unflatten(0, (height, width))

    def _asked_blocks(self, level: int, asked: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yield the blocks of training images that hold any that is asked for, with numbers."""
        assert self._training is not None
        for number, of_block in enumerate(asked.split(BLOCK)):
            if bool(of_block.any()):
                kept = self._kept.get(level)
                yield number, kept[number] if kept else _block(self._training, level, number)


def _directions(features: Features) -> Tensor:
    """Return the descriptors' directions, (N, C)."""
    return torch.nn.functional.normalize(pooled(features, GLOBAL))


def _blocks(training: Features, level: int) -> Iterator[Tensor]:
    """Yield the directions of training patches by position, (P, n, C), n images a block."""
    for number in range(-(-len(training) // BLOCK)):
        yield _block(training, level, number)


def _block(training: Features, level: int, number: int) -> Tensor:
    images = slice(number * BLOCK, min((number + 1) * BLOCK, len(training)))
    return unit(read(training, level, images)).flatten(1, 2).transpose(0, 1).contiguous()


def _around(height: int, width: int, radius: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the positions up to `radius` away from each, (P, O), and which lie in the grid."""
    steps = torch.arange(-radius, radius + 1, device=device)
    rows = torch.arange(height, device=device)[:, None] + steps  # (h, 2r + 1)
    columns = torch.arange(width, device=device)[:, None] + steps
    inside = ((rows >= 0) & (rows < height))[:, None, :, None]
    inside = inside & ((columns >= 0) & (columns < width))[None, :, None, :]
    rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    places = rows[:, None, :, None] * width + columns[None, :, None, :]
    return places.reshape(height * width, -1), inside.reshape(height * width, -1)
