"""Exact greedy k-centre (farthest-first) selection for PatchCore's memory bank."""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

POOL = 1024
"""Points among which centres are selected between two updates of all the others."""

BLOCK_ELEMENTS = 1 << 22
"""Size of one block of distances: small enough to be reduced while it lies in the cache."""


def project(features: Tensor, dims: int, generator: torch.Generator) -> Tensor:
    """Return features (N, D) through a random linear map to (N, dims); as they are if D ≤ dims.

    The map is `nn.Linear`'s default initialisation without bias, uniform in ±1/√D, as in the
    official code; distances are kept up to a common factor (Johnson-Lindenstrauss).
    """
    width = features.shape[1]
    if width <= dims:
        return features
    weights = torch.rand(dims, width, generator=generator) * 2 - 1
    return features @ (weights / width**0.5).to(features.device).T


def starting_distances(points: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return each point's mean distance to `count` random points, (N,).

    The official code starts so instead of from a first centre; the points drawn are not selected.
    """
    drawn = torch.randperm(len(points), generator=generator)[:count].to(points.device)
    exact = "donot_use_mm_for_euclid_dist"
    return torch.cdist(points, points[drawn], compute_mode=exact).mean(dim=1)


def farthest_first(points: Tensor, size: int, distances: Tensor) -> Tensor:
    """Select `size` points, each the farthest from those selected before it ("coreset", eq. 5).

    The same selection as the plain loop that updates all N distances after every centre.
    Distances only shrink, so those not yet updated are upper bounds. The points with the largest
    bounds form a pool; inside it centres are selected exactly until the best one falls below the
    largest bound outside. Only then are all points updated, against all new centres in one matrix
    product.

    Args:
        points: (N, d) float32.
        size: number of centres, at most N.
        distances: (N,) initial distances: what the first centre is chosen by.

    Returns:
        indices (size,) in the order of selection; no point is selected twice.
    """
    points = points - points.mean(dim=0)
    norms = points.square().sum(dim=1)
    bounds = distances.square()
    selected: list[Tensor] = []
    missing = size
    while missing > 0:
        pool, ceiling = _pool(bounds)
        centres = pool[_select_in_pool(points[pool], bounds[pool], ceiling, missing)]
        _lower(bounds, points, norms, centres)
        bounds[centres] = -1.0
        selected.append(centres)
        missing -= len(centres)
    return torch.cat(selected)


def _pool(bounds: Tensor) -> tuple[Tensor, float]:
    """Return the indices of the largest bounds, and the largest bound outside them."""
    largest = bounds.topk(min(POOL + 1, len(bounds)))
    if len(bounds) <= POOL:
        return largest.indices, float("-inf")
    return largest.indices[:-1], float(largest.values[-1])


def _select_in_pool(points: Tensor, bounds: Tensor, ceiling: float, limit: int) -> Tensor:
    """Return positions in the pool (at least one), farthest first, while at or above `ceiling`."""
    exact = points.double()
    between = torch.cdist(exact, exact, compute_mode="donot_use_mm_for_euclid_dist").square()
    squared, current = between.cpu().numpy(), bounds.double().cpu().numpy()
    chosen: list[int] = []
    while len(chosen) < min(limit, len(current)):
        best = int(current.argmax())
        if chosen and current[best] < ceiling:
            break
        chosen.append(best)
        current = current.clip(max=squared[best])
        current[chosen] = -1.0
    return torch.tensor(chosen, device=points.device)


def _lower(bounds: Tensor, points: Tensor, norms: Tensor, centres: Tensor) -> None:
    """Lower the squared distances in place to those from the new centres."""
    rows = max(1, BLOCK_ELEMENTS // len(centres))
    new, new_norms = points[centres].T.contiguous(), norms[centres]
    for start in range(0, len(points), rows):
        part = slice(start, start + rows)
        nearest = torch.addmm(new_norms, points[part], new, alpha=-2).amin(dim=1)
        nearest = (nearest + norms[part]).clamp_(min=0)
        torch.minimum(bounds[part], nearest, out=bounds[part])
