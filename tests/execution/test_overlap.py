"""A worker on a GPU extracts, evaluates, measures and writes at a time; its parent needs no GPU."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.backbones.backbone import Backbone
from benchmarks.evaluation import evaluating
from benchmarks.execution.dividing import PlanDurations, divide_work
from benchmarks.execution.plan import images_to_pass
from benchmarks.execution.progress.forecast import Rates
from benchmarks.execution.scheduling import Portion
from benchmarks.execution.workers import processes
from benchmarks.execution.workers.tasks import Evaluate, Extract, IdleWorker, Task, idle_workers
from benchmarks.execution.workers.worker import Worker
from benchmarks.features import FeatureCache, writing
from benchmarks.results import Store, journal
from benchmarks.run import __main__ as run
from benchmarks.run import request
from methods import padim
from methods.testing.pretended import pretended_cuda
from tests.helpers import pretended_worker
from tests.helpers.data_sets import write_dataset

pytestmark = pytest.mark.usefixtures("folder", "no_figures")

COMMAND = [
    *("--data", "data", "--backbone", "filterbank", "--image-size", "32"),
    *("--methods", "padim[dims=7]", "--threads", "1", "--out", "out"),
]
LONG = 120
"""Seconds that a test waits for another thread; it fails afterwards."""


@pytest.fixture
def portions() -> list[Portion[Task]]:
    """Two categories' tasks."""
    write_dataset(Path("data"), "cup", "plate")
    options = run._parser().parse_args(COMMAND)
    plan, cache = request.plan_of(options), FeatureCache(Path("cache"))
    missing = plan.missing(Store(Path("out")))
    images = images_to_pass(plan.extractors(cache), missing)
    return divide_work(missing, PlanDurations(plan, Rates({}, {}), images), cache.settings, 1)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def test_the_next_category_is_extracted_and_fitted_while_the_last_is_measured(
    portions: list[Portion[Task]], threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, fits, fitted = threading.Event(), threading.Semaphore(0), padim.Padim.fit
    measured = evaluating.measure_pixels

    def measure(*arguments: Any) -> Any:
        assert go_on.wait(LONG)
        return measured(*arguments)

    def fit(*arguments: Any) -> Any:
        fits.release()
        return fitted(*arguments)

    monkeypatch.setattr(evaluating, "measure_pixels", measure)
    monkeypatch.setattr(padim.Padim, "fit", fit)
    first, second = portions
    with pretended_cuda():
        worker = Worker("cuda", 1 << 30)
        for task in first.shards:
            worker.perform(task)
        cells = [threads.submit(worker.perform, task) for task in first.cells]
        assert fits.acquire(timeout=LONG)
        passed = [worker.perform(task).extractions[0].passed for task in second.shards]
        cells += [threads.submit(worker.perform, task) for task in second.cells]
        assert fits.acquire(timeout=LONG)
        assert not any(cell.done() for cell in cells)
        go_on.set()
        evaluated = [outcome for cell in cells for outcome in cell.result(LONG).evaluated]
    assert sum(passed) == 13
    assert [outcome.cell.status for outcome in evaluated] == ["ok", "ok"]


def test_the_next_images_pass_while_the_last_features_wait_for_the_disk(
    portions: list[Portion[Task]], threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, passes, forward = threading.Event(), threading.Semaphore(0), Backbone.forward
    write = writing.WriteBehind._write

    def slow(*arguments: Any) -> None:
        assert go_on.wait(LONG)
        write(*arguments)

    def passing(*arguments: Any) -> Any:
        passes.release()
        return forward(*arguments)

    with pretended_cuda():
        worker = Worker("cuda", 1 << 30)
        worker.perform(portions[1].shards[0])  # makes the backbone
        monkeypatch.setattr(writing.WriteBehind, "_write", slow)
        monkeypatch.setattr(Backbone, "forward", passing)
        done = [threads.submit(worker.perform, task) for task in portions[0].shards]
        assert len(done) == 2
        assert all(passes.acquire(timeout=LONG) for _ in done)
        assert not any(task.done() for task in done)
        go_on.set()
        assert all(task.result(LONG).failure is None for task in done)
    assert len(list(Path("cache/features").glob("*.npy"))) == 3 * 4  # levels and crops


def test_one_bound_holds_what_waits_for_all_that_a_worker_does(
    portions: list[Portion[Task]],
) -> None:
    worker = Worker("cpu", 1 << 30, waiting=1)
    for task in (*portions[0].shards, *portions[0].cells):
        assert worker.perform(task).failure is None
    lanes = worker._images, worker._cells
    (bound,) = {extractor._cache.waiting for lane in lanes for extractor in lane.extractors}
    assert (bound._bound, bound.bytes) == (1, 0)


def refuse(*_: object) -> None:
    raise AssertionError("the parent of workers loads CUDA")


def test_the_parent_of_workers_touches_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(Path("data"), "cup", "plate")
    monkeypatch.setattr(processes, "_work", pretended_worker.work)
    monkeypatch.setattr(processes, "look_at_gpus", pretended_worker.look_at_gpus)
    with pretended_cuda(devices=2) as counts, monkeypatch.context() as refusing:
        for loads in ("is_available", "get_device_name", "get_device_capability", "mem_get_info"):
            refusing.setattr(torch.cuda, loads, refuse)
        assert run.main([*COMMAND, "--jobs", "2", "--device", "cuda", "--cache", "cache"]) == 0
    assert [card.peak for card in counts.cards] == [0, 0]
    assert counts["operations"] == counts["copy to device"] == 0
    cells = list(Store(Path("out")).cells())
    assert [(cell.status, cell.device) for cell in cells] == [("ok", "cuda")] * 2
    (call,) = journal.read(Path("out"))
    assert (call.device, call.card, call.workers) == ("cuda", "pretended", 2)


def test_workers_with_the_fewest_tasks_come_first(portions: list[Portion[Task]]) -> None:
    images, cells = portions[0].shards[0], portions[0].cells[0]
    assert isinstance(images, Extract)
    assert isinstance(cells, Evaluate)
    members: list[tuple[int, str, list[Task]]] = [(0, "a", [images, cells]), (1, "b", [cells])]
    assert idle_workers(members, overlapping=True) == [
        IdleWorker(1, "b", "images"),
        IdleWorker(0, "a", "cells"),
        IdleWorker(0, "a", "images"),
        IdleWorker(1, "b", "cells"),
        IdleWorker(1, "b", "images"),
    ]
    assert idle_workers(members, overlapping=False) == []
    assert idle_workers([(2, "c", [])], overlapping=False) == [IdleWorker(2, "c")]
