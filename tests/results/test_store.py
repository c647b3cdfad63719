"""Cells are written whole or not at all, found by identity, and listed in one long table."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import files as store_module
from benchmarks.errors import StorageError
from benchmarks.files import atomic_file
from benchmarks.results import Cell, Store
from benchmarks.results.journal import read as read_journal
from benchmarks.results.metrics_csv import COLUMNS
from benchmarks.specs import BackboneSpec, CellSpec, EvaluationProtocol

BACKBONE = BackboneSpec("net", "TAG", "ab", {1: "one", 2: "two"})
SPEC = CellSpec(
    "parts", "f0", "cup", "spade", {"neighbours": 50}, EvaluationProtocol(BACKBONE), seed=3
)


def ok(spec: CellSpec = SPEC, **values: float | None) -> Cell:
    return Cell(
        spec,
        "ok",
        metrics=values or {"image_auroc": 0.1 + 0.2},
        n_train=5,
        started_utc="2026-01-02T03:04:05.678+00:00",
    )


def test_a_traceback_lies_under_the_cells_name_until_the_cell_succeeds(tmp_path: Path) -> None:
    store, other = Store(tmp_path / "run"), Store(tmp_path / "other")
    failed = store.write(Cell(SPEC, "failed", error="broken"), traceback="Traceback: brökén")
    assert store.find(SPEC) == failed
    (cell,) = (tmp_path / "run/cells").glob("*/*.json")
    assert failed.log == f"logs/{cell.parent.name}/{cell.stem}.txt"
    assert (tmp_path / "run" / failed.log).read_text("utf-8") == "Traceback: brökén"
    assert failed.failure == f"broken; traceback: {failed.log}"
    store.write(Cell(SPEC, "failed", error="no data"))  # an error that says all
    assert not (tmp_path / "run" / failed.log).exists()
    store.write(failed, traceback="Traceback")
    other.write(ok())
    assert store.adopt(SPEC, other)
    assert not (tmp_path / "run" / failed.log).exists()
    assert store.find(SPEC) == ok()


def rows(store: Store) -> list[dict[str, str]]:
    with store.write_metrics().open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_cell_is_found_by_its_whole_specification(tmp_path: Path) -> None:
    store = Store(tmp_path / "run")
    assert store.find(SPEC) is None
    store.write(ok())
    assert store.find(SPEC) == ok()
    others = [
        replace(SPEC, seed=4),
        replace(SPEC, shots=5),
        replace(SPEC, params={"neighbours": 5}),
        replace(SPEC, dataset_fingerprint="f1"),
        replace(SPEC, metrics_version=99),
        replace(SPEC, extractor_version=99),
        replace(SPEC, protocol=replace(SPEC.protocol, mask_resize="official")),
        replace(SPEC, protocol=replace(SPEC.protocol, smoothing_sigma=0.0)),
        replace(SPEC, protocol=replace(SPEC.protocol, fit="pad")),
        replace(SPEC, protocol=replace(SPEC.protocol, fit="stretch")),
        replace(SPEC, protocol=replace(SPEC.protocol, interpolation="lanczos")),
        replace(SPEC, protocol=replace(SPEC.protocol, image_size=280)),
        replace(SPEC, protocol=replace(SPEC.protocol, backbone=replace(BACKBONE, weights="X"))),
    ]
    assert all(store.find(other) is None for other in others)
    for other in others:
        store.write(ok(other))
    assert len(store.cells()) == 1 + len(others)


def test_the_long_table_has_the_promised_columns_and_full_precision(tmp_path: Path) -> None:
    store = Store(tmp_path / "run")
    store.write(ok(image_auroc=0.1 + 0.2, pixel_auroc=None))
    table = rows(store)
    assert list(table[0]) == list(COLUMNS)
    assert {row["metric"] for row in table} == {"image_auroc", "pixel_auroc"}
    values = {row["metric"]: row["value"] for row in table}
    assert float(values["image_auroc"]) == 0.1 + 0.2
    assert values["pixel_auroc"] == ""
    assert (table[0]["run"], table[0]["category"], table[0]["seed"]) == ("run", "cup", "3")
    assert (table[0]["backbone"], table[0]["weights_sha256"]) == ("net", "ab")
    assert (table[0]["shots"], table[0]["n_train"], table[0]["status"]) == ("", "5", "ok")
    assert json.loads(table[0]["params"]) == {"neighbours": 50}
    assert json.loads(table[0]["layers"]) == {"1": "one", "2": "two"}
    assert table[0]["spec"] == SPEC.key[:16]


def test_a_failed_cell_has_rows_without_values(tmp_path: Path) -> None:
    store = Store(tmp_path / "run")
    store.write(Cell(SPEC, "failed", error="it broke"))
    assert {(r["status"], r["error"], r["value"]) for r in rows(store)} == {
        ("failed", "it broke", "")
    }


def test_scores_and_maps_lie_beside_the_cell(tmp_path: Path) -> None:
    store = Store(tmp_path / "run")
    maps = {"maps": np.ones((1, 2, 2), np.float32)}
    store.write(ok(), [("test/good/000.png", 0, 0.1 + 0.2)], maps)
    (cell,) = store.cells()
    assert cell.scores is not None
    assert cell.maps is not None
    with (store.run / cell.scores).open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["path", "label", "score"],
            ["test/good/000.png", "0", "0.30000000000000004"],
        ]
    assert np.load(store.run / cell.maps)["maps"].shape == (1, 2, 2)


def test_names_with_brackets_slashes_and_dots_stay_inside_the_run(tmp_path: Path) -> None:
    store = Store(tmp_path / "run")
    spec = replace(SPEC, category="../../cup \n", method="patchcore-25[patch_size=5,dims=3]")
    store.write(ok(spec))
    assert store.find(spec) is not None
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("part", ["metrics_version", "shots", "protocol", "another"])
def test_a_specification_of_other_parts_is_no_cell(tmp_path: Path, part: str) -> None:
    """A default in place of a missing part would make it the cell of another specification."""
    store, warnings = Store(tmp_path / "run"), []
    store.write(ok())
    (path,) = (store.run / "cells").glob("*/*.json")
    stored = json.loads(path.read_text())
    if stored["spec"].pop(part, None) is None and part == "another":
        stored["spec"][part] = 1
    path.write_text(json.dumps(stored))
    assert store.cells(warnings.append) == []
    assert len(warnings) == 1


def test_truncated_cells_are_named_and_count_as_missing(tmp_path: Path) -> None:
    store = Store(tmp_path / "run")
    store.write(ok())
    (path,) = (store.run / "cells").glob("*/*.json")
    path.write_text(path.read_text()[:-20])
    warnings: list[str] = []
    assert store.find(SPEC) is None
    assert store.cells(warnings.append) == []
    assert str(path) in warnings[0]


def test_what_systems_leave_beside_cells_is_no_cell(tmp_path: Path) -> None:
    store = Store(tmp_path / "run")
    store.write(ok())
    (path,) = (store.run / "cells").glob("*/*.json")
    path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7")
    for folder in (path.parent.parent / ".ipynb_checkpoints", path.parent / "__MACOSX"):
        folder.mkdir()
        (folder / path.name).write_bytes(path.read_bytes())
    (store.run / "journal").mkdir()
    (store.run / "journal/._call.json").write_bytes(b"\0\5\x16\7")
    warnings: list[str] = []
    assert store.cells(warnings.append) == [store.find(SPEC)]
    assert read_journal(store.run, warnings.append) == []
    assert warnings == []


def test_an_interrupted_write_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def interrupted() -> None:
        with atomic_file(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_line_and_keeps_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "run")
    store.write(ok())

    def full(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(store_module.os, "fsync", full)
    with pytest.raises(StorageError, match=r"No space left on device.*free some space") as caught:
        store.write(ok(replace(SPEC, seed=4)))
    assert "\n" not in str(caught.value)
    assert len(store.cells()) == 1
    assert list(tmp_path.rglob("*.tmp")) == []
