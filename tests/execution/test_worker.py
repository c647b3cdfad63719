"""A worker takes its share of the machine that it is on; threads alone may move a last digit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks import processes
from benchmarks.compare.baseline import Baseline, read
from benchmarks.compare.check import compare
from benchmarks.execution.workers import worker
from benchmarks.execution.workers.tasks import WantedPool
from benchmarks.results import Store
from benchmarks.run import __main__ as run
from tests.helpers.data_sets import write_dataset
from tests.helpers.paths import ROOT
from tests.survival import METHODS, numbers

BASELINE = ROOT / "results/baselines/embedded.json"


@pytest.fixture(autouse=True)
def _threads_are_kept() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("asked", "cores", "on_node", "threads"),
    [(None, 64, 32, 2), (None, 64, 1, 64), (None, 2, 4, 1), (3, 64, 32, 3), (None, 7, 2, 3)],
)
def test_threads_are_the_cores_share(
    monkeypatch: pytest.MonkeyPatch, asked: int | None, cores: int, on_node: int, threads: int
) -> None:
    monkeypatch.setattr(worker, "cores", lambda: cores)
    worker.create_worker(WantedPool(on_node, "cpu", 60, threads=asked), on_node, on_node)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(("asked", "each"), [(None, 100), (1000, 250)])
def test_memory_is_measured_where_the_worker_is_and_shared(
    monkeypatch: pytest.MonkeyPatch, asked: int | None, each: int
) -> None:
    monkeypatch.setattr(worker, "free_memory", lambda device: 800)
    settled = worker.create_worker(WantedPool(4, "cpu", 60, memory=asked), 4, 4)
    assert settled._memory == each


@pytest.mark.parametrize(("quota", "most"), [("150000 100000\n", 1), ("max 100000\n", 10**6)])
def test_cores_keep_within_the_control_groups_limit(
    monkeypatch: pytest.MonkeyPatch, quota: str, most: int
) -> None:
    monkeypatch.setattr(processes.os, "sched_getaffinity", lambda process: range(8), raising=False)
    monkeypatch.setattr(Path, "read_text", lambda path: quota)
    assert processes.cores() == min(8, most)


@pytest.mark.usefixtures("folder", "no_figures")
def test_numbers_are_equal_for_equal_threads_and_else_within_the_gates_tolerance() -> None:
    write_dataset(Path("data"), "cup", "plate")
    command = ["--data", "data", "--backbone", "filterbank", "--image-size", "64"]
    for out, threads in (("one", 1), ("two", 2), ("again", 2)):
        arguments = [*command, "--methods", METHODS, "--out", out, "--cache", f"cache-{out}"]
        before = torch.get_num_threads()
        assert run.main([*arguments, "--threads", str(threads)]) == 0
        assert torch.get_num_threads() == before
    assert numbers(Path("two")) == numbers(Path("again"))
    one, two = (tuple(Store(Path(name)).cells()) for name in ("one", "two"))
    rows = compare(Baseline(one, read(BASELINE).tolerances), two)
    assert rows
    assert {row.mark for row in rows} == {"unchanged"}
