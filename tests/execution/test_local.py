"""Predictions are measured beside the device's work, and stored in their order."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from benchmarks.errors import StorageError
from benchmarks.execution import local


class Named(NamedTuple):
    name: str


class Outlet:
    def __init__(self) -> None:
        self.taken: list[tuple[str, int]] = []
        self.progress = SimpleNamespace(stage=lambda job, stage: None)
        self.note: Any = None

    def take(self, evaluated: Any) -> None:
        self.taken.append((evaluated, threading.get_ident()))


def slower_first(job: int) -> Any:
    def measuring(at: Any) -> str:
        time.sleep(0.05 * (6 - job))
        return f"cell {job}"

    return measuring


@pytest.mark.parametrize("beside", [True, False])
def test_cells_are_stored_in_order_and_beside_a_device_by_another_thread(beside: bool) -> None:
    outlet: Any = Outlet()
    with local._measuring(outlet, beside) as measure:
        for job in range(6):
            measure(job, slower_first(job))  # type: ignore[arg-type]
    assert [cell for cell, _ in outlet.taken] == [f"cell {job}" for job in range(6)]
    (thread,) = {thread for _, thread in outlet.taken}
    assert (thread != threading.get_ident()) == beside


def cell_of(job: int) -> Any:
    return lambda at: f"cell {job}"


@pytest.mark.parametrize("jobs", [2, 9])
def test_a_cell_that_cannot_be_stored_stops_the_run_and_the_others_are(jobs: int) -> None:
    outlet: Any = Outlet()

    def take(cell: Any) -> None:
        if cell == "cell 1":
            raise StorageError("the disk is full")
        outlet.taken.append((cell, 0))

    def run() -> None:
        with local._measuring(outlet, True) as measure:
            for job in range(jobs):
                measure(job, cell_of(job))  # type: ignore[arg-type]

    outlet.take = take
    with pytest.raises(StorageError, match="the disk is full"):
        run()
    assert ("cell 0", 0) in outlet.taken


def test_an_interrupt_loses_no_prediction() -> None:
    outlet: Any = Outlet()

    def interrupted() -> None:
        with local._measuring(outlet, True) as measure:
            for job in range(3):
                measure(job, slower_first(job))  # type: ignore[arg-type]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [cell for cell, _ in outlet.taken] == ["cell 0", "cell 1", "cell 2"]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_masks_are_read_in_no_thread_that_extracts_or_evaluates(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: dict[str, set[int]] = {}

    def note(work: str, outcome: Any = None) -> Any:
        threads.setdefault(work, set()).add(threading.get_ident())
        return outcome

    def predict(job: str, data: Any, at: Any) -> Any:
        assert data() == ("masks", "features")
        note("methods")
        return lambda at: note("measuring", job)

    monkeypatch.setattr(local, "GroundTruth", lambda *rest: note("masks", "masks"))
    monkeypatch.setattr(local, "extract_category", lambda *rest: note("features", "features"))
    monkeypatch.setattr(local, "CategoryData", lambda truth, members, *rest: (truth, members))
    monkeypatch.setattr(local, "predict", predict)
    outlet, machine = Outlet(), SimpleNamespace(device=device, memory=0)
    outlet.progress.advance = outlet.note = print
    extractor = SimpleNamespace(crops=None, stopped=threading.Event(), finish=lambda: None)
    work = {Named(name): [f"{name} {job}" for job in range(2)] for name in "abc"}
    local.run_locally(work, None, [extractor], outlet, machine)  # type: ignore[arg-type,list-item]
    assert [cell for cell, _ in outlet.taken] == [job for jobs in work.values() for job in jobs]
    assert len(threads["masks"]) == len(threads["features"]) == len(threads["methods"]) == 1
    assert threads["masks"].isdisjoint(threads["features"] | threads["methods"])
    others = threads["measuring"] | {thread for _, thread in outlet.taken}
    assert others.isdisjoint(threads["methods"]) == (device != "cpu")
