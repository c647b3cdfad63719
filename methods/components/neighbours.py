"""Exact nearest neighbours: faiss where the vectors are on the CPU, few large products elsewhere.

The neighbour found is never farther than the nearest by more than float32's rounding of the
distance, wherever the vectors lie and however many are searched for together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.components.bounds import Screen
from methods.components.shortlist import NEARLY, Part, length, search_bank
from methods.lazy import faiss, torch

if TYPE_CHECKING:
    from torch import Tensor

MORE = 2
"""Rows that are compared exactly beyond those asked for."""

REFINED_ROWS = 256
"""Queries compared exactly at a time: on the CPU, what lies in the cache."""


def nearest(queries: Tensor, bank: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
    """Return the Euclidean distances to, and the indices of, the k nearest rows of the bank.

    Args:
        queries: (n, d) float32, finite.
        bank: (m, d) float32 on the same device.
        k: number of neighbours; at most m are returned.

    Returns:
        distances (n, min(k, m)) ascending, indices of the same shape, int64.
    """
    k = min(k, len(bank))
    if len(queries) == 0:
        shape = (0, k)
        return queries.new_empty(shape), torch.empty(shape, dtype=torch.long, device=bank.device)
    if queries.device.type == "cpu":
        return _nearest_by_faiss(queries, bank, k)
    distances, indices = _nearest_by_products(queries, bank, k)
    return distances.float(), indices


def _nearest_by_faiss(queries: Tensor, bank: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Find a few more than k from |q|² + |b|² - 2 q·b, which cancels, and be sure of the rest.

    Both are centred, which moves them by 2⁻²⁴ of their lengths. The squared distances of d + 3
    terms are then off by (d + 3)·2⁻²³·(|q|² + |b|²), and by 2⁻¹²⁶ a term flushed to zero. Whatever
    is farther from the centre than a query and its k-th neighbour together is farther than that
    neighbour.
    """
    centre = bank.mean(dim=0)
    asked, rows = queries - centre, bank - centre
    values, found = faiss.knn(asked.numpy(), rows.numpy(), min(k + MORE, len(bank)))
    distances, indices = refine(queries, bank, torch.from_numpy(found))
    distances, indices = distances[:, :k], indices[:, :k]
    if k + MORE < len(bank):
        last = torch.from_numpy(values)[:, -1].double()
        terms = bank.shape[1] + 4
        own = torch.linalg.vector_norm(asked, dim=1).double() * (1 + terms * 2.0**-24)
        farthest = torch.linalg.vector_norm(rows, dim=1).amax().double() * (1 + terms * 2.0**-24)
        reach = farthest.minimum(own + distances[:, -1])
        slack = terms * (2.0**-23 * (own.square() + reach.square()) + 2.0**-126)
        least = (last - slack).clamp_(min=0).sqrt() - 2.0**-23 * (own + reach)
        doubtful = (least.clamp_(min=0) < distances[:, -1] * NEARLY).nonzero()[:, 0]
        if len(doubtful):
            distances[doubtful], indices[doubtful] = _nearest_by_products(
                queries[doubtful], bank, k, torch.float64
            )
    return distances.float(), indices


def _nearest_by_products(
    queries: Tensor, bank: Tensor, k: int, precision: torch.dtype | None = None
) -> tuple[Tensor, Tensor]:
    """Search with bounds of whole vectors, in float32 if no precision is named.

    Distances are float64.
    """
    screen = Screen(bank.mean(dim=0, dtype=torch.float64), None, precision or torch.float32)
    return search_bank(queries, Part.whole(bank, screen), k)


def refine(queries: Tensor, bank: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
    """Return distances (n, k) float64 to the given rows, from differences, and the rows, sorted.

    Args:
        queries: (n, d).
        bank: (m, d).
        indices: (n, k) rows of the bank; of equally far ones, the first comes first.
    """
    indices = indices.sort(dim=1)[0]
    distances = queries.new_empty(indices.shape, dtype=torch.float64)
    for start in range(0, len(queries), REFINED_ROWS):
        rows = slice(start, start + REFINED_ROWS)
        for column in range(indices.shape[1]):
            differences = bank.index_select(0, indices[rows, column]).sub_(queries[rows])
            distances[rows, column] = length(differences)
    distances, order = distances.sort(dim=1, stable=True)
    return distances, indices.gather(1, order)
