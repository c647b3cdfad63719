"""One worker: performs tasks in turn, and keeps backbones and features for the next one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar, get_args

import numpy as np

from benchmarks.evaluation.category import CategoryData, GroundTruth
from benchmarks.evaluation.device import choose_device, free_memory
from benchmarks.evaluation.evaluating import failure_of, predict
from benchmarks.evaluation.job import Evaluated, Job
from benchmarks.execution.extracting import Lazy, extract_category, finish, noted
from benchmarks.execution.workers.tasks import Done, Evaluate, Extract, Setting, Task, WantedPool
from benchmarks.features import Extractor, Split
from benchmarks.features.arrays import join
from benchmarks.features.cache import default_folder
from benchmarks.features.uploading import Arrays
from benchmarks.features.waiting import usual_bound
from benchmarks.processes import cores
from benchmarks.results.journal import Extraction
from methods.lazy import torch

T = TypeVar("T")

MEASURED_TOGETHER = 4
"""Cells that are measured beside the device's work at most; each holds its maps."""

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
    waiting = usual_bound(2 * on_node)  # a cache a lane
    by_objects = wanted.share == "objects"
    return Worker(device, memory // on_device, own_cache=by_objects, waiting=waiting)


@dataclass
class _Lane:
    """Tasks of one kind: one at a time is at the device, by extractors of their own.

    Attributes:
        device: held by the task that is at the device.
        setting: of the extractors.
        extractors: of the members of an ensemble, mostly one.
        extractions: what extracting features took, until a task takes it along.
        warnings: likewise.
    """

    device: threading.Lock = field(default_factory=threading.Lock)
    setting: Setting | None = None
    extractors: Sequence[Extractor] = ()
    extractions: deque[Extraction] = field(default_factory=deque)
    warnings: deque[str] = field(default_factory=deque)


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
        waiting: bytes that may wait for the disk; 0 for what this machine's memory allows.
    """

    def __init__(
        self, device: str, memory: int, *, own_cache: bool = False, waiting: int = 0
    ) -> None:
        self._device, self._memory, self._own = device, memory, own_cache
        self._waiting = waiting
        self._images, self._cells = _Lane(), _Lane()
        self._data: tuple[str, Lazy[CategoryData]] | None = None
        self._measuring = ThreadPoolExecutor(MEASURED_TOGETHER) if device != "cpu" else None

    def perform(self, task: Task) -> Done:
        """Do a task; where features can't be extracted, its cells fail."""
        return self.evaluate(task) if isinstance(task, Evaluate) else self.extract(task)[0]

    def extract(self, task: Extract) -> tuple[Done, list[Arrays]]:
        """Extract features into the cache; return each member's, too, none on failure."""
        lane, readers, batches = self._images, list[Callable[[], Arrays]](), tuple[int, ...]()
        members, failure = list[Arrays](), None
        try:
            with lane.device:
                self._begin(lane, task.setting)
                for extractor in lane.extractors:
                    with noted(extractor, task.category, len(task.rows), lane.extractions.append):
                        part = task.category, task.split, task.rows
                        readers.append(extractor.part(*part, lambda _: None))
                batches = tuple(extractor.batch for extractor in lane.extractors)
            members = [read() for read in readers]
        except Exception as error:  # noqa: BLE001 it becomes the failure of the category's cells
            members, failure = [], failure_of(error)
        done = Done((), _drain(lane.extractions), self._gather_warnings(lane), failure, batches)
        return done, members

    def evaluate(self, task: Evaluate, shards: Sequence[MemberLevels] = ()) -> Done:
        """Evaluate cells.

        Args:
            task: which.
            shards: features that the tasks of `task.needs` have extracted; without them features
                are read from the cache, and extracted where it lacks them.
        """
        lane = self._cells
        with lane.device:
            self._begin(lane, task.setting)
            outcomes = list(self._predict(task.jobs, self._category(task, shards)))
        evaluated = tuple(outcome() for outcome in outcomes)
        if any(outcome.cell.status == "failed" for outcome in evaluated):
            self._data = None  # the next task tries again
        # Features that came from the cache were counted by the task that extracted them.
        passed = tuple(taken for taken in _drain(lane.extractions) if taken.passed)
        return Done(evaluated, passed, self._gather_warnings(lane))

    def _predict(
        self, jobs: Sequence[Job], data: Callable[[], CategoryData]
    ) -> Iterator[Callable[[], Evaluated]]:
        """Yield what waits for a cell and returns it; on a GPU it is measured beside the next."""
        measured = deque[Future[Evaluated]]()
        for job in jobs:
            measure = predict(job, data, _pass_over)
            if self._measuring is None:
                yield partial(_itself, measure(_pass_over))
                continue
            measured.append(self._measuring.submit(measure, _pass_over))
            yield measured[-1].result
            if len(measured) > MEASURED_TOGETHER:  # each holds its maps
                measured.popleft().result()

    def _begin(self, lane: _Lane, setting: Setting) -> None:
        if setting == lane.setting:
            return
        settings = replace(setting.cache, folder=default_folder()) if self._own else setting.cache
        cache = settings.open(lane.warnings.append, self._waiting)
        decoders = torch.get_num_threads()
        memory = self._memory if lane is self._cells else 0  # what it extracts goes to the disk
        lane.setting, self._data = setting, None
        lane.extractors = setting.plan.extractors(cache, self._device, memory, decoders)

    def _category(
        self, task: Evaluate, shards: Sequence[MemberLevels]
    ) -> Callable[[], CategoryData]:
        if self._data is None or self._data[0] != task.category.fingerprint:
            self._data = None  # its memory makes room for the next
            self._data = (task.category.fingerprint, Lazy(partial(self._load, task, shards)))
        return self._data[1]

    def _load(self, task: Evaluate, shards: Sequence[MemberLevels]) -> CategoryData:
        lane, protocol = self._cells, task.setting.plan.protocol
        truth = GroundTruth(task.category, protocol, lane.extractors[0].crops)
        if shards:
            members = join_shards(task.needs, shards)
        else:
            note = lane.extractions.append
            members = extract_category(lane.extractors, task.category, lambda *_: None, note)
        return CategoryData(truth, members, self._device, self._memory)

    def _gather_warnings(self, lane: _Lane) -> tuple[str, ...]:
        """Wait for the disk; return the warnings, with those of what it could not take."""
        finish(lane.extractors, lane.warnings.append)
        return _drain(lane.warnings)


def _pass_over(_: object) -> None:
    """Show no stage: the parent knows none."""


def _itself(outcome: Evaluated) -> Evaluated:
    return outcome


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
