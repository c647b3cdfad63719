"""A run simulated: the scheduler and the flow are the real ones, workers and time pretended."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.execution.flow import flow
from benchmarks.execution.scheduling import Portion, Scheduler
from benchmarks.execution.workers.tasks import Done, IdleWorker, Pool, Task


@dataclass(frozen=True)
class Simulation:
    """How long a simulated run takes.

    Attributes:
        workers: how many share the work.
        makespan: seconds from the first task's beginning to the last one's end.
        work: seconds of all tasks together.
        chain: seconds of the longest chain of tasks that wait for each other.
    """

    workers: int
    makespan: float
    work: float
    chain: float

    @property
    def bound(self) -> float:
        """Seconds that no order of the tasks could undercut."""
        return max(self.work / self.workers, self.chain)


class SimulatedPool(Pool):
    """Workers that take the seconds that were forecast, by a clock that jumps."""

    def __init__(self, workers: int) -> None:
        self.workers, self.device, self.card, self.now = workers, "", "", 0.0
        self._idle = [IdleWorker(number, str(number)) for number in range(workers)]
        self._busy: list[tuple[float, int, IdleWorker, Task]] = []
        self._numbers = itertools.count()

    def idle(self, *, alone: bool) -> Sequence[IdleWorker]:
        """Return the workers that wait for a task; none takes a second one."""
        return list(self._idle)

    def start(self, worker: IdleWorker, task: Task) -> None:
        """Have a worker begin a task."""
        self._idle.remove(worker)
        heapq.heappush(self._busy, (self.now + task.seconds, next(self._numbers), worker, task))

    def finished(self) -> Iterator[tuple[IdleWorker, Task, Done | None]]:
        """Let time pass until a task ends, and yield it."""
        self.now, _, worker, task = heapq.heappop(self._busy)
        self._idle.append(worker)
        yield worker, task, Done()

    def close(self) -> None:
        """Do nothing: there are no processes to end."""


def simulate(portions: Sequence[Portion[Task]], workers: int, room: float) -> Simulation:
    """Return what it would take to do all portions.

    Args:
        portions: each category's tasks.
        workers: how many share the work.
        room: bytes that features of categories in work may take together.
    """
    pool = SimulatedPool(workers)
    work = sum(task.seconds for task, _ in flow(Scheduler(portions, workers, room), pool))
    chain = max((portion.chain for portion in portions), default=0.0)
    return Simulation(workers, pool.now, work, chain)
