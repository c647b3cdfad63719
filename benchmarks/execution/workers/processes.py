"""Worker processes on this machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from benchmarks.evaluation.device import choose_device, visible_gpus
from benchmarks.execution.workers.tasks import Done, IdleWorker, Task, WantedPool
from benchmarks.execution.workers.worker import create_worker

CONTEXT = get_context("spawn")
"""Not forked: threads of PyTorch and of compiled loops don't survive that."""


def start(wanted: WantedPool) -> Processes | None:
    """Return the processes; None where --jobs is 1, so that this process evaluates all cells.

    Raises:
        BenchmarkError: a GPU was named that there is not, or that is too old.
    """
    if wanted.jobs == 1:
        return None
    wanted = replace(wanted, device=choose_device(wanted.device))
    return Processes(wanted, visible_gpus() if wanted.device == "cuda" else ())


@dataclass
class _Member:
    """One worker's process, the connection to it, and its task; None while it is idle."""

    worker: IdleWorker
    process: SpawnProcess
    connection: Connection
    task: Task | None = None


class Processes:
    """Processes on this machine, each started with its first task.

    Args:
        wanted: how many, on which device, and how long one may take.
        gpus: as CUDA_VISIBLE_DEVICES names them; worker i sees only number i modulo how many.
    """

    def __init__(self, wanted: WantedPool, gpus: Sequence[str] = ()) -> None:
        self.workers, self.device = wanted.jobs, wanted.device
        self._wanted, self._gpus = wanted, tuple(gpus)
        self._members: dict[int, _Member] = {}

    def idle(self) -> Sequence[IdleWorker]:
        """Return the workers that wait for a task."""
        busy = {number for number, member in self._members.items() if member.task is not None}
        return [
            IdleWorker(number, str(number)) for number in range(self.workers) if number not in busy
        ]

    def start(self, worker: IdleWorker, task: Task) -> None:
        """Have a worker begin a task."""
        member = self._members.get(worker.number)
        if member is None or not member.process.is_alive():
            member = self._members[worker.number] = self._start_process(worker)
        member.task = task
        try:
            member.connection.send(task)
        except OSError:  # it has just ended, which `finished` finds out
            member.process.kill()

    def finished(self) -> Iterator[tuple[IdleWorker, Task, Done | None]]:
        """Wait until some tasks have ended, and yield them; None where the worker was lost."""
        busy = [member for member in self._members.values() if member.task is not None]
        ended = wait([member.connection for member in busy], self._wanted.patience)
        if not ended:
            for member in busy:
                member.process.kill()
        for member in busy:
            if member.task is not None and (member.connection in ended or not ended):
                task, member.task = member.task, None
                yield member.worker, task, _receive(member)

    def lost_places(self) -> Sequence[str]:
        """Return nothing: processes store features on disk."""
        return ()

    def close(self) -> None:
        """Kill the processes, busy or not."""
        for member in self._members.values():
            member.process.kill()
        for member in self._members.values():
            member.process.join()
            member.connection.close()

    def _start_process(self, worker: IdleWorker) -> _Member:
        connection, workers_end = CONTEXT.Pipe()
        gpu = self._gpus[worker.number % len(self._gpus)] if self._gpus else None
        on_device = -(-self.workers // max(1, len(self._gpus)))
        arguments = workers_end, self._wanted, self.workers, on_device, gpu
        process = CONTEXT.Process(target=_work, args=arguments, daemon=True)
        process.start()
        workers_end.close()  # so that this end is told when the process ends
        return _Member(worker, process, connection)


def _receive(member: _Member) -> Done | None:
    """Return a worker's result; None where its connection broke, and kill it then."""
    try:
        done: Done = member.connection.recv()
    except (EOFError, OSError):
        member.process.kill()
        member.process.join()
        return None
    return done


def _work(
    connection: Connection, wanted: WantedPool, on_node: int, on_device: int, gpu: str | None
) -> None:
    """Perform tasks until nobody sends any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, who ends this process
    if gpu is not None:  # before anything of CUDA is loaded
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    worker = create_worker(wanted, on_node, on_device)
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        connection.send(worker.perform(task))
