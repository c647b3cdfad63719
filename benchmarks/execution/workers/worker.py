"""One worker: it performs tasks one after the other, and keeps what the next one may need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from benchmarks.datasets import Category
from benchmarks.errors import StorageError
from benchmarks.evaluation import CategoryData, GroundTruth, evaluate
from benchmarks.evaluation.device import free_memory
from benchmarks.evaluation.evaluating import one_line
from benchmarks.execution.extracting import Lazy, extract_category, extract_shard
from benchmarks.execution.workers.tasks import Done, Evaluate, Extract, Setting, Task, WantedPool
from benchmarks.features import Extractor, Split
from benchmarks.features.crops import cores
from benchmarks.features.extraction import Arrays
from benchmarks.results.journal import Extraction
from methods.lazy import torch


def settle(wanted: WantedPool, on_node: int, on_device: int) -> Worker:
    """Return the worker of this process, with its share of the machine that it finds itself on.

    Args:
        wanted: what the command line says of workers.
        on_node: workers that share this machine's cores.
        on_device: workers that share the device's memory.
    """
    torch.set_num_threads(wanted.threads or max(1, cores() // on_node))
    memory = wanted.memory or free_memory(wanted.device) // 2
    return Worker(wanted.device, memory // on_device)


class Worker:
    """Performs tasks.

    Backbones stay for the next task of the same plan, and features and what methods share of them
    for the next of the same category.

    Args:
        device: "cpu", "cuda" or "cuda:N".
        memory: bytes on it that a method may fill with what it could do without.
    """

    def __init__(self, device: str, memory: int) -> None:
        self._device, self._memory = device, memory
        self._setting: Setting | None = None
        self._extractors: Sequence[Extractor] = ()
        self._data: tuple[str, Lazy[CategoryData]] | None = None
        self._extractions: list[Extraction] = []
        self._warnings: list[str] = []

    def perform(self, task: Task) -> Done:
        """Do a task; what can't be extracted fails its cells, not the task."""
        if task.setting != self._setting:
            self._begin(task.setting)
        done = self._evaluate(task) if isinstance(task, Evaluate) else self._extract(task)
        self._extractions.clear()
        self._warnings.clear()
        return done

    def _begin(self, setting: Setting) -> None:
        cache = setting.cache.open(self._warnings.append)
        self._setting, self._data = setting, None
        decoders = torch.get_num_threads()
        self._extractors = setting.plan.extractors(cache, self._device, self._memory, decoders)

    def _extract(self, task: Extract) -> Done:
        failure = ""
        try:
            note = self._extractions.append
            extract_shard(self._extractors, task.category, task.split, task.rows, note)
        except Exception as error:  # noqa: BLE001 it becomes the failure of the category's cells
            failure = one_line(error)
        return Done((), tuple(self._extractions), self._said(), failure)

    def _evaluate(self, task: Evaluate) -> Done:
        data = self._category(task)
        evaluated = tuple(evaluate(job, data) for job in task.jobs)
        if any(one.cell.status == "failed" for one in evaluated):
            self._data = None  # the next one finds out for itself
        # What an extraction put into the cache was needed once, and is noted there.
        passed = tuple(one for one in self._extractions if one.passed)
        return Done(evaluated, passed, self._said())

    def _category(self, task: Evaluate) -> Callable[[], CategoryData]:
        if self._data is None or self._data[0] != task.category.fingerprint:
            self._data = None  # its memory makes room for the next
            make = partial(self._make_data, task.setting, task.category)
            self._data = (task.category.fingerprint, Lazy(make))
        return self._data[1]

    def _make_data(self, setting: Setting, category: Category) -> CategoryData:
        truth = GroundTruth(category, setting.plan.protocol, self._extractors[0].crops)
        return CategoryData(truth, self._bring(category), self._device, self._memory)

    def _bring(self, category: Category) -> list[dict[Split, Arrays]]:
        return extract_category(self._extractors, category, _ignore, self._extractions.append)

    def _said(self) -> tuple[str, ...]:
        """Wait for the disk; return the warnings, with what it could not take."""
        for extractor in self._extractors:
            try:
                extractor.finish()
            except StorageError as error:
                self._warnings.append(str(error))
        return tuple(self._warnings)


def _ignore(backbone: str, images: int) -> None:
    del backbone, images
