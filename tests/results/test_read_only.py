"""A run that can't be written is shown all the same."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.errors import StorageError
from benchmarks.figures.__main__ import main as figures
from benchmarks.report.__main__ import main as report
from benchmarks.results.command import unless_read_only
from benchmarks.tables.__main__ import main as tables
from benchmarks.uncertainty.__main__ import main as uncertainty
from tests.helpers.runs import Cell, some_scores, write_run


@pytest.fixture
def archived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose files can be read alone, also by root."""
    run = write_run(
        tmp_path / "run",
        [
            Cell("bolt", name, {"image_auroc": 0.9}, scores=some_scores("bolt", name))
            for name in "ab"
        ],
    )
    write = os.fsync

    def refused(file: int) -> None:
        if Path(os.readlink(f"/proc/self/fd/{file}")).is_relative_to(run):
            raise PermissionError(13, "Permission denied")
        write(file)

    def may(path: str | Path, mode: int) -> bool:
        return not (Path(path) == run and mode == os.W_OK)

    monkeypatch.setattr(os, "fsync", refused)
    monkeypatch.setattr(os, "access", may)
    return run


@pytest.mark.parametrize("show", [tables, uncertainty])
def test_what_is_printed_is_printed(
    show: Callable[[list[str]], int], archived: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show([str(archived)]) == 0
    shown = capsys.readouterr()
    assert "bolt" in shown.out
    assert "can't be written (Permission denied)" in shown.err
    assert "--out names one" in shown.err


def test_files_go_elsewhere(
    archived: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for show, out, written in (
        (tables, "tables", "tables/image_auroc.md"),
        (figures, "figures", "figures/overview.svg"),
        (uncertainty, "more", "more/pairs.csv"),
        (report, "page.html", "page.html"),
        (report, "more", "more/report.html"),
    ):
        assert show([str(archived), "--out", str(tmp_path / out)]) == 0
        assert (tmp_path / written).stat().st_size > 0
    assert "Permission denied" not in capsys.readouterr().err
    assert report([str(archived)]) == 2


def test_another_reason_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError), unless_read_only(tmp_path):
        raise StorageError("the disk is full")
