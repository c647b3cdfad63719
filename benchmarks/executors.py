"""Runs a plan's jobs on this machine, category by category."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial

from benchmarks.datasets import Category
from benchmarks.evaluate import CategoryData, evaluate
from benchmarks.features import Arrays, Extractor, FeatureCache, Split
from benchmarks.plan import Plan, Work
from benchmarks.progress import Progress, say
from benchmarks.protocol import Protocol
from benchmarks.store import Store


def run_plan(
    plan: Plan, missing: Work, store: Store, cache: FeatureCache, *, device: str, memory: int
) -> int:
    """Evaluate and store the missing cells of a plan; return how many images passed a backbone.

    Args:
        plan: the plan.
        missing: category → its cells to evaluate.
        store: where each cell goes as soon as it is known, and their table at the end.
        cache: where features are kept.
        device: "cpu" or "cuda".
        memory: bytes on it that a method may fill with what it could do without.

    Raises:
        BenchmarkError: a backbone that is needed can't be made.
    """
    cache.sweep()
    extractors = plan.extractors(cache, device)
    images = [sum(one.missing(category) for category in missing) for one in extractors]
    for extractor, count in zip(extractors, images, strict=True):
        if count:
            extractor.prepare()  # unfit weights stop the run here, before they fail every cell
    progress = Progress(sum(images), sum(map(len, missing.values())))
    try:
        _run_locally(
            missing, plan.protocol, extractors, store, progress, device=device, memory=memory
        )
    finally:
        progress.close()
        store.write_metrics(lambda line: say(f"warning: {line}"))
    return sum(extractor.passes for extractor in extractors)


def _run_locally(
    work: Work,
    protocol: Protocol,
    extractors: Sequence[Extractor],
    store: Store,
    progress: Progress,
    *,
    device: str,
    memory: int,
) -> None:
    """Evaluate and store every cell, one after the other.

    On a GPU the next category's images are decoded and extracted while this one's methods run; on
    a CPU there is nothing to overlap with.
    """
    categories = list(work)
    with _background(extractors) as pool:
        pending: list[list[Future[dict[Split, Arrays]]]] = []
        for number, category in enumerate(categories):
            wanted = number + (2 if device == "cuda" else 1)
            for later in categories[len(pending) : wanted]:
                pending.append(
                    [pool.submit(one.arrays, later, progress.advance) for one in extractors]
                )
            data = cache(partial(_data, category, pending[number], protocol, device, memory))
            for job in work[category]:
                evaluated = evaluate(job, data)
                store.write(job.spec, evaluated.cell, evaluated.scores, evaluated.maps)
                progress.cell(evaluated.cell)


def _data(
    category: Category,
    arrays: Sequence[Future[dict[Split, Arrays]]],
    protocol: Protocol,
    device: str,
    memory: int,
) -> CategoryData:
    members = [future.result() for future in arrays]
    return CategoryData(category, members, protocol, device, memory)


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
