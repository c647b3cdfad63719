"""Worker processes, on this machine or on a Ray cluster: what one does, and who hands it out."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from benchmarks.datasets import Category
from benchmarks.errors import BenchmarkError
from benchmarks.evaluate import CategoryData, Evaluated, Job, evaluate
from benchmarks.features import Arrays, FeatureCache, Split
from benchmarks.journal import Extraction, measured
from benchmarks.plan import Plan
from methods.lazy import torch

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized


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
    extractors = task.plan.extractors(FeatureCache(folder, limit, warnings.append), task.device)
    extractions: list[Extraction] = []

    def arrays() -> list[dict[Split, Arrays]]:
        return measured(extractors, task.category, _ignore, extractions.append)

    @cache
    def data() -> CategoryData:
        return CategoryData(task.category, arrays(), task.plan.protocol, task.device, task.memory)

    if not task.jobs:
        try:
            arrays()
        except BenchmarkError as error:
            warnings.append(str(error))
    evaluated = tuple(evaluate(job, data) for job in task.jobs)
    # What a task before this one put into the cache was needed once, and is noted there.
    noted = tuple(one for one in extractions if one.passed or not task.jobs)
    return Done(evaluated, noted, tuple(warnings))


def _ignore(backbone: str, images: int) -> None:
    del backbone, images


class Processes:
    """Processes on this machine.

    Args:
        workers: how many.
        patience: seconds without any task done after which they are taken for hanging, and killed.
        gpus: as CUDA_VISIBLE_DEVICES names them; worker i sees only number i modulo how many.
    """

    def __init__(self, workers: int, patience: float, gpus: Sequence[str] = ()) -> None:
        self.workers, self._patience, self._gpus = workers, patience, tuple(gpus)
        self.sharers = -(-workers // max(1, len(gpus)))
        self._pool = self._start()

    def _start(self) -> ProcessPoolExecutor:
        # Not forked: threads of PyTorch and of compiled loops don't survive that.
        context = get_context("spawn")
        settle = (context.Value("i", 0), self._gpus)
        return ProcessPoolExecutor(
            self.workers, mp_context=context, initializer=_settle, initargs=settle
        )

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Done | None]]:
        """Yield each task as it is done, with None where its worker, or another's, was lost."""
        futures = {self._pool.submit(perform, task.without_others()): task for task in tasks}
        waiting, broken = set(futures), False
        while waiting:
            done, waiting = wait(waiting, self._patience, FIRST_COMPLETED)
            if not done:
                _kill_children()  # which breaks the pool, and so ends all that is waited for
            for future in done:
                try:
                    yield futures[future], future.result()
                except BrokenProcessPool:
                    broken = True
                    yield futures[future], None
        if broken:
            self._pool.shutdown()
            self._pool = self._start()

    def close(self) -> None:
        """Stop the processes, whatever they do."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        _kill_children()


def _settle(started: Synchronized[int], gpus: tuple[str, ...]) -> None:
    """Give a worker that has just started the next GPU, before anything of CUDA is loaded."""
    if gpus:
        with started.get_lock():
            os.environ["CUDA_VISIBLE_DEVICES"] = gpus[started.value % len(gpus)]
            started.value += 1


def _kill_children() -> None:
    import psutil

    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # it has ended by itself
            if "spawn_main" in " ".join(child.cmdline()):  # not what tracks their resources
                child.kill()


class RayCluster:
    """A Ray cluster: one that runs already, or one of this machine for as long as this runs.

    Args:
        address: of a running cluster, as `ray.init` takes it; None starts one here.
        workers: how many processors a cluster that is started here has.
        gpus: GPUs that a task asks for.
        patience: seconds without any task done after which all are taken for hanging, and killed.

    Raises:
        BenchmarkError: Ray is not installed, or there is no cluster at the address.
    """

    def __init__(self, address: str | None, workers: int, gpus: int, patience: float) -> None:
        try:
            import ray
        except ImportError:
            raise BenchmarkError(
                "--executor ray: Ray is not installed; pip install -c constraints.txt -e '.[ray]'"
            ) from None
        own: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False}
        try:
            ray.init(address, log_to_driver=False, **({} if address else own))
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise BenchmarkError(f"--ray-address {address}: no cluster there ({reason})") from error
        self._ray, self._patience = ray, patience
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        self.workers = int(resources.get("CPU", 1))
        self.sharers = 1 if gpus else self.workers
        self._perform = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=0)(perform)

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Done | None]]:
        """Yield each task as it is done, with None where its worker was lost."""
        ray = self._ray
        waiting = {self._perform.remote(task.without_others()): task for task in tasks}
        while waiting:
            done, _ = ray.wait(list(waiting), timeout=self._patience)
            if not done:
                for reference in waiting:
                    ray.cancel(reference, force=True)
            for reference in done:
                task = waiting.pop(reference)
                try:
                    yield task, ray.get(reference)
                except ray.exceptions.TaskCancelledError:
                    yield task, None
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from error
                except ray.exceptions.RayError:
                    yield task, None

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        self._ray.shutdown()
