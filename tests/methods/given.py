"""Small features of several images, as backbones give them: with and without a class token."""

from __future__ import annotations

import torch

from methods.base import GLOBAL, LAST, Features

SHAPES = {1: (6, 8, 8), 2: (10, 4, 4), 3: (12, 4, 4), 4: (20, 2, 2)}
TOKENS = {1: (14, 4, 4), 2: (14, 4, 4), 3: (14, 4, 4), 4: (14, 4, 4), LAST: (14, 4, 4)}


def given(count: int, seed: int, shapes: dict[int, tuple[int, int, int]] | None = None) -> Features:
    """Return random features, skewed as behind a ReLU."""
    generator = torch.Generator().manual_seed(seed)
    wanted = SHAPES if shapes is None else {**shapes, GLOBAL: (14, 1, 1)}
    drawn = {
        level: torch.rand(count, *s, generator=generator).square() for level, s in wanted.items()
    }
    return Features(drawn)


def assert_close(actual: torch.Tensor | None, expected: torch.Tensor) -> None:
    """Compare with a float64 form, to 1e-5 of each value."""
    assert actual is not None
    torch.testing.assert_close(actual.double(), expected, rtol=1e-5, atol=0)
