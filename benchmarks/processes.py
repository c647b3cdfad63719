"""Independent tasks, computed by several processes where there are enough of them."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing import get_context, parent_process
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from benchmarks.control_groups import processors
from benchmarks.errors import BenchmarkError
from benchmarks.interrupts import kept_from_children

Task = TypeVar("Task")
Result = TypeVar("Result")

_CONTEXT = get_context("spawn")
"""Not forked: threads of compiled loops and of PyTorch don't survive that."""


def cores() -> int:
    """Return how many processors this process may use, within its control groups' quotas."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return int(max(1, min(count or 1, processors())))


def processor_name() -> str:
    """Return the processor's name, "unknown CPU" where the system doesn't say it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return "unknown CPU"


def map_in_processes(
    compute: Callable[[Task], Result], tasks: Sequence[Task], tasks_per_process: int
) -> Iterator[Result]:
    """Yield `compute` of every task, in their order, whatever number of processes there is.

    Args:
        compute: a function of a module, not a lambda, so that processes find it.
        tasks: its arguments, which pickle.
        tasks_per_process: as many as are worth the start of a process, which takes a second;
            with fewer than twice as many, or one processor, this process computes them.

    Raises:
        BenchmarkError: a process was killed; whatever else `compute` raises, as it raises it.
    """
    count = min(cores(), len(tasks) // tasks_per_process)
    if count < 2:
        yield from map(compute, tasks)
        return
    pool = ProcessPoolExecutor(count, _CONTEXT, initializer=_follow_parent)
    try:
        with pool:
            with _without_main():
                results = pool.map(compute, tasks)
            yield from results
    except BrokenProcessPool as error:
        raise BenchmarkError(
            "a process was killed before its work was done, perhaps for lack of memory; "
            "the same command tries it again"
        ) from error


def standing_back(module: str) -> ProcessPoolExecutor:
    """Return a single process, started at once, that leaves the processors to whatever else runs.

    Args:
        module: what it imports first.

    Raises:
        OSError: it can't be started.
    """
    pool = ProcessPoolExecutor(1, _CONTEXT, initializer=_stand_back)
    with _without_main():
        pool.submit(import_module, module)
    return pool


@contextmanager
def _without_main() -> Iterator[None]:
    """Let processes that start meanwhile not import the main program, of which they need nothing.

    They would run a script anew that doesn't ask whether it is the main program. Nor do they see
    Ctrl-C.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        with kept_from_children():
            yield
    finally:
        sys.modules["__main__"] = main


def _stand_back() -> None:
    if hasattr(os, "nice"):
        os.nice(19)
    _follow_parent()


def _follow_parent() -> None:
    """Leave Ctrl-C to the parent, which ends its pool, and end where the parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_after_parent, daemon=True).start()


def _end_after_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
