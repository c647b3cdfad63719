"""One worker: performs tasks in turn, and keeps backbones and features for the next one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from benchmarks.evaluation.category import CategoryData, GroundTruth
from benchmarks.evaluation.device import choose_device, free_memory
from benchmarks.evaluation.evaluating import failure_of, predict
from benchmarks.evaluation.job import Evaluated, Job
from benchmarks.execution.extracting import MEASURED_TOGETHER, Lazy, extract_category, finish, noted
from benchmarks.execution.workers.tasks import Done, Evaluate, Extract, Setting, Task, WantedPool
from benchmarks.features import Extractor, Split
from benchmarks.features.arrays import join
from benchmarks.features.uploading import Arrays
from benchmarks.features.waiting import WaitingMemory, usual_bound
from benchmarks.places import default_folder
from benchmarks.processes import cores
from benchmarks.results.journal import Extraction
from methods.lazy import torch

T = TypeVar("T")

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
    memory = (wanted.memory or free_memory(device) // 2) // on_device
    return Worker(device, memory, own_cache=wanted.share == "objects", waiting=usual_bound(on_node))


@dataclass
class _Lane:
    """Tasks of one kind: one at a time is at the device, by extractors of their own.

    Attributes:
        memory: bytes on the device for what it extracts.
        device: held by the task that is at the device.
        setting: of the extractors.
        extractors: of the members of an ensemble, mostly one.
    """

    memory: int = 0
    device: threading.Lock = field(default_factory=threading.Lock)
    setting: Setting | None = None
    extractors: Sequence[Extractor] = ()


class Worker:
    """Performs tasks, on a GPU several at a time.

    Then one extracts while cells of another are evaluated; the next of each kind is at the device
    while the former waits for the disk, or is measured.

    Backbones are kept for the next task of the same plan; features, and artefacts that methods
    share, for the next task of the same category.

    Args:
        device: "cpu", "cuda" or "cuda:N".
        memory: bytes on it for caches and blocks; changes no result.
        own_cache: whether features are kept in this machine's default folder, not in the plan's.
        waiting: bytes that may wait for the disk; None for what this machine's memory allows.
    """

    def __init__(
        self, device: str, memory: int, *, own_cache: bool = False, waiting: int | None = None
    ) -> None:
        self._device, self._memory, self._own = device, memory, own_cache
        self._waiting = WaitingMemory(waiting or usual_bound())
        self._images, self._cells = _Lane(), _Lane(memory)  # images go to the disk
        self._extractions, self._warnings = deque[Extraction](), deque[str]()
        self._data: tuple[str, Lazy[CategoryData]] | None = None
        self._measuring = ThreadPoolExecutor(MEASURED_TOGETHER)
        self._together = MEASURED_TOGETHER if device != "cpu" else 0

    def perform(self, task: Task, shards: Sequence[MemberLevels] = ()) -> Done:
        """Do a task; where features can't be extracted, its cells fail."""
        return self.evaluate(task, shards) if isinstance(task, Evaluate) else self.extract(task)[0]

    def extract(self, task: Extract) -> tuple[Done, list[Arrays]]:
        """Extract features into the cache; return each member's, too, none on failure."""
        lane, readers, batches = self._images, list[Callable[[], Arrays]](), tuple[int, ...]()
        members, failure, images = list[Arrays](), None, len(task.part.rows)
        try:
            with lane.device:
                self._begin(lane, task.setting)
                for extractor in lane.extractors:
                    with noted(extractor, task.category, images, self._extractions.append):
                        readers.append(extractor.part(task.part, lambda _: None))
                batches = tuple(extractor.batch for extractor in lane.extractors)
            members = [read() for read in readers]
        except Exception as error:  # noqa: BLE001 it becomes the failure of the category's cells
            failure = failure_of(error)
        return self._end(lane, Done(failure=failure, batches=batches)), members

    def evaluate(self, task: Evaluate, shards: Sequence[MemberLevels]) -> Done:
        """Evaluate cells.

        Args:
            task: which.
            shards: features that the tasks of `task.needs` have extracted; without them features
                are read from the cache, and extracted where it lacks them.
        """
        lane = self._cells
        with lane.device:
            self._begin(lane, task.setting)
            measured = self._predict(task.jobs, self._category(task, shards))
        evaluated = tuple(outcome.result() for outcome in measured)
        if any(outcome.cell.status == "failed" for outcome in evaluated):
            self._data = None  # the next task tries again
        return self._end(lane, Done(evaluated))

    def _predict(
        self, jobs: Sequence[Job], data: Callable[[], CategoryData]
    ) -> list[Future[Evaluated]]:
        """Return the cells to come; on a GPU one is measured beside the next."""
        measured = list[Future[Evaluated]]()
        for job in jobs:
            measured.append(self._measuring.submit(predict(job, data, _pass_over), _pass_over))
            if len(measured) > self._together:
                measured[~self._together].result()
        return measured

    def _begin(self, lane: _Lane, setting: Setting) -> None:
        if setting == lane.setting:
            return
        settings = replace(setting.cache, folder=default_folder()) if self._own else setting.cache
        cache = settings.open(self._warnings.append, self._waiting)
        decoders = torch.get_num_threads()
        lane.setting, self._data = setting, None
        lane.extractors = setting.plan.extractors(cache, self._device, lane.memory, decoders)

    def _end(self, lane: _Lane, done: Done) -> Done:
        """Wait for the disk; return a result with what has been noted by any task until now."""
        finish(lane.extractors, self._warnings.append)
        return replace(done, extractions=_drain(self._extractions), warnings=_drain(self._warnings))

    def _note_passed(self, extraction: Extraction) -> None:
        """Note an extraction, but not where the task that made the features has noted it."""
        if extraction.passed:
            self._extractions.append(extraction)

    def _category(
        self, task: Evaluate, shards: Sequence[MemberLevels]
    ) -> Callable[[], CategoryData]:
        data = self._data
        if data is None or data[0] != task.category.fingerprint:
            self._data = None  # its memory makes room for the next
            data = task.category.fingerprint, Lazy(partial(self._load, task, shards))
            self._data = data
        return data[1]

    def _load(self, task: Evaluate, shards: Sequence[MemberLevels]) -> CategoryData:
        extractors, protocol = self._cells.extractors, task.setting.plan.protocol
        truth = GroundTruth(task.category, protocol, extractors[0].crops)
        if shards:
            members = join_shards(task.needs, shards)
        else:
            members = extract_category(extractors, task.category, _pass_over, self._note_passed)
        return CategoryData(truth, members, self._device, self._memory)


def _pass_over(*_: object) -> None:
    """Show no stage, nor what has passed: the parent knows none."""


def _drain(values: deque[T]) -> tuple[T, ...]:
    """Return and remove what a queue holds, to which another thread may be adding."""
    return tuple(values.popleft() for _ in range(len(values)))


def join_shards(
    needs: Sequence[Extract], shards: Sequence[MemberLevels]
) -> list[dict[Split, Arrays]]:
    """Return each member's features of a whole category.

    Args:
        needs: the tasks that extracted them.
        shards: what each of these has extracted.
    """
    parts = [task.part for task in needs]
    pairs = sorted(zip(parts, shards, strict=True), key=lambda pair: pair[0].rows.start)
    return [
        {
            split: {
                level: join([shard[member][level] for part, shard in pairs if part.split == split])
                for level in shards[0][member]
            }
            for split in dict.fromkeys(part.split for part in parts)
        }
        for member in range(len(shards[0]))
    ]
