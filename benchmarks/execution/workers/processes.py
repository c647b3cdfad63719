"""Worker processes on this machine."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from benchmarks.evaluation.device import choose_device, look_at_gpus
from benchmarks.execution.workers.tasks import (
    AHEAD,
    Done,
    IdleWorker,
    Pool,
    Task,
    WantedPool,
    idle_workers,
)
from benchmarks.execution.workers.worker import create_worker
from benchmarks.interrupts import kept_from_children
from methods.lazy import torch

CONTEXT = get_context("spawn")
"""Not forked: threads of PyTorch and of compiled loops don't survive that."""


def start(wanted: WantedPool) -> Processes | None:
    """Return the processes; None where --jobs is 1, so that this process evaluates all cells.

    Raises:
        BenchmarkError: a GPU was named that there is not, or that is too old.
    """
    if wanted.jobs == 1:
        return None
    if wanted.device == "cpu" or not torch.cuda.device_count():  # for which no CUDA is loaded
        return Processes(replace(wanted, device=choose_device(wanted.device)))
    with ProcessPoolExecutor(1, CONTEXT) as process:
        with kept_from_children():
            looking = process.submit(look_at_gpus, wanted.device)
        device, gpus, card = looking.result()
    return Processes(replace(wanted, device=device), gpus, card)


@dataclass
class _Member:
    """One worker's process, the connection to it, and by number the tasks that it has."""

    process: SpawnProcess
    connection: Connection
    tasks: dict[int, Task] = field(default_factory=dict)


class Processes(Pool):
    """Processes on this machine, each started with its first task.

    Args:
        wanted: how many, on which device, and how long one may take.
        gpus: as CUDA_VISIBLE_DEVICES names them; worker i sees only number i modulo how many.
        card: the GPUs' name.
    """

    def __init__(self, wanted: WantedPool, gpus: Sequence[str] = (), card: str = "") -> None:
        self.workers, self.device, self.card = wanted.jobs, wanted.device, card
        self._wanted, self._gpus = wanted, tuple(gpus)
        self._members: dict[int, _Member] = {}
        self._numbers = itertools.count()

    def idle(self, *, alone: bool) -> Sequence[IdleWorker]:
        """Return the workers that can take a task; where it is to be `alone`, those without one."""
        tasks = {number: member.tasks.values() for number, member in self._members.items()}
        members = [(number, str(number), tasks.get(number, ())) for number in range(self.workers)]
        return idle_workers(members, overlapping=self.device != "cpu" and not alone)

    def start(self, worker: IdleWorker, task: Task) -> None:
        """Have a worker begin a task."""
        member = self._members.get(worker.number)
        if member is None or not (member.tasks or member.process.is_alive()):
            member = self._members[worker.number] = self._start_process(worker)
        number = next(self._numbers)
        member.tasks[number] = task
        try:
            member.connection.send((number, task))
        except OSError:  # it has just ended, which `finished` finds out
            member.process.kill()

    def finished(self) -> Iterator[tuple[IdleWorker, Task, Done | None]]:
        """Wait until some tasks have ended, and yield them; None where the worker was lost."""
        busy = {number: member for number, member in self._members.items() if member.tasks}
        ended = wait([member.connection for member in busy.values()], self._wanted.patience)
        if not ended:
            for member in busy.values():
                member.process.kill()
        for number, member in busy.items():
            if member.connection in ended or not ended:
                worker = IdleWorker(number, str(number))
                for task, done in _receive(member):
                    yield worker, task, done

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
        with kept_from_children():
            process.start()
        workers_end.close()  # so that this end is told when the process ends
        return _Member(process, connection)


def _receive(member: _Member) -> list[tuple[Task, Done | None]]:
    """Return a task's result; that of each, None, where the connection broke; kill it then."""
    try:
        number, done = member.connection.recv()
    except (EOFError, OSError):
        member.process.kill()
        member.process.join()
        lost: list[tuple[Task, Done | None]] = [(task, None) for task in member.tasks.values()]
        member.tasks.clear()
        return lost
    return [(member.tasks.pop(number), done)]


def _work(
    connection: Connection, wanted: WantedPool, on_node: int, on_device: int, gpu: str | None
) -> None:
    """Perform tasks, several at a time where they come so, until nobody sends any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, who ends this process
    if gpu is not None:  # before anything of CUDA is loaded
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    worker, sending = create_worker(wanted, on_node, on_device), threading.Lock()

    def perform(number: int, task: Task) -> None:
        done = worker.perform(task)
        with sending:
            connection.send((number, done))

    threads = ThreadPoolExecutor(2 * AHEAD)  # of which a processor, with a task at a time, uses one
    while True:
        try:
            number, task = connection.recv()
        except EOFError:
            return
        threads.submit(perform, number, task).add_done_callback(_stop_for_error)


def _stop_for_error(performed: Future[None]) -> None:
    """End this process where a task wasn't performed: else nobody would learn of it."""
    if error := performed.exception():
        traceback.print_exception(error)
        os._exit(1)
