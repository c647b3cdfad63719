"""What a Ray cluster refuses, or loses, is one line; features of two batches are never joined."""

from __future__ import annotations

import socket
from typing import Any
from unittest import mock
from weakref import WeakKeyDictionary

import numpy as np
import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.execution.workers import joining, ray_cluster
from benchmarks.execution.workers.tasks import Evaluate, Extract, WantedPool
from benchmarks.execution.workers.worker import join_shards
from benchmarks.features.crops import Part

HEAD = "127.0.0.1:6379"


def test_an_address_where_nothing_answers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = mock.Mock()
    monkeypatch.setattr(joining, "ANSWER", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes connections, and says nothing
        port = mute.getsockname()[1]
        with pytest.raises(BenchmarkError, match="Ray Client's addresses aren't taken; start"):
            joining.join(ray, WantedPool(1, "cpu", 60, f"ray://127.0.0.1:{port}"))
        for address in (f"127.0.0.1:{port}", "127.0.0.1:1", "HEAD"):
            with pytest.raises(BenchmarkError, match=f"no Ray cluster answers at {address}"):
                joining.join(ray, WantedPool(1, "cpu", 60, address))
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
        with pytest.raises(BenchmarkError, match="--ray-address auto: no Ray cluster answers"):
            joining.join(ray, WantedPool(1, "cpu", 60, "auto"))
    ray.init.assert_not_called()


def cluster(*, nodes: list[dict[str, Any]], free: dict[str, float]) -> Any:
    ray = mock.Mock()
    ray.get_runtime_context().get_node_id.return_value = "this"
    ray.get_runtime_context().gcs_address = HEAD
    ray.nodes.return_value = nodes
    ray.cluster_resources.return_value = {"CPU": 4.0}
    ray.available_resources.return_value = free
    return ray


def node(name: str, *, alive: bool = True) -> dict[str, Any]:
    return {"NodeID": name, "Alive": alive, "Resources": {"CPU": 2.0}}


def test_a_lost_cluster_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining.atexit, "register", registered := mock.Mock())
    monkeypatch.setattr(joining, "LOST", 0.0)
    monkeypatch.setattr(joining, "answers", lambda address: False)
    watch = joining.Watch(ray := cluster(nodes=[node("this")], free={}))
    with pytest.raises(BenchmarkError, match=r"its head, .*, answers no more"):
        watch.check()
    watch.leave()
    ray.shutdown.assert_not_called()
    registered.assert_called_once()
    monkeypatch.setattr(joining, "answers", lambda address: True)
    joining.Watch(ray).check()
    with pytest.raises(BenchmarkError, match="it counts this machine as dead"):
        joining.Watch(cluster(nodes=[node("this", alive=False), node("b")], free={})).check()


@pytest.mark.parametrize(
    ("needs", "line"),
    [
        ({"CPU": 2.0}, "a worker needs CPU 2 (0 of 4 are free)\n"),
        ({"CPU": 3.0}, "a worker needs CPU 3 (0 of 4 are free); no machine of the cluster has"),
        ({"CPU": 1.0, "GPU": 1.0}, "CPU 1 (0 of 4 are free) and GPU 1 (0 of 0 are free); no"),
    ],
)
def test_waiting_for_a_full_cluster_is_said_once(
    needs: dict[str, float],
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    watch = joining.Watch(cluster(nodes=[node("this"), node("b")], free={}))
    watch.say_waiting(needs)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(joining, "FULL", 0.0)
    watch.say_waiting(needs)
    watch.say_waiting(needs)
    assert capsys.readouterr().err.count(line) == 1


@pytest.mark.parametrize(("has", "device"), [({"GPU": 4.0}, "cuda"), ({"CPU": 4.0}, "cpu")])
def test_auto_means_the_clusters_devices_and_says_which(
    has: dict[str, float], device: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ray_cluster._choose_device("auto", has) == device
    assert f"--device auto: workers compute on {device}" in capsys.readouterr().err
    assert ray_cluster._choose_device("cuda", {}) == "cuda"


@pytest.mark.parametrize(("second", "given"), [((16,), 2), ((8,), 0)])
def test_features_of_several_batches_are_not_joined(second: tuple[int, ...], given: int) -> None:
    pool = ray_cluster.RayCluster.__new__(ray_cluster.RayCluster)
    pool._wanted = WantedPool(2, "cuda", 60, share="objects")
    member = ray_cluster._Member(mock.Mock(), {}, "node")
    pool._members = {0: member}
    shards = [Extract(mock.Mock(), Part(mock.Mock(), "train", range(16)), 1.0) for _ in range(2)]
    pool._shards = WeakKeyDictionary(zip(shards, ("a", "b"), strict=True))
    pool._batches = WeakKeyDictionary(zip(shards, [(16,), second], strict=True))
    task = Evaluate(mock.Mock(), mock.Mock(), (), tuple(shards), 1.0)
    pool.start(mock.Mock(number=0), task)
    (call,) = member.actor.perform.remote.call_args_list
    assert call.args == (task, "a", "b")[: 1 + given]
    assert member.tasks == [task]


def test_what_workers_extracted_is_joined_in_the_order_of_the_images() -> None:
    setting, category = mock.Mock(), mock.Mock()
    setting.plan.levels = (1, 2)
    named = [("test", 0, 1), ("train", 2, 3), ("train", 0, 2)]
    parts = [Part(category, split, range(*rows)) for split, *rows in named]  # type: ignore[arg-type]
    shards = [
        [{level: np.full((len(part.rows), 1, 1, 1), level + part.rows.start) for level in (1, 2)}]
        for part in parts
    ]
    tasks = [Extract(setting, part, 1.0) for part in parts]
    (member,) = join_shards(tasks, shards)
    assert [int(value) for value in np.asarray(member["train"][2]).flat] == [2, 2, 4]
    assert [int(value) for value in np.asarray(member["test"][1]).flat] == [1]
