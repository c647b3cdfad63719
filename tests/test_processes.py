"""What is computed does not depend on how many processes compute it, nor do its errors."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import processes
from benchmarks.errors import BenchmarkError, StorageError
from benchmarks.processes import map_in_processes
from tests.helpers.paths import ROOT


@pytest.fixture(params=[1, 2, 3])
def count(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(processes, "cores", lambda: request.param)
    return int(request.param)


def squared(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def refused(number: int) -> int:
    if number == 3:
        raise StorageError("disk 3: full")
    return number


def killed(number: int) -> None:
    os._exit(number)


def test_results_come_in_order_from_as_many_processes(count: int) -> None:
    results = list(map_in_processes(squared, range(12), 2))
    assert [square for square, _ in results] == [number**2 for number in range(12)]
    computing = {process for _, process in results}
    assert (os.getpid() in computing) == (count == 1)
    assert len(computing) <= count


def test_few_tasks_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 8)
    assert {process for _, process in map_in_processes(squared, range(7), 4)} == {os.getpid()}


def test_an_error_is_the_same_from_a_process(count: int) -> None:
    results: Iterator[int] = map_in_processes(refused, range(8), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(StorageError, match="disk 3: full"):
        next(results)


def test_a_killed_process_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 2)
    with pytest.raises(BenchmarkError, match="killed before its work was done") as caught:
        list(map_in_processes(killed, [1, 2], 1))
    assert "\n" not in str(caught.value)


ABANDONED = """
import os
from benchmarks import processes
from benchmarks.processes import map_in_processes
from tests.test_processes import squared
processes.cores = lambda: 2
results = map_in_processes(squared, range(4), 2)
print(next(results)[1], flush=True)
os._exit(0)
"""


UNGUARDED = """
from benchmarks import processes
from tests.test_processes import squared
print("begun")
processes.cores = lambda: 2
print([square for square, _ in processes.map_in_processes(squared, range(4), 2)])
"""


def test_processes_end_with_a_parent_that_was_killed() -> None:
    """What a parent prints ends where no process is left that inherited its pipe."""
    command = [sys.executable, "-c", ABANDONED]
    program = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert int(program.stdout) > 0


def test_a_script_is_not_run_again_by_its_processes(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    command = [sys.executable, str(script)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    program = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=60, env=environment
    )
    assert program.stdout == "begun\n[0, 1, 4, 9]\n"
    assert program.stderr == ""
