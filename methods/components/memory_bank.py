"""PatchCore's memory bank: nominal patch features in the order in which a coreset takes them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable

from methods.components.coreset import Selection, mean_distances
from methods.components.coreset_device import SIZES, Sizes
from methods.lazy import Tensor, torch

Batches = Callable[[], Iterable["Tensor"]]
"""Gives all training patches' features in order, (n, dims) a batch, whenever it is called."""


class MemoryBank:
    """A bank that can grow: a smaller coreset's is the beginning of a larger one's.

    Args:
        batches: the training patches' features.
        mapping: (dims, p), to the dimensions in which the coreset is selected.
        drawn: the patches whose mean distance starts the selection.
        sizes: how the selection divides its work.
    """

    def __init__(
        self, batches: Batches, mapping: Tensor, drawn: Tensor, sizes: Sizes = SIZES
    ) -> None:
        points = torch.cat([batch @ mapping for batch in batches()])
        self._selection = Selection(points, mean_distances(points, drawn), sizes)
        self._bank = mapping.new_empty(0, len(mapping))

    @property
    def nbytes(self) -> int:
        """About the memory that it takes, in bytes."""
        return self._selection.nbytes + self._bank.nbytes

    def first(self, size: int, batches: Batches) -> Tensor:
        """Return the features (size, dims) of the first `size` patches, adding what is missing."""
        rows = self._selection.first(size)[len(self._bank) :]
        if len(rows):
            bank = gather(batches, rows, self._bank.shape[1], rows.device)
            self._bank = torch.cat([self._bank, bank]) if len(self._bank) else bank
        return self._bank[:size]

    def first_on_host(self, size: int, batches: Batches) -> Tensor:
        """Return the same in the host's memory, for a bank that is too large for the device."""
        rows = self._selection.first(size)
        return gather(batches, rows, self._bank.shape[1], torch.device("cpu"))


def gather(batches: Batches, rows: Tensor, dims: int, where: torch.device) -> Tensor:
    """Return some patches' features, (n, dims), on a device or on the host.

    They are made again, which takes a second or two: holding all patches' features until some are
    selected would take four times the memory of the largest bank.
    """
    ordered, places = rows.sort()
    numbers = ordered.tolist()
    bank, places = torch.empty(len(rows), dims, device=where), places.to(where)
    first = start = 0
    for batch in batches():
        end = bisect_left(numbers, first + len(batch))
        taken = batch.index_select(0, ordered[start:end] - first)
        bank.index_copy_(0, places[start:end], taken.to(where))
        first, start = first + len(batch), end
    return bank
