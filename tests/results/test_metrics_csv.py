"""metrics.csv holds what tables need: read again, it gives the cells that it was written of."""

from __future__ import annotations

import csv
import io
import shutil
from dataclasses import fields, replace
from pathlib import Path

import pytest

from benchmarks.datasets.losses import DefectsLost
from benchmarks.errors import BenchmarkError
from benchmarks.metrics.definitions import METRICS
from benchmarks.results import result_sets
from benchmarks.results.cell import Cell
from benchmarks.results.metrics_csv import as_metrics_csv, read_cells
from benchmarks.specs import BackboneSpec, CellSpec, EvaluationProtocol
from benchmarks.tables.metric_tables import terminal_tables
from tests.helpers.runs import Cell as SmallCell
from tests.helpers.runs import write_run

PROTOCOL = EvaluationProtocol(
    BackboneSpec("net", "TAG", "ab", {1: "one", 3: "three"}),
    image_size=320,
    dtype="float16",
    mask_resize="official",
    smoothing_sigma=2.5,
    fit="pad",
    interpolation="lanczos",
    regions="original",
)
SPEC = CellSpec(
    "parts", "f0", "cup", "spade", {"neighbours": 50}, PROTOCOL, seed=3, shots=10, calibrate=20
)
CELL = Cell(
    SPEC,
    "ok",
    metrics={
        "image_auroc": 0.1 + 0.2,
        "pixel_auroc": None,
        "false_positives_at_full_recall": 3,
        "calibrated_recall_05": 0.5,
    },
    n_train=10,
    n_test_good=4,
    n_test_defect=5,
    fit_seconds=1 / 3,
    score_seconds=0.0,
    peak_memory_mb=7.5,
    device="cpu",
    git_sha="c0ffee",
    versions={"torch": "2", "numpy": "3"},
    started_utc="2026-01-02T03:04:05.678+00:00",
    unseen_defects=0,
    unseen_share=0.25,
    unseen_area=0.5,
    vanished_defects=1,
    defect_regions=9,
    vanished_regions=2,
    torn_regions=3,
    measured_regions=11,
    n_held_out=20,
    unmarked_defects=2,
    warnings=["a, b", 'say "c"'],
)
BARE = Cell(replace(SPEC, shots=None, seed=4, calibrate=0.35), "ok", metrics={"image_auroc": 1.0})


def read(folder: Path, content: bytes) -> list[Cell]:
    path = folder / "metrics.csv"
    path.write_bytes(content)
    return read_cells(path)


def test_what_is_written_is_read_in_its_own_types(tmp_path: Path) -> None:
    failed = replace(CELL, spec=replace(SPEC, seed=5), status="failed", error="two\nlines")
    bare = replace(BARE, started_utc=CELL.started_utc)
    again = read(tmp_path, as_metrics_csv("run", [CELL, bare, replace(failed, metrics={})]))
    names = list(CELL.metrics)
    assert again == [
        CELL,
        replace(bare, metrics=dict.fromkeys(names) | bare.metrics),
        replace(failed, metrics=dict.fromkeys(names)),
    ]
    assert [cell.key for cell in again] == [CELL.key, bare.key, failed.key]
    assert type(again[0].n_train) is int
    assert type(again[0].score_seconds) is float


def test_older_files_lack_later_columns_and_mean_the_usual(tmp_path: Path) -> None:
    usual = replace(PROTOCOL, fit="crop", interpolation="bilinear", regions="resized")
    spec = replace(SPEC, protocol=usual, calibrate=None)
    (header, *rows) = csv.reader(
        io.StringIO(as_metrics_csv("run", [replace(CELL, spec=spec)]).decode())
    )
    kept = header.index("fit")
    lost = {part.name for part in fields(DefectsLost)}
    protocol = {"interpolation", "regions", "score_area", "augment", "tiles"}
    others = {"unseen_area", "unmarked_defects", "warnings", "calibrate", "n_held_out"}
    others |= {"contamination", "reserve", "shift"}
    assert {*lost, *protocol, *others} == {*header[kept + 1 :]}
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(row[:kept] for row in (header, *rows))
    (cell,) = read(tmp_path, file.getvalue().encode())
    unknown = dict.fromkeys([*lost, "unseen_area", "unmarked_defects", "n_held_out"])
    assert cell == replace(CELL, spec=spec, warnings=Cell(SPEC, "ok").warnings, **unknown)
    assert cell.lost is None


def test_tables_need_no_cells_beside_the_file(tmp_path: Path) -> None:
    cells = [
        SmallCell(name, method, dict.fromkeys(METRICS, value), seed=seed, shots=shots)
        for shots in (None, 5)
        for name, value in (("bolt", 0.25), ("mean", 0.75))
        for method in ("a", "b")
        for seed in (0, 1)
    ]
    run = write_run(tmp_path / "run", cells)
    shown = terminal_tables(result_sets(run))
    assert shown.count("25.0 ± 0.0") > 8
    shutil.rmtree(run / "cells")
    assert terminal_tables(result_sets(run)) == shown


@pytest.mark.parametrize(
    ("column", "text"),
    [("image_size", "224.5"), ("seed", ""), ("layers", "[]"), ("versions", "{"), ("n_train", "x")],
)
def test_a_value_of_another_type_is_one_line(tmp_path: Path, column: str, text: str) -> None:
    header, *rows = csv.reader(io.StringIO(as_metrics_csv("run", [CELL]).decode()))
    rows[0][header.index(column)] = text
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([header, *rows])
    with pytest.raises(BenchmarkError, match=r"can't read .*metrics\.csv") as caught:
        read(tmp_path, file.getvalue().encode())
    assert "\n" not in str(caught.value)
