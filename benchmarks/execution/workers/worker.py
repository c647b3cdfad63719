"""One worker: performs tasks in turn, and keeps backbones and features for the next one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, get_args

import numpy as np

from benchmarks.evaluation.category import CategoryData, GroundTruth
from benchmarks.evaluation.device import choose_device, free_memory
from benchmarks.evaluation.evaluating import evaluate, failure_of
from benchmarks.execution.extracting import Lazy, extract_category, finish, noted
from benchmarks.execution.workers.tasks import Done, Evaluate, Extract, Setting, Task, WantedPool
from benchmarks.features import Extractor, Split
from benchmarks.features.arrays import join
from benchmarks.features.cache import default_folder
from benchmarks.features.extraction import Arrays
from benchmarks.processes import cores
from benchmarks.results.journal import Extraction
from methods.lazy import torch

MemberLevels = Sequence[Mapping[int, np.ndarray[Any, Any]]]
"""Features of some images: of each member of an ensemble level → array (n, C, H, W)."""


def create_worker(wanted: WantedPool, on_node: int, on_device: int) -> Worker:
    """Return the worker of this process, with its share of the machine's cores and memory.

    Args:
        wanted: what the command line says of workers.
        on_node: workers that share this machine's cores.
        on_device: workers that share the device's memory.

    Raises:
        BenchmarkError: this machine has no such device.
    """
    device = choose_device(wanted.device)
    torch.set_num_threads(wanted.threads or max(1, cores() // on_node))
    memory = wanted.memory or free_memory(device) // 2
    return Worker(device, memory // on_device, own_cache=wanted.share == "objects")


class Worker:
    """Performs tasks.

    Backbones are kept for the next task of the same plan; features, and artefacts that methods
    share, for the next task of the same category.

    Args:
        device: "cpu", "cuda" or "cuda:N".
        memory: bytes on it for caches and blocks; changes no result.
        own_cache: whether features are kept in this machine's default folder, not in the plan's.
    """

    def __init__(self, device: str, memory: int, *, own_cache: bool = False) -> None:
        self._device, self._memory, self._own = device, memory, own_cache
        self._setting: Setting | None = None
        self._extractors: Sequence[Extractor] = ()
        self._data: tuple[str, Lazy[CategoryData]] | None = None
        self._extractions: list[Extraction] = []
        self._warnings: list[str] = []

    def perform(self, task: Task) -> Done:
        """Do a task; where features can't be extracted, its cells fail."""
        return self.evaluate(task) if isinstance(task, Evaluate) else self.extract(task)[0]

    def extract(self, task: Extract) -> tuple[Done, list[Arrays]]:
        """Extract features into the cache; return each member's, too, none on failure."""
        self._begin(task.setting)
        members, failure = list[Arrays](), None
        try:
            for extractor in self._extractors:
                with noted(extractor, task.category, len(task.rows), self._extractions.append):
                    arrays = extractor.part(task.category, task.split, task.rows, lambda _: None)
                members.append(arrays)
        except Exception as error:  # noqa: BLE001 it becomes the failure of the category's cells
            members, failure = [], failure_of(error)
        return Done((), tuple(self._extractions), self._gather_warnings(), failure), members

    def evaluate(self, task: Evaluate, shards: Sequence[MemberLevels] = ()) -> Done:
        """Evaluate cells.

        Args:
            task: which.
            shards: features that the tasks of `task.needs` have extracted; without them features
                are read from the cache, and extracted where it lacks them.
        """
        self._begin(task.setting)
        data = self._category(task, shards)
        evaluated = tuple(evaluate(job, data) for job in task.jobs)
        if any(outcome.cell.status == "failed" for outcome in evaluated):
            self._data = None  # the next task tries again
        # Features that came from the cache were counted by the task that extracted them.
        passed = tuple(extraction for extraction in self._extractions if extraction.passed)
        return Done(evaluated, passed, self._gather_warnings())

    def _begin(self, setting: Setting) -> None:
        self._extractions.clear()
        self._warnings.clear()
        if setting == self._setting:
            return
        settings = replace(setting.cache, folder=default_folder()) if self._own else setting.cache
        cache, decoders = settings.open(self._warnings.append), torch.get_num_threads()
        self._setting, self._data = setting, None
        self._extractors = setting.plan.extractors(cache, self._device, self._memory, decoders)

    def _category(
        self, task: Evaluate, shards: Sequence[MemberLevels]
    ) -> Callable[[], CategoryData]:
        if self._data is None or self._data[0] != task.category.fingerprint:
            self._data = None  # its memory makes room for the next
            self._data = (task.category.fingerprint, Lazy(partial(self._load, task, shards)))
        return self._data[1]

    def _load(self, task: Evaluate, shards: Sequence[MemberLevels]) -> CategoryData:
        protocol = task.setting.plan.protocol
        truth = GroundTruth(task.category, protocol, self._extractors[0].crops)
        if shards:
            members = join_shards(task.needs, shards)
        else:
            note = self._extractions.append
            members = extract_category(self._extractors, task.category, lambda *_: None, note)
        return CategoryData(truth, members, self._device, self._memory)

    def _gather_warnings(self) -> tuple[str, ...]:
        """Wait for the disk; return the warnings, with those of what it could not take."""
        finish(self._extractors, self._warnings.append)
        return tuple(self._warnings)


def join_shards(
    needs: Sequence[Extract], shards: Sequence[MemberLevels]
) -> list[dict[Split, Arrays]]:
    """Return each member's features of a whole category.

    Args:
        needs: the tasks that extracted them.
        shards: what each of these has extracted.
    """
    pairs = sorted(zip(needs, shards, strict=True), key=lambda pair: pair[0].rows.start)
    return [
        {
            split: {
                level: join([part[member][level] for task, part in pairs if task.split == split])
                for level in needs[0].setting.plan.levels
            }
            for split in get_args(Split)
        }
        for member in range(len(shards[0]))
    ]
