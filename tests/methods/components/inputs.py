"""Vectors that make searching easy, hard, or as hard as rounding can make it."""

from __future__ import annotations

from collections.abc import Callable

import torch

from tests.adversarial_bounds import KINDS, vectors

INTEGERS = "integers"
"""Points of a small lattice: distances are exact, and many are equal."""

NAMES = (*KINDS, "clusters", "offset", "range", "almost equal", "near ties", INTEGERS)


def clusters(noise: torch.Tensor) -> torch.Tensor:
    """Three dense clusters far from each other."""
    return noise * 1e-3 + (torch.arange(len(noise)) % 3)[:, None] * 1e3


def offset(noise: torch.Tensor) -> torch.Tensor:
    """A huge offset, and a spread that float32 hardly holds beside it."""
    return noise * 0.1 + 1e4


def dynamic_range(noise: torch.Tensor) -> torch.Tensor:
    """Vectors of eight orders of magnitude."""
    return noise * 10 ** torch.linspace(-4, 4, len(noise))[torch.randperm(len(noise))][:, None]


def almost_equal(noise: torch.Tensor) -> torch.Tensor:
    """Few vectors, each many times but for some last bits."""
    repeated = noise[torch.arange(len(noise)) % 8]
    return repeated * (1 + noise * 2.0**-20)


def near_ties(noise: torch.Tensor) -> torch.Tensor:
    """Vectors on a sphere, and some near its centre, so that all distances are nearly the same."""
    sphere = noise / noise.norm(dim=1, keepdim=True)
    return torch.where(torch.arange(len(noise))[:, None] % 4 == 0, sphere * 1e-5, sphere)


def integers(noise: torch.Tensor) -> torch.Tensor:
    """Points of a lattice."""
    return (noise * 1.5).round()


SHAPED: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "clusters": clusters,
    "offset": offset,
    "range": dynamic_range,
    "almost equal": almost_equal,
    "near ties": near_ties,
    INTEGERS: integers,
}


def draw(name: str, count: int, dims: int, seed: int = 0) -> torch.Tensor:
    """Return vectors (count, dims) of one of NAMES, in random order."""
    generator = torch.Generator().manual_seed(seed)
    if name in SHAPED:
        torch.manual_seed(seed)
        drawn = SHAPED[name](torch.randn(count, dims, generator=generator))
    else:
        drawn = vectors(name, count, dims, generator)
    return drawn[torch.randperm(count, generator=generator)]
