"""Hands cells out to workers, and again where a worker is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from benchmarks.console import say
from benchmarks.evaluation import Job
from benchmarks.evaluation.evaluating import failed
from benchmarks.execution.plan import JobsByCategory, Plan
from benchmarks.execution.progress.tracking import Progress
from benchmarks.execution.recorder import Machine, Recorder
from benchmarks.execution.workers.tasks import Done, Evaluate, Extract, Pool, Setting, Task
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
    recorder: Recorder,
    machine: Machine,
) -> None:
    """Have workers extract as many categories as there are workers, then evaluate their cells."""
    pool = machine.pool
    assert pool is not None
    setting = Setting(
        plan=replace(plan, dataset=replace(plan.dataset, categories=()), work={}),
        cache=cache.settings,
        device=machine.device,
        memory=machine.memory // pool.sharers,
        threads=torch.get_num_threads(),
    )
    categories = list(missing)
    for start in range(0, len(categories), pool.workers):
        part = categories[start : start + pool.workers]
        _perform(pool, [Extract(setting, category) for category in part], recorder)
        chunks = [
            Evaluate(setting, category, jobs)
            for category in part
            for jobs in _chunks(missing[category], pool.workers)
        ]
        _perform(pool, chunks, recorder)


def _perform(pool: Pool, tasks: Sequence[Task], recorder: Recorder) -> None:
    """Have tasks done, record what they bring, and show what workers are at meanwhile."""
    waiting, progress = list(tasks), recorder.progress
    _show(waiting[: pool.workers], progress)
    for task, done in _persistently(pool, tasks):
        for extraction in done.extractions:
            progress.advance(task.category.name, extraction.backbone, extraction.passed)
            recorder.note(extraction)
        for line in done.warnings:
            say(f"warning: {line}")
        for job, evaluated in zip(_jobs(task), done.evaluated, strict=True):
            recorder.take(job, evaluated)
        waiting = [one for one in waiting if one is not task]
        _show(waiting[: pool.workers], progress)


def _show(tasks: Sequence[Task], progress: Progress) -> None:
    extracting = [task.category.name for task in tasks if isinstance(task, Extract)]
    progress.at_work([job for task in tasks for job in _jobs(task)], extracting)


def _jobs(task: Task) -> tuple[Job, ...]:
    return task.jobs if isinstance(task, Evaluate) else ()


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
        yield task, Done(tuple(failed(job, why) for job in _jobs(task)), (), ())
