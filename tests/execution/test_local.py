"""Predictions are measured beside the device's work, and stored in their order."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.errors import StorageError
from benchmarks.execution import local


class Outlet:
    def __init__(self) -> None:
        self.taken: list[tuple[str, int]] = []
        self.progress = SimpleNamespace(stage=lambda job, stage: None)

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


@pytest.mark.parametrize("jobs", [2, 9])
def test_a_cell_that_cannot_be_stored_stops_the_run_and_the_others_are(jobs: int) -> None:
    outlet: Any = Outlet()

    def take(cell: Any) -> None:
        if cell == "cell 1":
            raise StorageError("the disk is full")
        outlet.taken.append((cell, 0))

    outlet.take = take
    with pytest.raises(StorageError), local._measuring(outlet, True) as measure:
        for job in range(jobs):
            measure(job, lambda at, job=job: f"cell {job}")  # type: ignore[arg-type,misc]
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
