"""The tasks of workers, their results, and the interface of a pool of workers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

from benchmarks.datasets import Category
from benchmarks.evaluation.job import Evaluated, Failure, Job
from benchmarks.execution.plan import Plan
from benchmarks.execution.scheduling import Takes
from benchmarks.features import CacheSettings
from benchmarks.features.crops import Part
from benchmarks.results.journal import Extraction

AHEAD = 2
"""Tasks of each kind that a worker with a GPU takes at a time: the second is at the device while
the first is written or measured."""

Share = Literal["folder", "objects"]
"""Where workers read features: the cache's folder, which all see, or Ray's object store."""


@dataclass(frozen=True)
class Setting:
    """What all tasks of a plan share.

    Attributes:
        plan: protocol, backbones and levels; without its categories and cells.
        cache: where features are kept.
    """

    plan: Plan
    cache: CacheSettings


@dataclass(frozen=True, eq=False)
class Extract:
    """Features of some of a category's images are to be extracted; `seconds` by forecast."""

    jobs: ClassVar[tuple[Job, ...]] = ()

    setting: Setting
    part: Part
    seconds: float

    @property
    def category(self) -> Category:
        """The category."""
        return self.part.category


@dataclass(frozen=True, eq=False)
class Evaluate:
    """Some jobs of one category are to be evaluated; `seconds` by forecast.

    `needs` are the tasks that extract the features of all of its images.
    """

    setting: Setting
    category: Category
    jobs: tuple[Job, ...]
    needs: tuple[Extract, ...]
    seconds: float


Task = Extract | Evaluate


@dataclass(frozen=True)
class Done:
    """The result of a task.

    Attributes:
        batches: how many images passed each member together, where features were extracted.
        evaluated: cells in the order of the jobs.
        extractions: what extracting features took.
        warnings: lines for the user.
        failure: why features couldn't be extracted, else None.
    """

    evaluated: tuple[Evaluated, ...] = ()
    extractions: tuple[Extraction, ...] = ()
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None
    batches: tuple[int, ...] = ()


@dataclass(frozen=True)
class IdleWorker:
    """A worker that can take a task: its number, its place, the node of a cluster, and which."""

    number: int
    place: str
    takes: Takes = "both"


def idle_workers(
    members: Iterable[tuple[int, str, Collection[Task]]], *, overlapping: bool
) -> list[IdleWorker]:
    """Return the workers that can take one more task, those with the fewest before the others.

    Args:
        members: each worker's number, place and tasks.
        overlapping: whether a worker takes `AHEAD` tasks of each kind, else one of either.
    """
    kinds: dict[Takes, Any] = {"both": Task}
    if overlapping:
        kinds = {"cells": Evaluate, "images": Extract}
    room = AHEAD if overlapping else 1
    free = [
        (held, IdleWorker(number, place, takes))
        for number, place, tasks in members
        for takes, kind in kinds.items()
        for held in range(sum(isinstance(task, kind) for task in tasks), room)
    ]
    return [worker for _, worker in sorted(free, key=lambda pair: pair[0])]


class Pool(Protocol):
    """Workers that perform tasks."""

    workers: int
    device: str
    """Theirs: "cpu", "cuda" or "cuda:N", as each of them names it."""
    card: str
    """Their GPUs' name; empty for a CPU, and where it isn't known."""

    def idle(self, *, alone: bool) -> Sequence[IdleWorker]:
        """Return the workers that can take a task; where it is to be `alone`, those without one.

        One that can take several is named as often, once it has been given the first.
        """

    def start(self, worker: IdleWorker, task: Task) -> None:
        """Have a worker begin a task."""

    def finished(self) -> Iterator[tuple[IdleWorker, Task, Done | None]]:
        """Wait until some tasks have ended, and yield them; None where the worker was lost."""

    def lost_places(self) -> Sequence[str]:
        """Return the nodes that were lost since the last call, with the features stored there."""
        return ()

    def close(self) -> None:
        """End the workers, busy or not."""


@dataclass(frozen=True)
class WantedPool:
    """What the command line says of workers.

    Attributes:
        jobs: processes side by side.
        device: "auto", "cpu", "cuda" or "cuda:N".
        patience: seconds without a finished task after which workers are killed as hanging.
        address: of a running cluster, None for none.
        threads: of each worker's processor; None for its share of the cores where it is.
        memory: bytes on a device for caches and blocks, which change no result; None for half of
            what is free where the worker is. Workers on one device share them.
        share: how features get from workers that extract to workers that evaluate.
    """

    jobs: int
    device: str
    patience: float
    address: str | None = None
    threads: int | None = None
    memory: int | None = None
    share: Share = "folder"
