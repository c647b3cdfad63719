"""A category's features on a GPU, where they fit there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.device_memory import let_go, ran_out
from benchmarks.features.crops import Split
from methods.components.uploads import uploaded
from methods.lazy import Tensor, torch

Arrays = dict[int, np.ndarray[Any, Any] | Tensor]
"""Level → (N, C, H, W): a memory map, or a tensor that lies where the methods work."""


def on_device(
    arrays: Mapping[Split, Arrays], device: torch.device, room: int
) -> dict[Split, Arrays]:
    """Return features as tensors on a GPU, those that lie there already as they are.

    They are returned as they came where the device is a processor, which maps them, where they
    need more than `room` bytes, and where another process has taken what was free.
    """
    needed = sum(array.nbytes for levels in arrays.values() for array in levels.values())
    if device.type == "cpu" or needed > room:
        return dict(arrays)
    try:
        return {
            split: {
                level: array if isinstance(array, torch.Tensor) else uploaded(array, device)
                for level, array in levels.items()
            }
            for split, levels in arrays.items()
        }
    except RuntimeError as error:
        if not ran_out(error):
            raise
        let_go(error)
        return dict(arrays)
