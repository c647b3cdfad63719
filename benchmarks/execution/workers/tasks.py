"""What a worker does, and what it brings back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Protocol

from benchmarks.datasets import Category
from benchmarks.errors import BenchmarkError, StorageError
from benchmarks.evaluation import CategoryData, Evaluated, GroundTruth, Job, evaluate
from benchmarks.execution.extracting import extract_category
from benchmarks.execution.plan import Plan
from benchmarks.features import FeatureCache, Split
from benchmarks.features.extraction import Arrays
from benchmarks.results.journal import Extraction
from methods.lazy import torch


@dataclass(frozen=True)
class Task:
    """Some jobs of one category; without any, its features are extracted into the cache.

    Attributes:
        plan: the jobs' plan, of this category alone.
        category: the category.
        jobs: what to evaluate.
        cache: the cache's folder, and its limit in GB.
        device: "cpu", "cuda" or "cuda:N".
        memory: bytes on it that a method may fill with what it could do without.
        threads: of a worker's processor; the same for all executors, so that sums are the same.
    """

    plan: Plan
    category: Category
    jobs: tuple[Job, ...]
    cache: tuple[Path, float]
    device: str
    memory: int
    threads: int

    def without_others(self) -> Task:
        """Return the task without the plan's other work, which is nothing to this worker."""
        dataset = replace(self.plan.dataset, categories=())
        return replace(self, plan=replace(self.plan, dataset=dataset, work={}))


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


def perform(task: Task) -> Done:
    """Do a task; a category that can't be extracted fails its jobs, not the task."""
    torch.set_num_threads(task.threads)
    warnings: list[str] = []
    folder, limit = task.cache
    store = FeatureCache(folder, limit, warnings.append)
    extractors = task.plan.extractors(store, task.device, task.memory)
    extractions: list[Extraction] = []

    def arrays() -> list[dict[Split, Arrays]]:
        return extract_category(extractors, task.category, _ignore, extractions.append)

    @cache
    def data() -> CategoryData:
        truth = GroundTruth(task.category, task.plan.protocol, extractors[0].crops)
        return CategoryData(truth, arrays(), task.device, task.memory)

    if not task.jobs:
        try:
            arrays()
        except BenchmarkError as error:
            warnings.append(str(error))
    evaluated = tuple(evaluate(job, data) for job in task.jobs)
    for extractor in extractors:
        try:
            extractor.finish()
        except StorageError as error:
            warnings.append(str(error))
    # What a task before this one put into the cache was needed once, and is noted there.
    noted = tuple(one for one in extractions if one.passed or not task.jobs)
    return Done(evaluated, noted, tuple(warnings))


def _ignore(backbone: str, images: int) -> None:
    del backbone, images
