"""Files that appear complete or not at all, whoever else writes them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.files import atomic_file, require_writable


def test_writers_of_the_same_process_number_have_a_file_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in two containers, each of which counts its own processes."""
    monkeypatch.setattr(os, "getpid", lambda: 7)
    path = tmp_path / "run/metrics.csv"
    with atomic_file(path) as first:
        first.write(b"one")
        with atomic_file(path) as second:
            second.write(b"another")
        assert path.read_bytes() == b"another"
        first.write(b" more")
    assert path.read_bytes() == b"one more"
    assert [file.name for file in path.parent.iterdir()] == ["metrics.csv"]


def test_trying_a_folder_leaves_no_trace(tmp_path: Path) -> None:
    require_writable(tmp_path / "a/b")
    assert list(tmp_path.iterdir()) == []
