"""Hands cells out to workers, and again where a worker is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from benchmarks.console import say
from benchmarks.evaluation import Job
from benchmarks.evaluation.evaluating import failed
from benchmarks.execution.plan import JobsByCategory, Plan
from benchmarks.execution.recorder import Machine, Recorder
from benchmarks.execution.workers.tasks import Done, Pool, Task
from benchmarks.features import FeatureCache
from methods.lazy import torch

ATTEMPTS = 3
"""How often a task is handed out before its cells fail because their workers were lost."""

LARGEST_CHUNK = 8
"""Cells that one task evaluates at most: what is to be done again where a worker is lost."""


def hand_out(
    plan: Plan,
    missing: JobsByCategory,
    cache: FeatureCache,
    outlet: Recorder,
    machine: Machine,
) -> None:
    """Have workers extract as many categories as there are workers, then evaluate their cells."""
    pool = machine.pool
    assert pool is not None
    common = Task(
        plan=plan,
        category=next(iter(missing)),
        jobs=(),
        cache=(cache.folder.parent, cache.limit / 1e9),
        device=machine.device,
        memory=machine.memory // pool.sharers,
        threads=torch.get_num_threads(),
    )
    categories = list(missing)
    for start in range(0, len(categories), pool.workers):
        part = categories[start : start + pool.workers]
        extractions = [replace(common, category=category) for category in part]
        chunks = [
            replace(common, category=category, jobs=jobs)
            for category in part
            for jobs in _chunks(missing[category], pool.workers)
        ]
        for tasks in (extractions, chunks):
            waiting: Sequence[Task] = tasks
            outlet.progress.at_work(waiting[: pool.workers])
            for task, done in _persistently(pool, tasks):
                for extraction in done.extractions:
                    outlet.progress.advance(
                        task.category.name, extraction.backbone, extraction.passed
                    )
                    outlet.note(extraction)
                for line in done.warnings:
                    say(f"warning: {line}")
                for job, evaluated in zip(task.jobs, done.evaluated, strict=True):
                    outlet.take(job, evaluated)
                waiting = [one for one in waiting if one is not task]
                outlet.progress.at_work(waiting[: pool.workers])


def _chunks(jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, ...]]:
    size = min(LARGEST_CHUNK, max(1, len(jobs) // (2 * workers)))
    for start in range(0, len(jobs), size):
        yield tuple(jobs[start : start + size])


def _persistently(pool: Pool, tasks: Sequence[Task]) -> Iterator[tuple[Task, Done]]:
    """Yield tasks as they are done; those of lost workers are handed out again, then fail."""
    left = list(tasks)
    for _ in range(ATTEMPTS):
        lost = []
        for task, done in pool.run(left):
            if done is None:
                lost.append(task)
            else:
                yield task, done
        if lost:
            say(f"warning: {len(lost)} tasks lost their worker; they are handed out again")
        left = lost
    why = f"its worker was lost {ATTEMPTS} times, as where memory runs out: try fewer --jobs"
    for task in left:
        yield task, Done(tuple(failed(job, why) for job in task.jobs), (), ())
