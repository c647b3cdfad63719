"""Runs that were measured alike are joined; others are refused with what differs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.join.__main__ import main
from benchmarks.results import result_sets
from benchmarks.tables import marks
from tests.helpers.runs import Cell, some_scores, write_run


def cell(method: str, backbone: str = "resnet18", category: str = "bolt") -> Cell:
    scores = some_scores(category, f"{method} {backbone}")
    return Cell(category, method, {"image_auroc": 0.5}, backbone=backbone, scores=scores)


def test_columns_of_several_backbones_are_named_and_tested_in_pairs(folder: Path) -> None:
    write_run(folder / "one", [cell("a"), cell("b")])
    later = replace(cell("a", "wide_resnet50_2"), started="2025-03-05T00:00:00+00:00")
    write_run(folder / "other", [later])
    assert main(["one", "other", "--out", "both"]) == 0
    assert main(["one", "other", "--out", "both"]) == 0  # again changes nothing
    (results,) = result_sets(Path("both"))
    assert list(results.methods) == ["a @ resnet18", "b @ resnet18", "a @ wide_resnet50_2"]
    assert "bolt" in marks.tested_marks(results, results.table("image_auroc")).rows
    assert list(result_sets(Path("one"))[0].methods) == ["a", "b"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"image_size": 320}, "measured at 224 px, cropped from 256, masks nearest and at 320 px"),
        (
            {"interpolation": "lanczos"},
            "measured at 224 px, cropped from 256, masks nearest and at 224 px, cropped from 256, "
            "masks nearest, lanczos",
        ),
        ({"fingerprint": "f1"}, "images or masks of bolt are not the same"),
        ({"dataset": "others"}, "the data are parts and others"),
    ],
)
def test_what_can_not_stand_in_one_table_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], change: dict[str, object], why: str
) -> None:
    write_run(folder / "one", [cell("a")])
    write_run(folder / "other", [replace(cell("b"), **change)])  # type: ignore[arg-type]
    assert main(["one", "other", "--out", "both"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"one and other can't stand in one table: {why}" in line
    assert not Path("both").exists()


def test_an_unknown_run_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nowhere", "--out", "both"]) == 2
    assert "nowhere" in capsys.readouterr().err
