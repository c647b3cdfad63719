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
        assert (run / NAME).read_text() == f"{socket.gethostname()} {os.getpid()}"


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


def test_a_file_that_its_holder_has_just_removed_locks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, removed = fcntl.flock, []

    def remove_then_lock(descriptor: int, how: int) -> None:
        if not removed:
            (tmp_path / NAME).unlink()
            removed.append(descriptor)
        original(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", remove_then_lock)
    with only_writer(tmp_path):
        assert (tmp_path / NAME).exists()
        with (
            pytest.raises(StorageError, match="another command writes there"),
            only_writer(tmp_path),
        ):
            pass


def test_what_broke_off_on_another_host_is_said_and_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / NAME).write_text("elsewhere 12")
    with only_writer(tmp_path):
        pass
    (line,) = capsys.readouterr().err.splitlines()
    assert "a command was broken off there (process 12 on elsewhere, for 0:00:0" in line


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)


@pytest.mark.usefixtures("no_locks")
def test_without_locks_the_process_that_is_named_counts(tmp_path: Path) -> None:
    process = f"process {os.getpid()} on"
    with (
        only_writer(tmp_path),
        pytest.raises(StorageError, match=process),
        only_writer(tmp_path),
    ):
        pass
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    for holder in (f"{socket.gethostname()} {ended.pid}", socket.gethostname(), ""):
        (tmp_path / NAME).write_text(holder)
        with only_writer(tmp_path):
            assert (tmp_path / NAME).read_text().endswith(f" {os.getpid()}")


@pytest.mark.usefixtures("no_locks")
def test_without_locks_another_host_is_named_with_its_age_and_the_file_to_remove(
    tmp_path: Path,
) -> None:
    path = tmp_path / NAME
    path.write_text("elsewhere 12")
    begun = time.time() - 3 * 3600
    os.utime(path, (begun, begun))
    with pytest.raises(StorageError) as refused, only_writer(tmp_path):
        pass
    assert str(path) in str(refused.value)
    assert "process 12 on elsewhere, for 3:00:0" in str(refused.value)
    assert "remove this file" in str(refused.value)
    assert path.read_text() == "elsewhere 12"
