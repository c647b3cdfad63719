"""Runs a plan's jobs: one after the other in this process, or handed out to workers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, partial

from benchmarks import journal
from benchmarks.datasets import Category
from benchmarks.estimate import Forecast, earlier_rates
from benchmarks.evaluate import CategoryData, Evaluated, Job, evaluate, failed
from benchmarks.features import Arrays, Extractor, FeatureCache, Split
from benchmarks.journal import Extraction, measured
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
        device: "cpu", "cuda" or "cuda:N".
        memory: bytes on it that a method may fill with what it could do without.
        pool: workers; None for this process alone.
    """

    device: str
    memory: int
    pool: Pool | None = None

    @property
    def workers(self) -> int:
        """Processes that evaluate cells side by side."""
        return self.pool.workers if self.pool else 1


@dataclass(frozen=True)
class _Outlet:
    """Where each cell goes the moment it is known, and what is known of the extractions."""

    store: Store
    progress: Progress
    statuses: list[str] = field(default_factory=list)
    extractions: list[Extraction] = field(default_factory=list)

    def take(self, job: Job, evaluated: Evaluated) -> None:
        self.store.write(job.spec, evaluated.cell, evaluated.scores, evaluated.maps)
        self.statuses.append(evaluated.cell.status)
        self.progress.cell(evaluated.cell)

    def note(self, extraction: Extraction) -> None:
        self.extractions.append(extraction)
        self.progress.extracted(extraction)


def run_plan(plan: Plan, missing: Work, store: Store, cache: FeatureCache, machine: Machine) -> int:
    """Evaluate and store the missing cells of a plan; return how many images passed a backbone.

    What the call took is added to the run's journal, also where it is interrupted.

    Args:
        plan: the plan.
        missing: category → its cells to evaluate.
        store: where each cell goes as soon as it is known, and their table at the end.
        cache: where features are kept.
        machine: where they are evaluated; no number depends on it but for the device's rounding.

    Raises:
        BenchmarkError: a backbone that is needed can't be made.
    """
    started, begun = datetime.now(UTC), time.perf_counter()
    cache.sweep()
    extractors = plan.extractors(cache, machine.device)
    images = _to_pass(extractors, missing)
    earlier = earlier_rates(store.run, plan.protocol.image_size, machine.device)
    outlet = _Outlet(store, Progress(plan, missing, images, Forecast(earlier, machine.workers)))
    try:
        if machine.pool is None:
            _run_locally(missing, plan.protocol, extractors, outlet, machine)
        else:
            _hand_out(plan, missing, cache, outlet, machine)
        return sum(extraction.passed for extraction in outlet.extractions)
    finally:
        outlet.progress.close()
        seconds = time.perf_counter() - begun
        store.write_metrics(lambda line: say(f"warning: {line}"))
        journal.write(store.run, _call(plan, machine, outlet, started, seconds))


def _call(
    plan: Plan, machine: Machine, outlet: _Outlet, started: datetime, seconds: float
) -> journal.Call:
    return journal.Call(
        started_utc=started.isoformat(timespec="milliseconds"),
        seconds=seconds,
        dataset=plan.dataset.name,
        backbone=plan.protocol.backbone.name,
        image_size=plan.protocol.image_size,
        device=machine.device,
        workers=machine.workers,
        cells=len(outlet.statuses),
        failed=outlet.statuses.count("failed"),
        extractions=tuple(outlet.extractions),
    )


def _to_pass(extractors: Sequence[Extractor], work: Work) -> Counter[tuple[str, str]]:
    """Return (category, backbone) → images that have to pass it, and make the backbones for them.

    Raises:
        BenchmarkError: one can't be made, which stops the run before it fails every cell.
    """
    images = Counter[tuple[str, str]]()
    for extractor in extractors:
        missing = {category.name: extractor.missing(category) for category in work}
        if any(missing.values()):
            extractor.prepare()
        for category, count in missing.items():
            images[category, extractor.backbone] += count
    return images


def _hand_out(
    plan: Plan,
    missing: Work,
    cache: FeatureCache,
    outlet: _Outlet,
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
    progress, categories = outlet.progress, list(work)
    with _background(extractors) as pool:
        pending: list[Future[list[dict[Split, Arrays]]]] = []
        for number, category in enumerate(categories):
            wanted = number + (1 if machine.device == "cpu" else 2)
            for later in categories[len(pending) : wanted]:
                advance = partial(progress.advance, later.name)
                pending.append(pool.submit(measured, extractors, later, advance, outlet.note))
            data = cache(partial(_data, category, pending[number], protocol, machine))
            for job in work[category]:
                outlet.take(job, evaluate(job, data, partial(progress.stage, job)))


def _data(
    category: Category,
    arrays: Future[list[dict[Split, Arrays]]],
    protocol: Protocol,
    machine: Machine,
) -> CategoryData:
    return CategoryData(category, arrays.result(), protocol, machine.device, machine.memory)


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
