"""Worker processes on this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from benchmarks.execution.workers.tasks import Done, Task, perform


class Processes:
    """Processes on this machine.

    Args:
        workers: how many.
        patience: seconds without any task done after which they are taken for hanging, and killed.
    """

    def __init__(self, workers: int, patience: float) -> None:
        self.workers, self._patience = workers, patience
        self._pool = self._start()

    def _start(self) -> ProcessPoolExecutor:
        # Not forked: threads of PyTorch and of compiled loops don't survive that.
        return ProcessPoolExecutor(self.workers, mp_context=get_context("spawn"))

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Done | None]]:
        """Yield each task as it is done, with None where its worker, or another's, was lost."""
        futures = {self._pool.submit(perform, task.without_others()): task for task in tasks}
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


def _kill_children() -> None:
    import psutil

    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # it has ended by itself
            if "spawn_main" in " ".join(child.cmdline()):  # not what tracks their resources
                child.kill()
