"""Large images in windows: 2 × 2 that overlap pass a network, and their grids become one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.errors import BenchmarkError
from methods.base import GLOBAL
from methods.lazy import Tensor, torch

Extract = Callable[[Tensor, Sequence[int]], dict[int, Tensor]]
"""What gives the features of some levels, of uint8 images (B, 3, H, W)."""

TILES = 2
"""Windows in a row, and rows of them."""

MARGIN = 64
"""Pixels at a window's inner border whose positions are cut: they see the border, not what lies
behind it. More than the filter bank's radius on levels 1 to 3, which is 42."""

STRIDES = (1, 2, 4, 8, 16, 32)
STRIDE = STRIDES[-1]
"""The largest stride, of which offsets are multiples, so that grids of all levels meet."""

DEEPEST = 4
"""The level that isn't joined: like descriptors it says what an image is of, not where."""


def window_side(side: int) -> int:
    """Return the side of the windows of a square, in pixels.

    Raises:
        BenchmarkError: it is too small for two.
    """
    offset = (side // TILES - MARGIN) // STRIDE * STRIDE
    if offset < STRIDE:
        least = MARGIN + STRIDE
        raise BenchmarkError(
            f"--tiles {TILES} takes an --image-size of {least} pixels or more, not {side // TILES}"
        )
    return side - offset


class Tiled:
    """What a network extracts of windows, as if of the whole square.

    Args:
        extract: the network's, of one window.
    """

    def __init__(self, extract: Extract) -> None:
        self._extract = extract

    def __call__(self, images: Tensor, levels: Sequence[int]) -> dict[int, Tensor]:
        """Return the features of `levels`, of uint8 images (B, 3, S, S).

        Those of level 4 and of descriptors are means over the windows; the others are joined.

        Raises:
            BenchmarkError: the square is too small, the network doesn't take windows of that size,
                or a level's stride isn't one of `STRIDES`.
        """
        side = images.shape[-1]
        window = window_side(side)
        starts = 0, side - window
        try:
            windows = [
                self._extract(images[:, :, top : top + window, left : left + window], levels)
                for top in starts
                for left in starts
            ]
        except BenchmarkError as error:  # whose --image-size would be that of a window
            raise BenchmarkError(
                f"--tiles {TILES}: {str(error).partition(': pass --image-size')[0]}; windows have "
                f"{MARGIN} pixels more than an --image-size that is a multiple of {STRIDE}"
            ) from error
        return {
            level: _joined([maps[level] for maps in windows], window, side - window)
            if level not in (GLOBAL, DEEPEST)
            else torch.stack([maps[level] for maps in windows]).mean(dim=0)
            for level in levels
        }


def _joined(maps: Sequence[Tensor], window: int, offset: int) -> Tensor:
    """Return the grid of the square of those of its windows, row by row, (B, C, h, w) each."""
    positions = maps[0].shape[-1]
    fitting = [
        stride for stride in STRIDES if positions in (window // stride, -(-window // stride))
    ]
    if not fitting:
        raise BenchmarkError(
            f"--tiles {TILES}: grids of {positions} positions in windows of {window} pixels don't "
            "meet; take a network whose strides are powers of two"
        )
    stride = fitting[0]
    kept = slice((offset + MARGIN) // stride), slice(MARGIN // stride, None)
    rows = [
        torch.cat(
            [maps[2 * row + column][..., down, across] for column, across in enumerate(kept)], -1
        )
        for row, down in enumerate(kept)
    ]
    return torch.cat(rows, dim=-2)
