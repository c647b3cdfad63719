"""Workers of a Ray cluster: one actor for as many processors as a worker has threads."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from benchmarks.console import say
from benchmarks.errors import BenchmarkError
from benchmarks.evaluation.device import check_device_name
from benchmarks.execution.workers import joining
from benchmarks.execution.workers.tasks import (
    AHEAD,
    Done,
    Evaluate,
    Extract,
    IdleWorker,
    Pool,
    Task,
    WantedPool,
    idle_workers,
)
from benchmarks.execution.workers.worker import MemberLevels, create_worker
from methods.lazy import Tensor, torch

STILLBORN = 10
"""Workers in a row that may end before their first task, as on a node that was just lost."""

NOTICED = 120.0
"""Seconds after a failure within which Ray notices that a node is lost."""


def start(wanted: WantedPool) -> RayCluster:
    """Return the cluster.

    Raises:
        BenchmarkError: Ray can't be had, or a single GPU was named, which Ray hands out itself.
    """
    check_device_name(wanted.device)
    if ":" in wanted.device:
        raise BenchmarkError(
            f"--device {wanted.device}: Ray hands out the GPUs; take --device cuda"
        )
    return RayCluster(wanted)


class Actor:
    """A worker, in a process that Ray has started.

    Args:
        wanted: what the command line says of workers.
        needs: resource → how much of it one worker takes.
    """

    def __init__(self, wanted: WantedPool, needs: dict[str, float]) -> None:
        import ray

        self._node: str = ray.get_runtime_context().get_node_id()
        nodes: Any = ray.nodes()  # type: ignore[no-untyped-call]
        has = next(node["Resources"] for node in nodes if node["NodeID"] == self._node)
        on_node = workers_that_fit(has, needs)
        self._worker = create_worker(wanted, on_node, 1 if "GPU" in needs else on_node)

    def node(self) -> str:
        """Return the node that this worker is on."""
        return self._node

    def perform(self, task: Task, *shards: MemberLevels) -> Done:
        """Do a task; `shards` are the features that it needs, from the object store."""
        return self._worker.perform(task, shards)

    def extract(self, task: Extract) -> tuple[Done, MemberLevels]:
        """Extract features, and leave them in the object store, which spills to disk."""
        done, members = self._worker.extract(task)
        return done, [
            {level: _array(features) for level, features in levels.items()} for levels in members
        ]


def _array(features: Tensor | np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(features.cpu() if isinstance(features, torch.Tensor) else features)


def workers_that_fit(has: dict[str, float], needs: dict[str, float]) -> int:
    """Return how many workers a node, or a cluster, has the resources for."""
    return max(1, int(min(has.get(name, 0) // count for name, count in needs.items())))


def _choose_device(named: str, has: dict[str, float]) -> str:
    """Return "cpu" or "cuda" for a name that may be auto, of which a line says what it means."""
    if named != "auto":
        return named
    gpus = int(has.get("GPU", 0))
    device = "cuda" if gpus else "cpu"
    say(f"--device auto: workers compute on {device}, as the cluster has {gpus or 'no'} GPUs")
    return device


@dataclass
class _Member:
    """An actor, its node (empty until it has answered), and what it was asked.

    `asked` holds each answer to come and its task; None for where it is.
    """

    actor: Any
    asked: dict[Any, Task | None]
    node: str = ""

    @property
    def tasks(self) -> list[Task]:
        """Those that it has."""
        return [task for task in self.asked.values() if task is not None]


class RayCluster(Pool):
    """A Ray cluster: one that runs already, or one of this machine for as long as this runs.

    One actor more than the cluster has resources for is always requested: it tells an autoscaler
    to add a node, and starts first where a node is added or replaced.

    Args:
        wanted: the address of a running cluster, as `ray.init` takes it, else how many workers
            the one that is started here has; and how long a task may take.

    Raises:
        BenchmarkError: Ray is not installed, or there is no cluster at the address.
    """

    def __init__(self, wanted: WantedPool) -> None:
        try:
            import ray
        except ImportError:
            raise BenchmarkError(
                "--executor ray: Ray is not installed; pip install -c constraints.txt -e '.[ray]'"
            ) from None
        joining.join(ray, wanted)
        self._ray: Any = ray
        self._watch = joining.Watch(ray)
        self.device, self.card = _choose_device(wanted.device, self._has()), ""
        self._wanted = replace(wanted, device=self.device)
        needs, together = {"CPU": float(wanted.threads or 1)}, 1
        if self.device == "cuda":
            needs, together = needs | {"GPU": 1.0}, 2 * AHEAD
        self._needs = needs
        resources = {"num_cpus": needs["CPU"], "num_gpus": needs.get("GPU", 0)}
        self._actor = self._ray.remote(**resources, max_concurrency=together)(Actor)
        self._members: dict[int, _Member] = {}
        self._shards: WeakKeyDictionary[Extract, Any] = WeakKeyDictionary()
        self._batches: WeakKeyDictionary[Extract, tuple[int, ...]] = WeakKeyDictionary()
        self._places: set[str] = set()
        self._numbers, self._stillborn, self._suspicious_until = itertools.count(), 0, 0.0
        self.workers = self._room()

    def idle(self, *, alone: bool) -> Sequence[IdleWorker]:
        """Return the workers that can take a task; have actors started for what the cluster has."""
        while len(self._members) <= self._room():
            actor = self._actor.remote(self._wanted, self._needs)
            self._members[next(self._numbers)] = _Member(actor, {actor.node.remote(): None})
        known = [(n, member.node, member.tasks) for n, member in self._members.items()]
        members = [member for member in known if member[1]]
        return idle_workers(members, overlapping=self.device != "cpu" and not alone)

    def start(self, worker: IdleWorker, task: Task) -> None:
        """Have a worker begin a task."""
        member = self._members[worker.number]
        if self._wanted.share == "objects" and isinstance(task, Extract):
            extract = member.actor.extract.options(num_returns=2)
            answer, self._shards[task] = extract.remote(task)
        else:
            answer = member.actor.perform.remote(task, *self._shards_for(task))
        member.asked[answer] = task

    def _shards_for(self, task: Task) -> Sequence[Any]:
        """Return the features that a task needs in the object store; none to be extracted again."""
        if self._wanted.share == "folder" or not isinstance(task, Evaluate):
            return ()
        if len({self._batches[extraction] for extraction in task.needs}) > 1:
            return ()  # features of several batches aren't mixed
        return [self._shards[extraction] for extraction in task.needs]

    def finished(self) -> Iterator[tuple[IdleWorker, Task, Done | None]]:
        """Wait until some tasks have ended, and yield them; None where the worker was lost.

        Raises:
            BenchmarkError: workers end before they begin, or this machine has lost the cluster.
        """
        awaited = {answer: n for n, member in self._members.items() for answer in member.asked}
        answers: list[Any] = []
        end = time.monotonic() + self._wanted.patience
        while not answers and (left := end - time.monotonic()) > 0:
            answers, _ = self._ray.wait(list(awaited), timeout=min(left, joining.PULSE))
            self._watch.check()
            if not any(member.node for member in self._members.values()):
                self._watch.say_waiting(self._needs)
        if not answers:
            for member in self._members.values():
                if member.tasks:
                    self._ray.kill(member.actor)
        for answer in answers:
            yield from self._take_answer(answer, awaited[answer])

    def lost_places(self) -> Sequence[str]:
        """Return the nodes that were lost since the last call, with features stored only there."""
        if time.monotonic() > self._suspicious_until:
            return ()
        lost = self._places - {node["NodeID"] for node in self._ray.nodes() if node["Alive"]}
        self._places -= lost
        self._members = {
            number: member
            for number, member in self._members.items()
            if member.tasks or member.node not in lost
        }
        return sorted(lost) if self._wanted.share == "objects" else ()

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        self._watch.leave()

    def _take_answer(
        self, answer: Any, number: int
    ) -> Iterator[tuple[IdleWorker, Task, Done | None]]:
        """Take a worker's answer: where it is, or what it has done."""
        member = self._members[number]
        task = member.asked.pop(answer)
        came = self._answer(answer, number, begun=task is not None)
        worker = IdleWorker(number, member.node)
        if isinstance(task, Extract) and came is not None:
            self._batches[task] = came.batches
        if task is not None:
            yield worker, task, came
        elif came is not None:
            member.node, self._stillborn = came, 0
            self._places.add(came)
        if number not in self._members:
            yield from ((worker, other, None) for other in member.tasks)

    def _answer(self, answer: Any, number: int, *, begun: bool) -> Any:
        """Return what a worker answers, None where it, or what it needs, was lost."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(answer)
        except errors.RayActorError as error:
            self._drop(number)
            self._stillborn += not begun
            if self._stillborn > STILLBORN:
                reason = str(error).strip().splitlines()[-1]
                raise BenchmarkError(f"--executor ray: no worker starts ({reason})") from error
        except errors.RayTaskError as error:
            if not isinstance(error.cause, errors.RayError):
                raise error.cause from error
        except errors.RayError:  # as where the node is gone that had what it needs
            pass
        self._suspicious_until = time.monotonic() + NOTICED
        return None

    def _drop(self, lost: int) -> None:
        """Let a lost worker go, and the idle ones beside it.

        Their node may be lost, which Ray takes time to notice; they would lose task after task.
        """
        node = self._members.pop(lost).node
        for number, member in [*self._members.items()]:
            if node == member.node != "" and not member.tasks:
                self._ray.kill(self._members.pop(number).actor)

    def _room(self) -> int:
        return workers_that_fit(self._has(), self._needs)

    def _has(self) -> dict[str, float]:
        resources: dict[str, float] = self._ray.cluster_resources()
        return resources
