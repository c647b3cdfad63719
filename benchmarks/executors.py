"""Runs a plan's jobs: one after the other in this process, or handed out to workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial

from benchmarks.datasets import Category
from benchmarks.evaluate import CategoryData, Evaluated, Job, evaluate, failed
from benchmarks.features import Arrays, Extractor, FeatureCache, Split
from benchmarks.plan import Plan, Work
from benchmarks.progress import Progress, say
from benchmarks.protocol import Protocol
from benchmarks.store import Store
from benchmarks.workers import Done, Pool, Task
from methods.lazy import torch

ATTEMPTS = 3
"""How often a task is handed out before its cells fail because their workers were lost."""

LARGEST_CHUNK = 8
"""Cells that one task evaluates at most: what is to be done again where a worker is lost."""


@dataclass(frozen=True)
class Machine:
    """Where cells are evaluated.

    Attributes:
        device: "cpu" or "cuda".
        memory: bytes on it that a method may fill with what it could do without.
        pool: workers; None for this process alone.
    """

    device: str
    memory: int
    pool: Pool | None = None


@dataclass(frozen=True)
class _Outlet:
    """Where each cell goes the moment it is known."""

    store: Store
    progress: Progress

    def take(self, job: Job, evaluated: Evaluated) -> None:
        self.store.write(job.spec, evaluated.cell, evaluated.scores, evaluated.maps)
        self.progress.cell(evaluated.cell)


def run_plan(plan: Plan, missing: Work, store: Store, cache: FeatureCache, machine: Machine) -> int:
    """Evaluate and store the missing cells of a plan; return how many images passed a backbone.

    Args:
        plan: the plan.
        missing: category → its cells to evaluate.
        store: where each cell goes as soon as it is known, and their table at the end.
        cache: where features are kept.
        machine: where they are evaluated; no number depends on it but for the device's rounding.

    Raises:
        BenchmarkError: a backbone that is needed can't be made.
    """
    cache.sweep()
    extractors = plan.extractors(cache, machine.device)
    images = [sum(one.missing(category) for category in missing) for one in extractors]
    for extractor, count in zip(extractors, images, strict=True):
        if count:
            extractor.prepare()  # unfit weights stop the run here, before they fail every cell
    progress = Progress(sum(images), sum(map(len, missing.values())))
    outlet = _Outlet(store, progress)
    try:
        if machine.pool is None:
            _run_locally(missing, plan.protocol, extractors, outlet, machine)
            return sum(extractor.passes for extractor in extractors)
        return _hand_out(plan, missing, cache, outlet, machine)
    finally:
        progress.close()
        store.write_metrics(lambda line: say(f"warning: {line}"))


def _hand_out(
    plan: Plan,
    missing: Work,
    cache: FeatureCache,
    outlet: _Outlet,
    machine: Machine,
) -> int:
    """Have workers extract as many categories as there are workers, then evaluate their cells."""
    pool = machine.pool
    assert pool is not None
    common = Task(
        plan=plan,
        category=next(iter(missing)),
        jobs=(),
        cache=(cache.folder.parent, cache.limit / 1e9),
        device=machine.device,
        memory=machine.memory // pool.workers,
        threads=torch.get_num_threads(),
    )
    passes, categories = 0, list(missing)
    for start in range(0, len(categories), pool.workers):
        part = categories[start : start + pool.workers]
        extractions = [replace(common, category=category) for category in part]
        chunks = [
            replace(common, category=category, jobs=jobs)
            for category in part
            for jobs in _chunks(missing[category], pool.workers)
        ]
        for tasks in (extractions, chunks):
            for task, done in _persistently(pool, tasks):
                passes += done.passes
                outlet.progress.advance(done.passes)
                for line in done.warnings:
                    say(f"warning: {line}")
                for job, evaluated in zip(task.jobs, done.evaluated, strict=True):
                    outlet.take(job, evaluated)
    return passes


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
        yield task, Done(tuple(failed(job, why) for job in task.jobs), 0, ())


def _run_locally(
    work: Work,
    protocol: Protocol,
    extractors: Sequence[Extractor],
    outlet: _Outlet,
    machine: Machine,
) -> None:
    """Evaluate and store every cell, one after the other.

    On a GPU the next category's images are decoded and extracted while this one's methods run; on
    a CPU there is nothing to overlap with.
    """
    categories = list(work)
    with _background(extractors) as pool:
        pending: list[list[Future[dict[Split, Arrays]]]] = []
        for number, category in enumerate(categories):
            wanted = number + (2 if machine.device == "cuda" else 1)
            for later in categories[len(pending) : wanted]:
                pending.append(
                    [pool.submit(one.arrays, later, outlet.progress.advance) for one in extractors]
                )
            data = cache(partial(_data, category, pending[number], protocol, machine))
            for job in work[category]:
                outlet.take(job, evaluate(job, data))


def _data(
    category: Category,
    arrays: Sequence[Future[dict[Split, Arrays]]],
    protocol: Protocol,
    machine: Machine,
) -> CategoryData:
    members = [future.result() for future in arrays]
    return CategoryData(category, members, protocol, machine.device, machine.memory)


@contextmanager
def _background(extractors: Sequence[Extractor]) -> Iterator[ThreadPoolExecutor]:
    """Yield a thread for extraction that stops soon when the run is interrupted."""
    with ThreadPoolExecutor(1) as pool:
        try:
            yield pool
        finally:
            for extractor in extractors:
                extractor.stopped.set()
            pool.shutdown(cancel_futures=True)
