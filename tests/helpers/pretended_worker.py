"""A worker's process on a pretended device."""

from __future__ import annotations

from typing import Any

from benchmarks.evaluation import device
from benchmarks.execution.workers import processes
from methods.testing.pretended import pretended_cuda


def look_at_gpus(name: str) -> tuple[str, tuple[str, ...], str]:
    """Look at two GPUs."""
    with pretended_cuda(devices=2):
        return device.look_at_gpus(name)


def work(*arguments: Any) -> None:
    """Perform tasks as a worker on a machine with a GPU does."""
    with pretended_cuda():
        processes._work(*arguments)
