"""The searches as the papers define them, in float64: what the fast forms are tested against.

Distances are computed from differences. Of equally near, or equally far, rows the first counts.
"""

from __future__ import annotations

from methods.lazy import Tensor, torch


def distances(queries: Tensor, rows: Tensor) -> Tensor:
    """Return the Euclidean distances between vectors (n, d) and (m, d), (n, m) float64."""
    exact = "donot_use_mm_for_euclid_dist"
    return torch.cdist(queries.double(), rows.double(), compute_mode=exact)


def nearest(queries: Tensor, bank: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
    """Return each query's k nearest rows of a bank (PatchCore, section 3.3; SPADE, section 3.2).

    Args:
        queries: (n, d).
        bank: (m, d).
        k: how many rows; at most m are returned.

    Returns:
        distances (n, min(k, m)) float64, ascending, and the rows' indices of the same shape.
    """
    ascending, rows = distances(queries, bank).sort(dim=1, stable=True)
    return ascending[:, :k], rows[:, :k]


def greedy_coreset(points: Tensor, size: int, start: Tensor) -> Tensor:
    """Return which points the greedy coreset takes, in order, (size,) (PatchCore, algorithm 1).

    Each is the farthest from those taken before it (Gonzalez 1985: at most twice as far as in the
    best coreset of this size). `start` stands for the distances to the centres before there is
    any: in the official code, the mean distance to some random points.

    Args:
        points: (N, d), projected (section 3.2).
        size: how many points, at most N.
        start: (N,) initial distances.
    """
    to_coreset, chosen = start.double().clone(), []
    for _ in range(size):
        farthest = int(to_coreset.argmax())
        chosen.append(farthest)
        to_coreset = torch.minimum(to_coreset, distances(points, points[farthest, None])[:, 0])
        to_coreset[chosen] = -1
    return torch.tensor(chosen)


def pyramid(levels: list[Tensor]) -> Tensor:
    """Return each position's features from all levels, (N, h·w, C) (SPADE, section 3.4).

    Args:
        levels: (N, c, h', w') each; all are resized bilinearly to the first one's h and w.
    """
    size = levels[0].shape[2:]
    resized = [
        torch.nn.functional.interpolate(level.double(), size=size, mode="bilinear")
        for level in levels
    ]
    return torch.cat(resized, dim=1).flatten(2).transpose(1, 2)


def correspondence(queries: Tensor, gallery: Tensor, retrieved: Tensor, kappa: int) -> Tensor:
    """Return distances to each position's kappa nearest of the gallery (SPADE, section 3.3).

    Args:
        queries: (N, P, C) positions of test images.
        gallery: (M, P, C) positions of training images.
        retrieved: (N, K) the training images whose positions are the gallery of a test image.
        kappa: how many positions.

    Returns:
        distances (N, P, min(kappa, K·P)) float64, ascending.
    """
    return torch.stack(
        [
            nearest(positions, gallery[images].flatten(0, 1), kappa)[0]
            for positions, images in zip(queries, retrieved, strict=True)
        ]
    )
