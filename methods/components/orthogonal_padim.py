"""PaDiM behind a random semi-orthogonal projection.

Kim et al., "Semi-Orthogonal Embedding for Efficient Unsupervised Anomaly Segmentation", 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from methods.base import MEMORY, Features, State
from methods.lazy import Tensor, torch
from methods.padim import LEVELS, Padim, Samples


class OrthogonalPadim(Padim):
    """Gaussians of projected features; what is left out is spread over all dimensions.

    A projection mixes the levels, so that samples are of level 1's grid alone.
    """

    _matrices: Sequence[Tensor] = ()
    """By level the projection's rows, (C, k) float64."""

    def state(self) -> State:
        """Return each level's rows of the projection, (C, k), and training features."""
        matrices = zip(LEVELS, self._matrices, strict=False)
        return {**super().state(), **{f"projection_{level}": m for level, m in matrices}}

    def from_state(
        self, state: State, device: torch.device | str = "cpu", memory: int = MEMORY
    ) -> Self:
        """Become the fitted method that had this state."""
        rows = (state[f"projection_{level}"] for level in LEVELS)
        self._matrices = [torch.as_tensor(matrix).to(device) for matrix in rows]
        return super().from_state(state, device, memory)

    def _choose(self, features: Features, generator: torch.Generator) -> list[list[int]]:
        """Draw the projection, uniformly among all; every dimension is read."""
        channels = [features.shape(level)[0] for level in LEVELS]
        total = sum(channels)
        shape = total, self._wanted(total)
        matrix, triangle = torch.linalg.qr(torch.randn(shape, generator=generator).double())
        matrix = matrix * triangle.diagonal().sign()
        self._matrices = matrix.to(features.device).split(channels)
        return [list(range(count)) for count in channels]

    def _bytes(self, training: Features) -> int:
        _, height, width = training.shape(LEVELS[0])
        dims = self._matrices[0].shape[1]
        order = min(len(training), dims)
        return 8 * height * width * (len(training) * dims + order**2)

    def _read(
        self, features: Features, dims: list[list[int]], images: slice, rows: slice
    ) -> Samples:
        levels = super()._read(features, dims, images, rows)
        cells = super()._cells(features, rows)
        triples = zip(levels, self._matrices, cells, strict=True)
        first, *others = ((samples @ matrix)[below] for samples, matrix, below in triples)
        for projected in others:
            first += projected
        return [first]

    def _cells(self, training: Features, rows: slice) -> Sequence[Tensor]:
        _, _, width = training.shape(LEVELS[0])
        return [torch.arange((rows.stop - rows.start) * width, device=training.device)]
