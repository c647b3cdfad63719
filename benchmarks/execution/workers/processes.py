"""Worker processes on this machine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TYPE_CHECKING

from benchmarks.evaluation.device import visible_gpus
from benchmarks.execution.workers.tasks import Done, Task, WantedPool, perform

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized


def start(wanted: WantedPool) -> Processes | None:
    """Return the processes, None where this one is to do all."""
    if wanted.jobs == 1:
        return None
    return Processes(
        wanted.jobs, wanted.patience, visible_gpus() if wanted.device == "cuda" else ()
    )


class Processes:
    """Processes on this machine.

    Args:
        workers: how many.
        patience: seconds without any task done after which they are taken for hanging, and killed.
        gpus: as CUDA_VISIBLE_DEVICES names them; worker i sees only number i modulo how many.
    """

    def __init__(self, workers: int, patience: float, gpus: Sequence[str] = ()) -> None:
        self.workers, self._patience, self._gpus = workers, patience, tuple(gpus)
        self.sharers = -(-workers // max(1, len(gpus)))
        self._pool = self._start()

    def _start(self) -> ProcessPoolExecutor:
        # Not forked: threads of PyTorch and of compiled loops don't survive that.
        context = get_context("spawn")
        settle = (context.Value("i", 0), self._gpus)
        return ProcessPoolExecutor(
            self.workers, mp_context=context, initializer=_settle, initargs=settle
        )

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Done | None]]:
        """Yield each task as it is done, with None where its worker, or another's, was lost."""
        futures = {self._pool.submit(perform, task): task for task in tasks}
        waiting, broken = set(futures), False
        while waiting:
            done, waiting = wait(waiting, self._patience, FIRST_COMPLETED)
            if not done:
                _kill_children()  # which breaks the pool, and so ends all that is waited for
            for future in done:
                try:
                    yield futures[future], future.result()
                except BrokenProcessPool:
                    broken = True
                    yield futures[future], None
        if broken:
            self._pool.shutdown()
            self._pool = self._start()

    def close(self) -> None:
        """Stop the processes, whatever they do."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        _kill_children()


def _settle(started: Synchronized[int], gpus: tuple[str, ...]) -> None:
    """Give a worker that has just started the next GPU, before anything of CUDA is loaded."""
    if gpus:
        with started.get_lock():
            os.environ["CUDA_VISIBLE_DEVICES"] = gpus[started.value % len(gpus)]
            started.value += 1


def _kill_children() -> None:
    import psutil

    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # it has ended by itself
            if "spawn_main" in " ".join(child.cmdline()):  # not what tracks their resources
                child.kill()
