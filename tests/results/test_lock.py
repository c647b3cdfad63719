"""One command at a time writes into a run's folder; a killed one leaves no lock behind."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import pytest

from benchmarks.errors import StorageError
from benchmarks.results.lock import NAME, only_writer
from tests.helpers.paths import ROOT

HOLD = (
    "import sys, time; from pathlib import Path; from benchmarks.results.lock import only_writer\n"
    "with only_writer(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
)


def test_a_second_command_is_told_who_writes_and_a_killed_one_leaves_no_lock(
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run)], stdout=subprocess.PIPE, cwd=ROOT
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StorageError) as refused, only_writer(run):
            pass
        holder.kill()
    (line,) = str(refused.value).splitlines()
    assert f"process {holder.pid} on {socket.gethostname()}, for 0:0" in line
    assert "--out" in line
    assert (run / NAME).exists()
    with only_writer(run):
        assert (run / NAME).read_text() == f"process {os.getpid()} on {socket.gethostname()}"


def test_it_leaves_no_trace_also_where_something_breaks(tmp_path: Path) -> None:
    def interrupted() -> None:
        with only_writer(tmp_path / "results/run"):
            assert (tmp_path / "results/run" / NAME).exists()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    with only_writer(tmp_path / "results/run"):
        (tmp_path / "results/run/metrics.csv").write_text("")
    assert [path.name for path in (tmp_path / "results/run").iterdir()] == ["metrics.csv"]


def test_a_folder_that_can_not_be_written_is_not_locked(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    entered = False
    with only_writer(tmp_path / "file" / "run"):
        entered = True
    assert entered


def test_a_file_that_its_holder_has_just_removed_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes next makes a file of its own, which another lock is on."""
    original = fcntl.flock

    def remove_then_lock(file: IO[str], how: int) -> None:
        (tmp_path / NAME).unlink()
        original(file, how)

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", remove_then_lock)
        with pytest.raises(StorageError, match="another command writes"), only_writer(tmp_path):
            pass
    entered = False
    with only_writer(tmp_path):
        entered = True
    assert entered


def test_on_a_file_system_without_locks_commands_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: IO[str], how: int) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    entered = []
    with only_writer(tmp_path):
        entered.append(1)
        with only_writer(tmp_path):
            entered.append(2)
    assert entered == [1, 2]
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_command_left_behind_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("process 12 on elsewhere")
    begun = time.time() - 3 * 3600
    os.utime(tmp_path / NAME, (begun, begun))
    with only_writer(tmp_path):
        assert "elsewhere" not in (tmp_path / NAME).read_text()
        with pytest.raises(StorageError, match=f"process {os.getpid()} on .*, for 0:00:0"):
            enter(tmp_path)
    assert list(tmp_path.iterdir()) == []


def enter(run: Path) -> None:
    with only_writer(run):
        pass
