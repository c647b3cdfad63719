"""Evaluates cells one after the other in this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from benchmarks.console import say
from benchmarks.evaluation.category import CategoryData, GroundTruth
from benchmarks.evaluation.evaluating import Measuring, predict
from benchmarks.evaluation.job import Job
from benchmarks.execution.extracting import MEASURED_TOGETHER, Lazy, extract_category, finish
from benchmarks.execution.plan import JobsByCategory
from benchmarks.execution.recorder import Machine, Recorder
from benchmarks.features import Extractor, Split
from benchmarks.features.uploading import Arrays
from benchmarks.specs import EvaluationProtocol

Loading = tuple[Future[GroundTruth], Future[list[dict[Split, Arrays]]]]
"""A category's ground truth and its members' features, read meanwhile."""


def run_locally(
    work: JobsByCategory,
    protocol: EvaluationProtocol,
    extractors: Sequence[Extractor],
    recorder: Recorder,
    machine: Machine,
) -> None:
    """Evaluate and store every cell, one after the other.

    On a GPU the next category's images are decoded and extracted while this one's methods run, its
    masks are read in another thread, and predictions are measured, compressed and stored
    meanwhile, in their order; on a CPU there is nothing to overlap with.
    """
    beside = machine.device != "cpu"
    with (
        ThreadPoolExecutor(1) as reader,
        _background(extractors) as pool,
        _measuring(recorder, beside) as measure,
    ):
        categories, pending = list(work), deque[Loading]()
        for number, category in enumerate(categories):
            started = number + len(pending)
            for later in categories[started : number + (2 if beside else 1)]:
                advance = partial(recorder.progress.advance, later.name)
                pending.append(
                    (
                        reader.submit(GroundTruth, later, protocol, extractors[0].crops),
                        pool.submit(extract_category, extractors, later, advance, recorder.note),
                    )
                )
            data = Lazy(partial(_data, *pending.popleft(), machine))
            for job in work[category]:
                measure(job, predict(job, data, partial(recorder.progress.stage, job)))
            del data  # the category's features make room for those of the one after the next


def _data(
    truth: Future[GroundTruth], arrays: Future[list[dict[Split, Arrays]]], machine: Machine
) -> CategoryData:
    return CategoryData(truth.result(), arrays.result(), machine.device, machine.memory)


@contextmanager
def _measuring(recorder: Recorder, beside: bool) -> Iterator[Callable[[Job, Measuring], None]]:
    """Yield what measures and stores a prediction: at once, or `beside` the device's work."""
    waiting: deque[Future[None]] = deque()

    def at_once(job: Job, measuring: Measuring) -> None:
        recorder.take(measuring(partial(recorder.progress.stage, job)))

    def in_turn(job: Job, measuring: Measuring) -> None:
        measured = pool.submit(measuring, lambda stage: None)
        waiting.append(storing.submit(lambda: recorder.take(measured.result())))
        while len(waiting) > MEASURED_TOGETHER or (waiting and waiting[0].done()):
            waiting.popleft().result()

    with ThreadPoolExecutor(1) as storing, ThreadPoolExecutor(MEASURED_TOGETHER) as pool:
        try:
            yield in_turn if beside else at_once
        finally:  # also where the run is interrupted: what was predicted isn't lost
            while waiting:
                waiting.popleft().result()


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
            finish(extractors, lambda line: say(f"warning: {line}"))
