"""The ranking that the report begins with, against means and intervals by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.report.content import build
from benchmarks.report.pictures import Sheets
from benchmarks.report.schema import PageRanking
from benchmarks.results import result_sets
from tests.helpers.runs import Cell, write_run

NAMES = tuple(f"part{number:02}" for number in range(12))


def ranking(folder: Path, cells: list[Cell], metric: str = "pixel_auroc") -> PageRanking:
    (shown,) = build([result_sets(write_run(folder, cells))], Sheets())["sets"]
    return shown["tables"][metric]["ranking"]


def cells(values: dict[str, list[float]]) -> list[Cell]:
    return [
        Cell(name, method, {"pixel_auroc": value})
        for method, every in values.items()
        for name, value in zip(NAMES, every, strict=False)
    ]


def test_a_better_method_everywhere_is_decided(tmp_path: Path) -> None:
    worse = [0.8 + place / 1000 for place in range(12)]
    better = [value + 0.05 + place / 5000 for place, value in enumerate(worse)]
    found = ranking(tmp_path / "run", cells({"a": worse, "b": better}))
    assert [ranked["method"] for ranked in found["methods"]] == [1, 0]
    means = [ranked["value"] for ranked in found["methods"]]
    assert means == pytest.approx([sum(better) / 12, sum(worse) / 12])
    assert [ranked["marked"] for ranked in found["methods"]] == [True, False]
    assert found["verdict"].endswith("significantly better than a.")


def test_methods_that_win_by_turns_are_not_decided(tmp_path: Path) -> None:
    one = [0.8 + 0.01 * (place % 2) for place in range(12)]
    other = [0.8051 + 0.01 * (place % 2 == 0) - 0.005 for place in range(12)]
    found = ranking(tmp_path / "run", cells({"a": one, "b": other}))
    assert found["verdict"].startswith("Not decided: ")
    assert [ranked["marked"] for ranked in found["methods"]] == [True, True]


def test_few_categories_and_equal_values_decide_nothing(tmp_path: Path) -> None:
    few = ranking(tmp_path / "few", cells({"a": [0.9, 0.9], "b": [0.5, 0.5]}))
    assert "so few categories can’t decide it" in few["verdict"]
    equal = ranking(tmp_path / "equal", cells({"a": [0.9], "b": [0.9]}))
    assert (
        equal["verdict"] == "Not decided: a and b share the highest Pixel AUROC on part00, 90.0 %."
    )


def test_a_method_without_a_value_somewhere_is_not_ranked(tmp_path: Path) -> None:
    found = ranking(tmp_path / "run", cells({"a": [0.7, 0.7], "b": [0.9]}))
    assert [ranked["method"] for ranked in found["methods"]] == [0]
    assert "not ranked: b." in found["note"]
