"""Runs a plan: brings features, evaluates what is missing, stores it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from benchmarks.console import say
from benchmarks.execution.dividing import PlanDurations, divide_work
from benchmarks.execution.flow import hand_out
from benchmarks.execution.local import run_locally
from benchmarks.execution.plan import JobsByCategory, Plan, images_to_pass
from benchmarks.execution.progress.forecast import Forecast, earlier_rates
from benchmarks.execution.progress.tracking import Progress
from benchmarks.execution.recorder import Machine, Recorder
from benchmarks.execution.scheduling import Scheduler
from benchmarks.features import Extractor, FeatureCache
from benchmarks.results import Cell, Store, journal, plans


class Counts(NamedTuple):
    """What a plan took: images that passed a backbone, and cells that failed."""

    passes: int
    failed: int


def run_plan(
    plan: Plan,
    missing: JobsByCategory,
    store: Store,
    cache: FeatureCache,
    machine: Machine,
    *,
    options: plans.Plan | None = None,
    stored: Callable[[Cell], None] = lambda cell: None,
) -> Counts:
    """Evaluate and store the missing cells of a plan, once the run's folder notes all of its cells.

    What the call took is added to the run's journal, also where it is interrupted.

    Args:
        plan: the plan.
        missing: category → its cells to evaluate.
        store: where each cell goes as soon as it is known, and their table at the end.
        cache: where features are kept.
        machine: where they are evaluated; no number depends on it but for the device's rounding.
        options: what the command asked for, to be kept in the run's folder.
        stored: called with each cell once it is stored.

    Raises:
        BenchmarkError: a backbone that is needed can't be made.
        FailedCellError: a cell failed, and that is to stop the run.
        StorageError: a later version's result lies where one of the cells is to be written.
    """
    store.require_replaceable(job.spec for jobs in missing.values() for job in jobs)
    started, begun = datetime.now(UTC), time.perf_counter()
    cache.sweep()
    extractors, images = _prepare(plan, missing, cache, machine)
    if options is not None:
        plans.keep_plan(store.run, options)
    store.ask(plan.specs, plan.dataset.place)
    size = plan.protocol.image_size
    earlier = earlier_rates(store.run, size, machine.device, machine.card)
    progress = Progress(plan, missing, images, Forecast(earlier, machine.workers))
    recorder = Recorder(store, progress, plan.dataset.place, machine.raises, stored)
    try:
        if machine.pool is None:
            run_locally(missing, plan.protocol, extractors, recorder, machine)
        else:
            workers, durations = machine.pool.workers, PlanDurations(plan, earlier, images)
            scheduler = Scheduler(
                divide_work(missing, durations, cache.settings, workers), workers, cache.room
            )
            hand_out(scheduler, machine.pool, recorder)
        passes = sum(extraction.passed for extraction in recorder.extractions.values())
        return Counts(passes, recorder.statuses.count("failed"))
    finally:
        recorder.progress.close()
        seconds = time.perf_counter() - begun
        store.write_metrics(lambda line: say(f"warning: {line}"))
        journal.write(store.run, _call(plan, machine, recorder, started, seconds))


def _prepare(
    plan: Plan, missing: JobsByCategory, cache: FeatureCache, machine: Machine
) -> tuple[list[Extractor], Counter[tuple[str, str]]]:
    """Return the extractors of this process, and `images_to_pass`, once all backbones were made.

    Where workers extract, backbones are made only to see that they can be, on the processor.

    Raises:
        BenchmarkError: one can't be made, which stops the run instead of failing every cell.
    """
    device = "cpu" if machine.pool else machine.device
    extractors = plan.extractors(cache, device, machine.memory)
    images = images_to_pass(extractors, missing)
    for extractor in extractors:
        if any(images[category.name, extractor.backbone] for category in missing):
            extractor.prepare()
    return [] if machine.pool else extractors, images


def _call(
    plan: Plan, machine: Machine, recorder: Recorder, started: datetime, seconds: float
) -> journal.Call:
    return journal.Call(
        started_utc=started.isoformat(timespec="milliseconds"),
        seconds=seconds,
        dataset=plan.dataset.name,
        backbone=plan.protocol.backbone.name,
        image_size=plan.protocol.image_size,
        device=machine.device,
        workers=machine.workers,
        cells=len(recorder.statuses),
        failed=recorder.statuses.count("failed"),
        extractions=tuple(recorder.extractions.values()),
        card=" + ".join(sorted(recorder.cards)),
    )
