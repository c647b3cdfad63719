"""Evaluates cells one after the other in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial

from benchmarks.datasets import Category
from benchmarks.evaluation import CategoryData, evaluate
from benchmarks.execution.extracting import extract_category
from benchmarks.execution.plan import JobsByCategory
from benchmarks.execution.recorder import Machine, Recorder
from benchmarks.features import Extractor, Split
from benchmarks.features.extraction import Arrays
from benchmarks.specs import EvaluationProtocol


def run_locally(
    work: JobsByCategory,
    protocol: EvaluationProtocol,
    extractors: Sequence[Extractor],
    outlet: Recorder,
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
            wanted = number + (2 if machine.device == "cuda" else 1)
            for later in categories[len(pending) : wanted]:
                advance = partial(progress.advance, later.name)
                pending.append(
                    pool.submit(extract_category, extractors, later, advance, outlet.note)
                )
            data = cache(partial(_data, category, pending[number], protocol, machine))
            for job in work[category]:
                outlet.take(job, evaluate(job, data, partial(progress.stage, job)))


def _data(
    category: Category,
    arrays: Future[list[dict[Split, Arrays]]],
    protocol: EvaluationProtocol,
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
