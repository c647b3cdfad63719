"""Independent pieces of work, one a core, where each is too small to be shared between cores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from methods.lazy import torch

Task = TypeVar("Task")
Result = TypeVar("Result")


def parallel_map(
    work: Callable[[Task], Result], tasks: Sequence[Task], device: torch.device
) -> list[Result]:
    """Return `work` of every task in order; on the CPU in threads of one core each."""
    if device.type != "cpu":
        return [work(task) for task in tasks]
    workers = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(work, tasks))
    finally:
        torch.set_num_threads(workers)  # workers' settings are also the default of later threads
