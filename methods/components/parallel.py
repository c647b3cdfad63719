"""Independent pieces of work, one a core, where each is too small to be shared between cores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from methods.lazy import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def parallel_map(
    work: Callable[[Item], Result], items: Sequence[Item], device: torch.device
) -> list[Result]:
    """Return `work` of every item in order; on the CPU in threads of one core each."""
    if device.type != "cpu":
        return [work(item) for item in items]
    workers = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(work, items))
    finally:
        torch.set_num_threads(workers)  # workers' settings are also the default of later threads
