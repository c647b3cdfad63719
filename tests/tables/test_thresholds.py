"""Calibrated metrics and the thresholds behind them, as tables and in the terminal."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.metrics.calibrated import CALIBRATED
from benchmarks.results import result_sets
from benchmarks.results.pairs import all_pairs
from benchmarks.tables.__main__ import main
from benchmarks.tables.metric_tables import terminal_tables, write_tables
from tests.helpers.runs import Cell, some_scores, write_run

LIMITS = {"image_01": None, "image_05": 1.23456789, "image_10": 0.5, "pixel_05": 12345678.9}
RATES = dict.fromkeys(CALIBRATED, 0.25)


def cell(method: str, calibrate: float | None = 40, **others: Any) -> Cell:
    measured: Any = {"n_held_out": 40, "thresholds": LIMITS} if calibrate else {}
    return Cell(
        "bolt",
        method,
        {"image_auroc": 0.5, **(RATES if calibrate else {})},
        scores=some_scores("bolt", method),
        calibrate=calibrate,
        measured=measured,
        **others,
    )


def test_every_threshold_has_its_place_and_is_written_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run", [cell("a"), cell("a", seed=1), cell("b"), cell("c", None)])
    paths = write_tables(result_sets(run))
    assert {run / "tables/thresholds.md", run / "tables/thresholds.csv"} <= {*paths}
    assert "thresholds.md" in capsys.readouterr().err
    with (run / "tables/thresholds.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["category"], row["method"], row["seed"]) for row in rows] == [
        ("bolt", "a", "0"),
        ("bolt", "a", "1"),
        ("bolt", "b", "0"),
    ]
    for row in rows:
        assert row["n_held_out"] == "40"
        stored = {name: float(row[name]) if row[name] else None for name in LIMITS}
        assert stored == LIMITS
    text = (run / "tables/thresholds.md").read_text()
    assert text.count("needs 99") == 3
    assert text.count("| 1.23457    | 0.5") == 3


def test_without_held_out_images_there_is_no_table_of_thresholds(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [cell("a", None)])
    write_tables(result_sets(run))
    assert not list(run.glob("tables/thresholds*"))
    assert not list(run.glob("tables/calibrated*"))


def test_any_calibrated_metric_can_be_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run", [cell("a"), cell("b")])
    assert main([str(run), "--metrics", "calibrated_recall_01,calibrated_seg_f1_10"]) == 0
    shown = capsys.readouterr().out
    assert re.findall(r"^(.*) in % \(", shown, re.MULTILINE) == [
        CALIBRATED["calibrated_recall_01"].label,
        CALIBRATED["calibrated_seg_f1_10"].label,
    ]
    plain = write_run(tmp_path / "plain", [cell("a", None)])
    assert main([str(plain), "--metrics", "calibrated_recall_01"]) == 0
    assert "of runs with --calibrate" in capsys.readouterr().out


def test_a_single_category_has_no_mean_in_the_terminal(tmp_path: Path) -> None:
    cells = [cell("a"), cell("b")]
    shown = terminal_tables(result_sets(write_run(tmp_path / "single", cells)))
    assert re.findall(r"^bolt ", shown, re.MULTILINE)
    assert "mean" not in shown
    rod = [Cell("rod", name, {"image_auroc": 0.5}, calibrate=40) for name in "ab"]
    both = terminal_tables(result_sets(write_run(tmp_path / "both", [*cells, *rod])))
    assert re.findall(r"^mean ", both, re.MULTILINE)


def test_calibrated_metrics_are_compared_where_thresholds_were_set(tmp_path: Path) -> None:
    plain, held_out = result_sets(
        write_run(tmp_path / "run", [cell("a", None), cell("b", None), cell("a"), cell("b")])
    )
    assert CALIBRATED.keys().isdisjoint(all_pairs(plain)["metric"])
    assert not any(map(plain.has, CALIBRATED))
    assert all(map(held_out.has, CALIBRATED))
