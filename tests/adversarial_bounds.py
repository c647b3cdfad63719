"""Look for a lower bound that exceeds the distance it bounds: `python -m tests.adversarial_bounds`.

Starts from vectors of many kinds and scales, and climbs, without gradients, towards pairs whose
bound comes closest to their distance. Prints the least room left, relative to the distance; exits
with 1 if a bound is violated.
"""

from __future__ import annotations

import argparse
import sys
import time

import torch

from methods.components.bounds import Allowance, Reduction

KINDS = ("noise", "sheet", "twins", "far", "relu", "spikes")


def vectors(kind: str, count: int, dims: int, generator: torch.Generator) -> torch.Tensor:
    """Return vectors (count, dims) of a kind, on a random scale."""
    noise = torch.randn(count, dims, generator=generator)
    few = torch.randn(min(6, dims), dims, generator=generator)
    latent = torch.randn(count, len(few), generator=generator)
    shaped = {
        "noise": noise,
        "sheet": latent @ few + 0.01 * noise,
        "twins": (latent @ few)[torch.arange(count) // 2] + 1e-3 * noise,
        "far": latent @ few + 0.1 * noise + 1000,
        "relu": (latent @ few + noise).relu(),
        "spikes": noise * (torch.rand(noise.shape, generator=generator) < 0.01) * 100,
    }[kind]
    return shaped * 10 ** float(torch.randint(-12, 13, (1,), generator=generator))


def room(bank: torch.Tensor, queries: torch.Tensor, reduction: Reduction) -> torch.Tensor:
    """Return (distance - what it is bounded by) / distance for queries and their own rows, (n,)."""
    reduced, asked = reduction.gallery(bank), reduction.queries(queries)
    allowance = Allowance.of(asked, reduced.error.max(), reduced.norms.max())
    bounds = (asked.points @ reduced.points.T).diagonal()
    distances = torch.linalg.vector_norm(queries.double() - bank.double(), dim=1)
    lowest = allowance.distances(bounds)
    return (distances - lowest) / distances.clamp(min=1e-300)


def attack(
    kind: str, dims: int, dtype: torch.dtype, generator: torch.Generator, steps: int
) -> float:
    """Return the least room that climbing from one start leaves; negative if a bound is wrong."""
    bank, queries = vectors(kind, 128, dims, generator).split(64)
    sampled = Reduction.of(torch.cat([bank, queries]))
    kept = int(torch.randint(1, dims + 1, (1,), generator=generator))
    basis = None if sampled.basis is None else sampled.basis[:, :kept].contiguous()
    reduction = Reduction(sampled.mean, basis, dtype)
    least = room(bank, queries, reduction)
    step = 1.0
    for _ in range(steps):
        spread = (queries - bank).abs().mean(dim=1, keepdim=True) * step
        sparse = torch.rand(bank.shape, generator=generator) < 0.1
        trial = queries + spread * sparse * torch.randn(bank.shape, generator=generator)
        trial = torch.where(torch.rand(64, 1, generator=generator) < 0.2, bank + spread, trial)
        now = room(bank, trial, reduction)
        better = now < least
        queries = torch.where(better[:, None], trial, queries)
        least = torch.where(better, now, least)
        step = step * 1.2 if bool(better.any()) else max(step * 0.7, 1e-6)
    return float(least.min())


def main(arguments: list[str] | None = None) -> int:
    """Search for some seconds; return 1 if a bound was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.adversarial_bounds", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    options = parser.parse_args(arguments)
    generator = torch.Generator().manual_seed(options.seed)
    least: dict[str, float] = {}
    end, starts = time.monotonic() + options.seconds, 0
    while time.monotonic() < end:
        kind = KINDS[starts % len(KINDS)]
        dims = (3, 16, 100, 300, 1024)[starts // len(KINDS) % 5]
        for dtype in (torch.bfloat16, torch.float32, torch.float64):
            name = f"{kind}, {str(dtype).removeprefix('torch.')}"
            least[name] = min(least.get(name, 1.0), attack(kind, dims, dtype, generator, 30))
        starts += 1
    for name, value in sorted(least.items(), key=lambda item: item[1]):
        print(f"{value:10.2e} of the distance is left: {name}")
    violated = min(least.values()) < 0
    print(f"{starts} starts, {'a bound was violated' if violated else 'no bound was violated'}")
    return int(violated)


if __name__ == "__main__":
    sys.exit(main())
