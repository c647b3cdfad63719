"""A Ray cluster of three nodes gives the local numbers, though one is lost, and tracebacks."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.evaluation.job import Evaluated
from benchmarks.execution.recorder import Recorder
from benchmarks.execution.scheduling import Scheduler
from benchmarks.execution.workers.ray_cluster import RayCluster
from benchmarks.execution.workers.tasks import IdleWorker
from benchmarks.results import Store, journal
from benchmarks.run import __main__ as run
from tests.helpers.data_sets import write_category
from tests.survival import METHODS, numbers

pytest.importorskip("ray")
pytestmark = pytest.mark.usefixtures("no_figures")

CATEGORIES = ("cup", "jug", "plate")
NODES, SEEDS = 3, 8
CELLS = len(CATEGORIES) * SEEDS * len(METHODS.split(","))
IMAGES = len(CATEGORIES) * (70 + 3 + 4)
SHARED = [
    *("--data", "data", "--backbone", "filterbank", "--image-size", "48", "--methods", METHODS),
    *("--seeds", ",".join(map(str, range(SEEDS))), "--threads", "1"),
]


@pytest.fixture
def cluster(folder: Path) -> Iterator[Any]:
    """Three nodes of one processor, each with a cache folder of its own."""
    from ray.cluster_utils import Cluster

    handler = signal.getsignal(signal.SIGTERM)  # which Ray's cluster takes for itself
    nodes = Cluster(initialize_head=True, head_node_args=node(folder, 0))
    for number in (1, 2):
        nodes.add_node(**node(folder, number))
    yield nodes
    nodes.shutdown()
    signal.signal(signal.SIGTERM, handler)


def node(folder: Path, number: int) -> dict[str, Any]:
    return {"num_cpus": 1, "env_vars": {"TOTAL_RECALL_CACHE": str(folder / f"node-{number}")}}


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often each cell is stored."""
    counts, take = Counter[str](), Recorder.take

    def counted(self: Recorder, evaluated: Evaluated) -> None:
        take(self, evaluated)
        counts[evaluated.cell.key] += 1

    monkeypatch.setattr(Recorder, "take", counted)
    return counts


def wait_for_all_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hand out nothing before a worker of each node waits: then each extracts some images."""
    idle, seen = RayCluster.idle, set[str]()

    def of_all_nodes(self: RayCluster, *, alone: bool) -> Sequence[IdleWorker]:
        workers = idle(self, alone=alone)
        seen.update(worker.place for worker in workers)
        return workers if len(seen) == NODES else []

    monkeypatch.setattr(RayCluster, "idle", of_all_nodes)


def remove_midway(cluster: Any, stored: Counter[str], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Take a node away once a tenth of the cells is there, and go on when Ray has noticed.

    Nothing is handed out meanwhile, so that most of the cells are left for two nodes.

    Returns:
        How many cells were stored then; empty until it has happened.
    """
    import ray

    seen, take = list[int](), Recorder.take

    def taken(self: Recorder, evaluated: Evaluated) -> None:
        take(self, evaluated)
        if sum(stored.values()) >= CELLS // 10 and not seen:
            seen.append(sum(stored.values()))
            cluster.remove_node(min(cluster.worker_nodes, key=id), allow_graceful=False)
            until = time.monotonic() + 120
            while sum(node["Alive"] for node in ray.nodes()) == NODES:
                assert time.monotonic() < until, "Ray doesn't notice that the node is gone"
                time.sleep(0.1)

    monkeypatch.setattr(Recorder, "take", taken)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("share", ["folder", "objects"])
def test_a_lost_node_costs_no_result_and_changes_no_number(
    cluster: Any,
    stored: Counter[str],
    share: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in CATEGORIES:
        write_category(Path("data") / name, train=70)
    assert run.main([*SHARED, "--out", "alone", "--cache", "alone-cache"]) == 0
    stored.clear()
    forgotten: list[str] = []
    forget = Scheduler.forget
    monkeypatch.setattr(
        Scheduler, "forget", lambda self, place: forgotten.append(place) or forget(self, place)
    )
    wait_for_all_nodes(monkeypatch)
    seen = remove_midway(cluster, stored, monkeypatch)
    many = ["--out", "many", "--cache", "shared", "--executor", "ray", "--share", share]
    assert run.main([*SHARED, *many, "--ray-address", cluster.address]) == 0
    assert seen == [CELLS // 10]
    assert numbers(Path("many")) == numbers(Path("alone"))
    assert len(stored) == CELLS
    assert set(stored.values()) == {1}
    (call,) = journal.read(Path("many"))
    passed = sum(one.passed for one in call.extractions)
    features = {path.parts[0] for path in Path().glob("*/features/*.npy")} - {"alone-cache"}
    if share == "folder":
        assert passed == IMAGES
        assert features == {"shared"}
        assert not forgotten
    else:
        assert len(forgotten) == 1
        assert passed >= IMAGES
        assert features == {"node-0", "node-1", "node-2"}
    assert call.failed == 0


def test_objects_are_rays_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_category(Path("data/cup"))
    assert run.main([*SHARED, "--out", "many", "--share", "objects", "--jobs", "2"]) == 2
    assert "--share objects is of Ray's object store: add --executor ray" in capsys.readouterr().err


@pytest.mark.slow
def test_a_cluster_of_this_machine_that_someone_else_started_is_left_alone(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_category(Path("data/cup"))
    methods = "padim-full,padim[epsilon=1e-30]"  # which is too small for any image
    many = ["--methods", methods, "--seeds", "0", "--executor", "ray", "--jobs", "2"]
    started = init_of(monkeypatch)
    assert run.main([*SHARED, "--out", "many", *many]) == 1
    assert started
    assert cluster.address not in started
    cells = {cell.status: cell for cell in Store(Path("many")).cells()}
    assert cells["ok"].log is None
    assert "methods/padim.py" in (Path("many") / str(cells["failed"].log)).read_text()


def init_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the addresses of the clusters that are connected to or started from now on."""
    import ray

    found, init = list[str](), ray.init

    def taken(*arguments: Any, **options: Any) -> Any:
        context = init(*arguments, **options)
        found.append(context.address_info["address"])
        return context

    monkeypatch.setattr(ray, "init", taken)
    return found
