"""Tolerances are what re-runs of the same code were measured to differ by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.compare import __main__ as compare_command
from benchmarks.compare import baseline
from benchmarks.compare.baseline import Tolerance
from tests.compare.writing import CUP, GOOD, PLATE, VALUES, write
from tests.helpers.runs import Cell as Stored
from tests.tolerances import main

pytestmark = pytest.mark.usefixtures("folder")


def check(*arguments: str) -> int:
    return compare_command.main([*arguments, "--baseline", "base.json"])


def new_baseline(*cells: Stored) -> None:
    assert check(write("before", *cells), "--update") == 0


def refused(capsys: pytest.CaptureFixture[str], *runs: str) -> str:
    """Return the one line with which runs are refused; the baseline stays what it is."""
    before = Path("base.json").read_bytes()
    capsys.readouterr()
    assert main(["base.json", *runs]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert Path("base.json").read_bytes() == before
    return line


def test_tolerances_are_what_reruns_differ_by() -> None:
    new_baseline(CUP, PLATE)
    cells = baseline.read(Path("base.json")).cells
    write("threads-1", CUP, PLATE, pixel_ap=VALUES["pixel_ap"] + 1e-4)
    write("elsewhere/gpu", PLATE, error_at_full_recall=8 / 30, pixel_ap=VALUES["pixel_ap"] - 1e-4)
    write("seeds", replace(CUP, seed=1), false_positives_at_full_recall=9.0)
    assert main(["base.json", "before", "threads-1", "elsewhere/gpu", "seeds"]) == 0
    after = baseline.read(Path("base.json"))
    assert after.cells == cells
    assert after.tolerances["pixel_ap"].amount == pytest.approx(4e-4)
    assert after.tolerances["pixel_auroc"].amount == baseline.FLOOR
    where = "in 2 cells of the same seed between before, threads-1, gpu, seeds"
    assert after.tolerances["error_at_full_recall"] == Tolerance(
        2, "images", f"largest difference {where}: 2 (between seeds 0, 1: 2)"
    )
    assert after.tolerances["false_positives_at_full_recall"] == Tolerance(
        0, "images", f"largest difference {where}: 0 (between seeds 0, 1: 3)"
    )


def test_a_tolerance_in_images_is_divided_as_its_metric_is() -> None:
    new_baseline(CUP)
    write("again", CUP, error_at_full_recall=8 / 30, false_positive_rate_at_full_recall=7 / GOOD)
    assert main(["base.json", "before", "again"]) == 0
    write("run", CUP, error_at_full_recall=8 / 30, false_positive_rate_at_full_recall=7 / GOOD)
    assert check("run") == 0
    write("run", CUP, error_at_full_recall=9 / 30)
    assert check("run") == 3
    write("run", CUP, false_positive_rate_at_full_recall=8 / GOOD)
    assert check("run") == 3


def test_measured_tolerances_survive_an_update() -> None:
    new_baseline(CUP)
    write("again", CUP, pixel_ap=VALUES["pixel_ap"] + 1e-3)
    assert main(["base.json", "before", "again"]) == 0
    measured = baseline.read(Path("base.json")).tolerances
    assert check("again", "--update") == 0
    assert baseline.read(Path("base.json")).tolerances == measured


def test_measuring_needs_reruns(capsys: pytest.CaptureFixture[str]) -> None:
    new_baseline(CUP)
    write("other", PLATE)
    says = "before other: none of the baseline's cells is in two of these runs"
    assert says in refused(capsys, "before", "other")
    assert "before: none of the baseline's cells" in refused(capsys, "before", "before")
    assert "nowhere" in refused(capsys, "before", "nowhere")
