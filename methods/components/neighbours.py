"""Exact nearest neighbours: faiss where its build serves the device, torch elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.components import faiss_gpu
from methods.lazy import faiss, torch

if TYPE_CHECKING:
    from torch import Tensor

QUERY_ROWS = 4096
BANK_ROWS = 8192


def nearest(queries: Tensor, bank: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
    """Return the Euclidean distances to, and the indices of, the k nearest rows of the bank.

    Neighbours are found through |q|² + |b|² - 2 q·b, which cancels where q is close to b; the
    distances of those found are then computed from the differences.

    Args:
        queries: (n, d) float32.
        bank: (m, d) float32 on the same device.
        k: number of neighbours; at most m are returned.

    Returns:
        distances (n, min(k, m)) ascending, indices of the same shape, int64.
    """
    k = min(k, len(bank))
    if queries.device.type == "cpu":
        _, found = faiss.knn(queries.contiguous().numpy(), bank.contiguous().numpy(), k)
        indices = torch.from_numpy(found)
    elif faiss_gpu.usable(queries.device):
        indices = faiss_gpu.search(queries, bank, k)
    else:
        indices = _search_torch(queries, bank, k)
    return refine(queries, bank, indices)


def refine(queries: Tensor, bank: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distances (n, k) to the given rows, from differences, and the rows, both sorted.

    Args:
        queries: (n, d).
        bank: (m, d).
        indices: (n, k) rows of the bank.
    """
    distances = torch.empty(indices.shape, dtype=queries.dtype, device=queries.device)
    for start in range(0, len(queries), QUERY_ROWS):
        rows = slice(start, start + QUERY_ROWS)
        for column in range(indices.shape[1]):
            difference = queries[rows] - bank[indices[rows, column]]
            distances[rows, column] = torch.linalg.vector_norm(difference, dim=1)
    distances, order = distances.sort(dim=1, stable=True)
    return distances, indices.gather(1, order)


def _relative(queries: Tensor, bank: Tensor) -> Tensor:
    """Return |b|² - 2 q·b (n, m): the squared distances up to a constant of each query."""
    return torch.addmm(bank.square().sum(dim=1), queries, bank.T, alpha=-2)


def _smallest(values: Tensor, k: int) -> Tensor:
    return values.argmin(1, keepdim=True) if k == 1 else values.topk(k, dim=1, largest=False)[1]


def _search_torch(queries: Tensor, bank: Tensor, k: int) -> Tensor:
    """Return the rows of the k nearest, (n, k), by blocks that hold one distance matrix each."""
    found = []
    for query in queries.split(QUERY_ROWS):
        values: list[Tensor] = []
        indices: list[Tensor] = []
        for start in range(0, len(bank), BANK_ROWS):
            block = _relative(query, bank[start : start + BANK_ROWS])
            best = _smallest(block, min(k, block.shape[1]))
            values.append(block.gather(1, best))
            indices.append(best + start)
        order = _smallest(torch.cat(values, dim=1), k)
        found.append(torch.cat(indices, dim=1).gather(1, order))
    return torch.cat(found)
