"""The archives of stored cells hold what the committed results were made from."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from benchmarks.results.store import Store
from tests.helpers.paths import ROOT

RUNS = (
    "large",
    "magnetic_tiles",
    "magnetic_tiles-methods",
    "mvtec_ad-mobilenet_v2-224",
    "mvtec_ad-mobilenet_v2-224-methods",
    "mvtec_ad-mobilenet_v2-224-supplement",
    "mvtec_ad-resnet18-224-supplement",
)


@pytest.fixture(params=RUNS)
def archive(request: pytest.FixtureRequest) -> Path:
    return ROOT / "results" / str(request.param) / "cells.tar.xz"


def test_an_archive_makes_the_committed_metrics(archive: Path, tmp_path: Path) -> None:
    run = tmp_path / archive.parent.name
    with tarfile.open(archive) as file:
        file.extractall(run, filter="data")
    store = Store(run)
    warnings: list[str] = []
    fresh = store.write_metrics(warnings.append).read_bytes()
    assert fresh == (archive.parent / "metrics.csv").read_bytes()
    assert warnings == []
    cells = store.cells()
    assert cells
    assert all(store.find(cell.spec) == cell for cell in cells)
    assert all(cell.scores and store.is_whole(cell) for cell in cells if cell.status == "ok")


def test_an_archive_is_packed_reproducibly(archive: Path) -> None:
    with tarfile.open(archive) as file:
        members = file.getmembers()
    names = [member.name for member in members]
    assert names == sorted(names, key=lambda name: name.split("/"))
    assert {(member.mtime, member.uid, member.gid) for member in members} == {(0, 0, 0)}
    assert {name.split("/")[0] for name in names} == {"cells", "scores"}
