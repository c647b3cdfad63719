"""Local outlier factors (Breunig et al., "LOF: Identifying Density-Based Local Outliers", 2000)."""

from __future__ import annotations

from methods.lazy import Tensor, torch

TOGETHER = 16
"""Groups whose distances are computed together, always."""

LEAST = 1e-10
"""Added to mean distances, so that the density of equal points is a number (scikit-learn's)."""


def outlier_factors(points: Tensor, neighbours: int) -> Tensor:
    """Return how much sparser it is around each point than around its neighbours, (N, P) float64.

    About 1 within a cluster, more outside; 1 of all where a group has no more than k points.

    Args:
        points: (N, P, d): P groups of N points, each compared within its group.
        neighbours: k, at least 1.
    """
    if len(points) <= neighbours:
        return torch.ones(points.shape[:2], dtype=torch.float64, device=points.device)
    groups = points.transpose(0, 1).split(TOGETHER)
    return torch.cat([_factors(group.double(), neighbours) for group in groups]).T


def _factors(points: Tensor, k: int) -> Tensor:
    """Return the factors of groups of points (p, N, d), (p, N)."""
    centred = points - points.mean(dim=1, keepdim=True)
    squares = centred.square().sum(dim=2)
    near = squares[:, :, None] + squares[:, None] - 2 * torch.bmm(centred, centred.mT)
    near.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    rows = near.topk(k, dim=2, largest=False).indices  # (p, N, k)
    group = torch.arange(len(points), device=points.device)[:, None, None]
    distances = (points[group, rows] - points[:, :, None]).square().sum(dim=3).sqrt()
    reach = torch.maximum(distances, distances.amax(dim=2)[group, rows])
    density = 1 / (reach.mean(dim=2) + LEAST)
    return density[group, rows].mean(dim=2) / density
