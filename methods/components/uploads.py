"""Arrays on their way to a GPU, through a few pinned buffers: reading and copying overlap."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from methods.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

BUFFER, BUFFERS = 32 << 20, 3
"""Bytes of a pinned buffer, and how many a thread has for each device."""


class _Ring:
    """Pinned buffers that are filled in turn, each once its last copy has ended."""

    def __init__(self) -> None:
        self._buffers, self._turn = [_buffer() for _ in range(BUFFERS)], 0
        self._copied: list[Any] = [None] * BUFFERS

    def send(self, values: np.ndarray[Any, Any], target: Tensor) -> None:
        """Queue the copy of at most `BUFFER` bytes, (n,), on the current stream."""
        turn = self._turn = (self._turn + 1) % BUFFERS
        if (copied := self._copied[turn]) is not None:
            copied.synchronize()
        staged = self._buffers[turn][: values.nbytes].view(target.dtype)
        staged.numpy()[:] = values
        target.copy_(staged, non_blocking=True)
        self._copied[turn] = torch.cuda.current_stream(target.device).record_event()


_rings = threading.local()


def uploaded(array: np.ndarray[Any, Any], device: torch.device) -> Tensor:
    """Return an array (N, …) of the host on a GPU, in its own type; copied on the current stream.

    It may be a memory map, or anything with a shape and a type whose slices are arrays.

    Raises:
        torch.OutOfMemoryError: it doesn't fit there.
    """
    dtype = torch.from_numpy(np.empty(0, array.dtype)).dtype
    target = torch.empty(array.shape, dtype=dtype, device=device)
    rings = vars(_rings)
    name = str(target.device)
    ring = rings.get(name) or rings.setdefault(name, _Ring())
    rows = max(1, BUFFER * len(array) // max(1, array.nbytes))
    for first in range(0, len(array), rows):
        block = np.ascontiguousarray(array[first : first + rows]).reshape(-1)
        whole, size = target[first : first + rows].view(-1), BUFFER // block.itemsize
        for start in range(0, len(block), size):
            ring.send(block[start : start + size], whole[start : start + size])
    return target


def moved(tensor: Tensor, device: torch.device | str) -> Tensor:
    """Return a tensor on a device, from the host to a GPU through the pinned buffers."""
    device = torch.device(device)
    if device.type == "cuda" and not tensor.is_cuda:
        return uploaded(tensor.numpy(), device)
    return tensor.to(device)


def _buffer() -> Tensor:
    """Return a pinned buffer, an ordinary one where no more can be pinned."""
    try:
        return torch.empty(BUFFER, dtype=torch.uint8, pin_memory=True)
    except RuntimeError:
        return torch.empty(BUFFER, dtype=torch.uint8)
