"""PatchCore's memory bank: nominal patch features in the order in which a coreset takes them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable

from methods.components.coreset import Selection, mean_distances
from methods.lazy import Tensor, torch

Batches = Callable[[], Iterable["Tensor"]]
"""Gives all training patches' features in order, (n, dims) a batch, whenever it is called."""


class MemoryBank:
    """A bank that can grow: a smaller coreset's is the beginning of a larger one's.

    Args:
        batches: the training patches' features.
        mapping: (dims, p), to the dimensions in which the coreset is selected.
        drawn: the patches whose mean distance starts the selection.
    """

    def __init__(self, batches: Batches, mapping: Tensor, drawn: Tensor) -> None:
        points = torch.cat([batch @ mapping for batch in batches()])
        self._selection = Selection(points, mean_distances(points, drawn))
        self._bank = mapping.new_empty(0, len(mapping))

    @property
    def nbytes(self) -> int:
        """About the memory that it takes, in bytes."""
        return self._selection.nbytes + self._bank.nbytes

    def first(self, size: int, batches: Batches) -> Tensor:
        """Return the features (size, dims) of the first `size` patches, adding what is missing."""
        rows = self._selection.first(size)[len(self._bank) :]
        if len(rows):
            self._bank = torch.cat([self._bank, gather(batches, rows, self._bank.shape[1])])
        return self._bank[:size]


def gather(batches: Batches, rows: Tensor, dims: int) -> Tensor:
    """Return some patches' features, (n, dims).

    They are made again, which takes a second or two: holding all patches' features until some are
    selected would take four times the memory of the largest bank.
    """
    ordered, places = rows.sort()
    numbers = ordered.tolist()
    bank = torch.empty(len(rows), dims, device=rows.device)
    first = start = 0
    for batch in batches():
        end = bisect_left(numbers, first + len(batch))
        bank.index_copy_(0, places[start:end], batch.index_select(0, ordered[start:end] - first))
        first, start = first + len(batch), end
    return bank
