"""The flow of tasks: a free worker gets the next one at once, and its cells are stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from benchmarks.console import say
from benchmarks.evaluation.evaluating import begun, failed
from benchmarks.evaluation.job import Failure
from benchmarks.execution.progress.tracking import Progress
from benchmarks.execution.recorder import Recorder
from benchmarks.execution.scheduling import ATTEMPTS, Scheduler
from benchmarks.execution.workers.tasks import Done, Extract, Pool, Task

LOST = Failure(f"its worker was lost {ATTEMPTS} times, as where memory runs out: try fewer --jobs")


def hand_out(scheduler: Scheduler[Task], pool: Pool, recorder: Recorder) -> None:
    """Have workers do all tasks, and record each result as soon as it arrives."""
    progress = recorder.progress
    for _, done in flow(scheduler, pool, lambda tasks: _show(tasks, progress)):
        for extraction in done.extractions:
            progress.advance(extraction.category, extraction.backbone, extraction.passed)
            recorder.note(extraction)
        for line in done.warnings:
            say(f"warning: {line}")
        for evaluated in done.evaluated:
            recorder.take(evaluated)


def flow(
    scheduler: Scheduler[Task],
    pool: Pool,
    at_work: Callable[[Sequence[Task]], None] = lambda tasks: None,
) -> Iterator[tuple[Task, Done]]:
    """Yield tasks as they are done; those of lost workers are handed out again, then fail.

    Until their category is done no worker gets a second task beside another, so that the next
    loss says which one it was.

    Args:
        scheduler: says what comes next.
        pool: real workers, or simulated ones.
        at_work: called with the tasks in work whenever they have changed.
    """
    running: list[Task] = []
    while scheduler.unfinished:
        for place in pool.lost_places():
            scheduler.forget(place)
        for worker in pool.idle(alone=scheduler.is_wary):
            if (task := scheduler.ready(worker.place, worker.takes)) is None:
                continue
            pool.start(worker, task)
            running.append(task)
        at_work(running)
        for worker, task, done in pool.finished():
            running.remove(task)
            yield from _end_task(scheduler, worker.place, task, done)


def _end_task(
    scheduler: Scheduler[Task], place: str, task: Task, done: Done | None
) -> Iterator[tuple[Task, Done]]:
    """Yield what a task brought, and the cells that can't be evaluated for its failure."""
    if done is None:
        if scheduler.lost(task):
            say("warning: a task lost its worker; it is handed out again")
            return
        done = _give_up(task, LOST)
    elif not done.failure:
        scheduler.done(task, place)
    if done.failure:
        for cells in scheduler.give_up(task):
            yield cells, _give_up(cells, done.failure)
    yield task, done


def _give_up(task: Task, why: Failure) -> Done:
    return Done(tuple(failed(begun(job.spec), why) for job in task.jobs), failure=why)


def _show(tasks: Iterable[Task], progress: Progress) -> None:
    extracting = [task.category.name for task in tasks if isinstance(task, Extract)]
    progress.at_work([job for task in tasks for job in task.jobs], dict.fromkeys(extracting))
