"""Runs that were measured alike are joined; others are refused with what differs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.join.__main__ import main
from benchmarks.results import Store, result_sets
from benchmarks.results.lock import only_writer
from benchmarks.tables import marks
from tests.helpers.runs import Cell, some_scores, write_run


def cell(method: str, backbone: str = "resnet18", category: str = "bolt") -> Cell:
    scores = some_scores(category, f"{method} {backbone}")
    counts = {"n_test_good": 20, "n_test_defect": 40}
    values = {"image_auroc": 0.5}
    return Cell(category, method, values, backbone=backbone, scores=scores, measured=counts)


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


def test_counts_are_those_of_what_was_copied_was_there_and_failed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = replace(cell("b"), status="failed", scores=None)
    write_run(folder / "one", [cell("a"), failed])
    write_run(
        folder / "other", [cell("a"), replace(failed, category="nut"), cell("a", category="nut")]
    )
    assert main(["one", "other", "--out", "both"]) == 0
    said = capsys.readouterr().err
    assert "2 cells joined in both: 2 copied, 0 were there; 2 failed, left out; " in said
    assert main(["one", "other", "--out", "both"]) == 0
    assert (
        "2 cells joined in both: 0 copied, 2 were there; 2 failed, left out; "
        in capsys.readouterr().err
    )
    assert len(Store(Path("both")).cells()) == 2


@pytest.mark.parametrize("first", ["good", "bad"])
def test_a_good_cell_is_taken_over_a_failed_one(
    folder: Path, capsys: pytest.CaptureFixture[str], first: str
) -> None:
    write_run(folder / "good", [cell("a")])
    write_run(folder / "bad", [replace(cell("a"), status="failed", scores=None)])
    write_run(folder / "both", [replace(cell("a"), status="failed", scores=None)])
    runs = ["good", "bad"] if first == "good" else ["bad", "good"]
    assert main([*runs, "--out", "both"]) == 0
    assert "1 cells joined in both: 1 copied, 0 were there; python" in capsys.readouterr().err
    (stored,) = Store(Path("both")).cells()
    assert stored.status == "ok"
    assert (Path("both") / str(stored.scores)).is_file()


def test_only_what_stands_is_joined_and_stands(folder: Path) -> None:
    """The other cell is of masks that were changed back."""
    tried = replace(cell("a"), fingerprint="f1", started="2099-01-01T00:00:00+00:00")
    write_run(folder / "one", [cell("a"), tried])
    Store(folder / "one").ask([cell("a").spec], "")
    write_run(folder / "other", [cell("b")])
    write_run(folder / "both", [replace(tried, method="c")])
    assert main(["one", "other", "--out", "new"]) == 0
    (results,) = result_sets(Path("new"))
    assert {c.spec.dataset_fingerprint for c in results.cells} == {"f0"}
    assert len(Store(Path("new")).cells()) == 2
    assert main(["one", "other", "--out", "both"]) == 2


def test_parts_of_a_sweep_of_several_folders_share_a_mean(folder: Path) -> None:
    for number, category in enumerate(("bolt", "nut")):
        part = replace(cell("a", category=category).stored, place=f"{number}")
        Store(folder / category).write(part)
    assert main(["bolt", "nut", "--out", "both"]) == 0
    (results,) = result_sets(Path("both"))
    assert results.table("image_auroc").values["a"].to_dict() == dict.fromkeys(
        ("bolt", "nut", "mean"), 0.5
    )


def test_a_run_that_is_written_is_not_joined_into(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(folder / "one", [cell("a")])
    with only_writer(folder / "both"):
        assert main(["one", "--out", "both"]) == 2
    assert "another command writes there" in capsys.readouterr().err
    assert not Path("both").exists()


def test_a_run_without_cells_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(folder / "one", [cell("a")])
    shutil.rmtree(folder / "one/cells")  # as of a run of which metrics.csv alone was kept
    assert main(["one", "--out", "both"]) == 2
    assert "error: one: no cells" in capsys.readouterr().err


def test_an_unknown_run_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nowhere", "--out", "both"]) == 2
    assert "nowhere" in capsys.readouterr().err
