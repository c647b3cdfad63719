"""Which cells are of one data set: by what they hold and where it lay, not by a name."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.results import Store, result_sets
from benchmarks.results.cell import Cell
from benchmarks.results.identity import dataset_labels
from tests.helpers.runs import Cell as Small


def stored(category: str, fingerprint: str, place: str, dataset: str = "images") -> Cell:
    cell = Small(category, "a", {"image_auroc": 0.5}, dataset=dataset, fingerprint=fingerprint)
    return replace(cell.stored, place=place)


def groups(*cells: Cell) -> list[set[str]]:
    """Return the names of categories that share a data set."""
    names = dataset_labels(cells)
    found: dict[str, set[str]] = {}
    for cell in cells:
        found.setdefault(names.get(cell.short_key, "one"), set()).add(
            f"{cell.spec.category}-{cell.spec.dataset_fingerprint}"
        )
    return sorted(found.values(), key=sorted)


def test_one_folder_is_one_data_set_also_where_it_changed() -> None:
    assert groups(stored("bolt", "1", "x"), stored("bolt", "2", "x"), stored("nut", "3", "x")) == [
        {"bolt-1", "bolt-2", "nut-3"}
    ]


def test_folders_of_one_name_are_one_where_no_category_contradicts() -> None:
    cells = stored("bolt", "1", "x"), stored("nut", "2", "x"), stored("washer", "3", "y")
    assert groups(*cells) == [{"bolt-1", "nut-2", "washer-3"}]


def test_folders_of_one_name_are_not_where_a_category_has_other_images() -> None:
    cells = (
        stored("bolt", "1", "x"),
        stored("nut", "2", "x"),
        stored("washer", "3", "y"),
        stored("bolt", "4", "z"),
    )
    assert groups(*cells) == [{"bolt-1", "nut-2"}, {"bolt-4"}, {"washer-3"}]


def test_a_folder_that_commands_found_a_cells_data_in_counts_as_where_it_lay() -> None:
    cells = stored("bolt", "1", "x"), stored("nut", "2", "x"), stored("bolt", "3", "y")
    assert {*dataset_labels(cells).values()} == {"images (x)", "images (y)"}
    assert dataset_labels(cells, {cells[1].key: {"y"}}) == {}


def test_a_copy_elsewhere_is_the_same_and_joins_what_else_lies_there() -> None:
    cells = (
        stored("bolt", "1", "x"),
        stored("nut", "2", "y"),
        stored("bolt", "1", "y"),
        stored("nut", "3", "z"),
    )
    assert groups(*cells) == [{"bolt-1", "nut-2"}, {"nut-3"}]


@pytest.mark.parametrize("dataset", ["mvtec_ad", "synthetic"])
def test_what_is_known_by_its_content_is_one_wherever_it_lies(dataset: str) -> None:
    cells = stored("bottle", "1", "x", dataset), stored("cable", "2", "y", dataset)
    assert dataset_labels(cells) == {}


def test_categories_of_several_folders_share_a_mean_and_the_caption_says_so(
    tmp_path: Path,
) -> None:
    parts = [stored("bolt", "1", "aaaaaaaa"), stored("nut", "2", "bbbbbbbb")]
    (results,) = result_sets(run_of(tmp_path / "parts", parts))
    assert results.categories == ("bolt", "nut")
    assert results.table("image_auroc").values["a"].loc["mean"] == 0.5
    assert "categories of 2 folders of that name" in results.caption("Results")
    (results,) = result_sets(run_of(tmp_path / "whole", [parts[0], stored("nut", "2", "aaaaaaaa")]))
    assert "folders" not in results.caption("Results")


def run_of(folder: Path, cells: Sequence[Cell]) -> Path:
    for cell in cells:
        Store(folder).write(cell)
    return folder


def test_data_sets_of_one_name_have_tables_and_means_of_their_own(tmp_path: Path) -> None:
    one = [stored("bolt", "1", "aaaaaaaa"), stored("nut", "2", "aaaaaaaa")]
    other = [stored("bolt", "3", "bbbbbbbb"), stored("washer", "4", "bbbbbbbb")]
    sets = result_sets(run_of(tmp_path, [*one, *other]))
    assert [results.categories for results in sets] == [("bolt", "nut"), ("bolt", "washer")]
    assert [results.dataset for results in sets] == ["images (aaaaaa)", "images (bbbbbb)"]
    for results in sets:
        assert "other data sets of that name are shown apart" in results.caption("Results")
        assert results.table("image_auroc").values["a"].loc["mean"] == 0.5


def test_cells_put_into_a_run_are_in_its_table_without_more_ado(tmp_path: Path) -> None:
    one = run_of(tmp_path / "one", [stored("bolt", "1", "x")])
    assert result_sets(one)[0].categories == ("bolt",)
    other = run_of(tmp_path / "other", [stored("nut", "2", "x")])
    shutil.copytree(other / "cells", one / "cells", dirs_exist_ok=True)
    assert result_sets(one)[0].categories == ("bolt", "nut")
    assert (one / "metrics.csv").read_text().count("\n") == 3
    shutil.rmtree(one / "cells" / "a")
    shutil.copytree(other / "cells", one / "cells", dirs_exist_ok=True)
    assert result_sets(one)[0].categories == ("nut",)


def test_a_table_that_cannot_be_written_is_shown_from_the_cells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(tmp_path, [stored("bolt", "1", "x")])
    (run / "metrics.csv").mkdir()
    assert result_sets(run)[0].categories == ("bolt",)
    assert "can't be written" in capsys.readouterr().err
