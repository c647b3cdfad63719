"""What a worker does, and what it brings back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from benchmarks.datasets import Category
from benchmarks.errors import BenchmarkError, StorageError
from benchmarks.evaluation import CategoryData, Evaluated, GroundTruth, Job, evaluate
from benchmarks.execution.extracting import Lazy, extract_category
from benchmarks.execution.plan import Plan
from benchmarks.features import CacheSettings, Crops, Extractor, Split
from benchmarks.features.extraction import Arrays
from benchmarks.results.journal import Extraction
from methods.lazy import torch


@dataclass(frozen=True)
class Setting:
    """What a worker needs whatever it does.

    Attributes:
        plan: protocol, backbones and levels; its categories and cells are nothing to the worker.
        cache: where features are kept.
        device: "cpu", "cuda" or "cuda:N".
        memory: bytes on it that a method may fill with what it could do without.
        threads: of a worker's processor; the same for all executors, so that sums are the same.
    """

    plan: Plan
    cache: CacheSettings
    device: str
    memory: int
    threads: int


@dataclass(frozen=True)
class Extract:
    """A category's features are to be brought into the cache."""

    setting: Setting
    category: Category


@dataclass(frozen=True)
class Evaluate:
    """Some jobs of one category are to be evaluated."""

    setting: Setting
    category: Category
    jobs: tuple[Job, ...]


Task = Extract | Evaluate


@dataclass(frozen=True)
class Done:
    """What a worker brings back: cells in the order of the jobs, extractions, and warnings."""

    evaluated: tuple[Evaluated, ...]
    extractions: tuple[Extraction, ...]
    warnings: tuple[str, ...]


class Pool(Protocol):
    """Workers that perform tasks."""

    workers: int
    sharers: int
    """Workers on one device, which share its memory."""

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Done | None]]:
        """Yield each task as it is done, with None where its worker was lost."""

    def close(self) -> None:
        """Let the workers go, whatever they do."""


@dataclass(frozen=True)
class WantedPool:
    """What the command line says of workers.

    Attributes:
        jobs: processes side by side.
        device: "cpu", "cuda" or "cuda:N".
        patience: seconds without any task done after which workers are taken for hanging.
        address: of a running cluster, None for none.
    """

    jobs: int
    device: str
    patience: float
    address: str | None = None


def perform(task: Task) -> Done:
    """Do a task; a category that can't be extracted fails its jobs, not the task."""
    setting = task.setting
    torch.set_num_threads(setting.threads)
    warnings: list[str] = []
    cache = setting.cache.open(warnings.append)
    extractors = setting.plan.extractors(cache, setting.device, setting.memory)
    extractions: list[Extraction] = []
    bring = partial(extract_category, extractors, task.category, _ignore, extractions.append)
    evaluated: tuple[Evaluated, ...] = ()
    try:
        if isinstance(task, Evaluate):
            data = Lazy(partial(_data, task, extractors[0].crops, bring))
            evaluated = tuple(evaluate(job, data) for job in task.jobs)
            # What a task before this one put into the cache was needed once, and is noted there.
            extractions = [one for one in extractions if one.passed]
        else:
            bring()
    except BenchmarkError as error:
        warnings.append(str(error))
    warnings += _finish(extractors)
    return Done(evaluated, tuple(extractions), tuple(warnings))


def _data(
    task: Evaluate, crops: Crops, bring: Callable[[], list[dict[Split, Arrays]]]
) -> CategoryData:
    setting = task.setting
    truth = GroundTruth(task.category, setting.plan.protocol, crops)
    return CategoryData(truth, bring(), setting.device, setting.memory)


def _finish(extractors: Sequence[Extractor]) -> Iterator[str]:
    """Wait for the disk; yield what it could not take."""
    for extractor in extractors:
        try:
            extractor.finish()
        except StorageError as error:
            yield str(error)


def _ignore(backbone: str, images: int) -> None:
    del backbone, images
