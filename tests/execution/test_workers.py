"""Many workers give what one process gives, whatever becomes of them."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.execution import Machine, run_plan
from benchmarks.execution.scheduling import ATTEMPTS
from benchmarks.execution.workers.tasks import Done, Extract, IdleWorker, Task
from benchmarks.execution.workers.worker import Worker
from benchmarks.features import FeatureCache
from benchmarks.results import Store
from benchmarks.run import __main__ as run
from benchmarks.run import request
from tests.helpers.data_sets import write_dataset
from tests.survival import METHODS, numbers

SHARED = [
    *("--data", "data", "--backbone", "filterbank", "--image-size", "32", "--methods", METHODS),
    *("--threads", "1"),
]
LOST = "a task lost its worker; it is handed out again"


pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture(autouse=True)
def _data(folder: Path) -> None:
    write_dataset(Path("data"), "cup", "plate", "jug")


def kill_a_worker(name: str, blow: signal.Signals = signal.SIGKILL) -> threading.Thread:
    """Hit one descendant of this process at work under `name`, as soon as there is one."""

    def wait_and_kill() -> None:
        until = time.monotonic() + 120
        while time.monotonic() < until:
            for child in psutil.Process().children(recursive=True):
                try:
                    busy = name in " ".join(child.cmdline()) and child.cpu_times().user > 1
                except psutil.Error:
                    continue
                if busy:
                    child.send_signal(blow)
                    return
            time.sleep(0.01)

    thread = threading.Thread(target=wait_and_kill, daemon=True)
    thread.start()
    return thread


@pytest.mark.slow
@pytest.mark.parametrize("executor", [["--jobs", "2"], ["--executor", "ray", "--jobs", "2"]])
def test_workers_give_the_local_numbers_though_one_is_killed(
    executor: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if "ray" in executor:
        pytest.importorskip("ray")
    assert run.main([*SHARED, "--out", "alone"]) == 0
    thread = kill_a_worker("ray::Actor.perform" if "ray" in executor else "multiprocessing.spawn")
    assert run.main([*SHARED, "--out", "many", "--cache", "cache2", *executor]) == 0
    thread.join(1)
    assert not thread.is_alive()
    assert numbers(Path("many")) == numbers(Path("alone"))
    assert len(numbers(Path("many"))) == 9
    assert LOST in capsys.readouterr().err


@pytest.mark.slow
def test_a_worker_that_hangs_is_killed_and_its_work_handed_out_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    thread = kill_a_worker("multiprocessing.spawn", signal.SIGSTOP)
    command = [*SHARED, "--out", "many", "--jobs", "2", "--patience-minutes", "0.4"]
    assert run.main(command) == 0
    thread.join(1)
    assert not thread.is_alive()
    assert len(numbers(Path("many"))) == 9
    assert LOST in capsys.readouterr().err


class Losing:
    """Two workers of this process, of which some are lost over jug's cells first."""

    workers, device, card = 2, "cpu", ""

    def __init__(self, losses: int) -> None:
        self.losses, self.extractions = losses, 0
        self.worker = Worker("cpu", 1 << 30)
        self.tasks: dict[IdleWorker, Task] = {}

    def idle(self, *, alone: bool) -> list[IdleWorker]:
        workers = [IdleWorker(number, str(number)) for number in range(self.workers)]
        return [worker for worker in workers if worker not in self.tasks]

    def start(self, worker: IdleWorker, task: Task) -> None:
        self.tasks[worker] = task
        self.extractions += isinstance(task, Extract)

    def finished(self) -> Iterator[tuple[IdleWorker, Task, Done | None]]:
        worker, task = next(iter(self.tasks.items()))
        del self.tasks[worker]
        if not isinstance(task, Extract) and task.category.name == "jug" and self.losses > 0:
            self.losses -= 1
            yield worker, task, None
        else:
            yield worker, task, self.worker.perform(task)

    def lost_places(self) -> list[str]:
        return []

    def close(self) -> None: ...


def run_with(pool: Losing, methods: str = METHODS, out: str = "many") -> int:
    options = run._parser().parse_args([*SHARED, "--methods", methods, "--out", out])
    plan, store = request.plan_of(options), Store(Path(out))
    cache = FeatureCache(Path("cache"))
    return run_plan(plan, plan.missing(store), store, cache, Machine("cpu", 1 << 30, pool)).passes


def test_features_are_extracted_once_a_category() -> None:
    pool = Losing(0)
    assert run_with(pool) == 3 * 13
    assert pool.extractions == 2 * 3  # training and test images


def test_a_task_whose_workers_are_always_lost_fails_its_cells_alone() -> None:
    run_with(Losing(ATTEMPTS * len(METHODS.split(","))))
    by_category = {(c.spec.category, c.status) for c in Store(Path("many")).cells()}
    assert by_category == {("cup", "ok"), ("plate", "ok"), ("jug", "failed")}
    errors = {c.error for c in Store(Path("many")).cells() if c.status == "failed"}
    assert errors == {"its worker was lost 3 times, as where memory runs out: try fewer --jobs"}


def test_a_broken_image_fails_its_category_only(capsys: pytest.CaptureFixture[str]) -> None:
    options = run._parser().parse_args([*SHARED, "--out", "many"])
    plan, store = request.plan_of(options), Store(Path("many"))
    Path("data/cup/train/good/001.png").write_bytes(b"broken")
    machine = Machine("cpu", 1 << 30, Losing(0))
    run_plan(plan, plan.missing(store), store, FeatureCache(Path("cache")), machine)
    failed = {c.spec.category for c in store.cells() if c.status == "failed"}
    assert failed == {"cup"}
    assert "cup/train/good/001.png" in capsys.readouterr().err


def test_ray_that_is_not_there_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    assert run.main([*SHARED, "--out", "many", "--executor", "ray"]) == 2
    assert "error: --executor ray: Ray is not installed" in capsys.readouterr().err
