"""The cells that stand are those asked for last, whatever any clock said when they were made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.errors import BenchmarkError, StorageError
from benchmarks.results import Cell, Store, derived, result_sets
from benchmarks.results.standing import NAME, note, read_notes, standing
from tests.helpers.runs import Cell as Small


def stored(fingerprint: str = "1", category: str = "bolt", method: str = "a") -> Cell:
    cell = Small(category, method, {"image_auroc": 0.5}, dataset="images", fingerprint=fingerprint)
    return replace(cell.stored, place="x")


def at(cell: Cell, day: int) -> Cell:
    """Return the cell as if its evaluation had begun on another day."""
    return replace(
        cell, started_utc=(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(day)).isoformat()
    )


def ask(run: Path, *cells: Cell, folder: str = "x") -> None:
    note(run, [cell.spec for cell in cells], folder)


def shown(run: Path, cells: Iterable[Cell]) -> list[str]:
    """Return category, method and fingerprint of what stands."""
    specs = [cell.spec for cell in standing(list(cells), read_notes(run)).cells]
    return sorted(f"{s.category} {s.method} {s.dataset_fingerprint}" for s in specs)


def test_where_nothing_was_asked_for_the_newest_stands(tmp_path: Path) -> None:
    cells = [at(stored("1"), 2), at(stored("2"), 1), at(stored("3", "nut"), 0)]
    assert shown(tmp_path, cells) == ["bolt a 1", "nut a 3"]


def test_what_was_asked_for_last_stands_whichever_is_newer(tmp_path: Path) -> None:
    old, new = at(stored("1"), 1), at(stored("2"), 2)
    for asked, expected in ((old, "1"), (new, "2"), (old, "1")):
        ask(tmp_path, asked)
        assert shown(tmp_path, [old, new]) == [f"bolt a {expected}"]


def test_a_cell_that_nobody_asked_for_stands_where_nothing_competes(tmp_path: Path) -> None:
    ask(tmp_path, stored("1"))
    copied = [at(stored("2"), 9), at(stored("3", "nut"), 9), at(stored("1", method="b"), 9)]
    assert shown(tmp_path, [stored("1"), *copied]) == ["bolt a 1", "bolt b 1", "nut a 3"]


def test_nothing_stands_in_for_what_was_asked_for_and_is_not_evaluated(tmp_path: Path) -> None:
    """Of an interrupted command: the cell of the data before isn't shown as today's."""
    old, other = stored("1"), stored("1", "nut")
    ask(tmp_path, old, other)
    ask(tmp_path, stored("2"))
    stand = standing([old, other], read_notes(tmp_path))
    assert stand.cells == [other]
    assert stand.awaited == 1


def test_other_categories_methods_and_seeds_keep_what_was_asked_for_them(tmp_path: Path) -> None:
    a, b, nut = stored("1"), stored("1", method="b"), stored("1", "nut")
    seed = replace(a, spec=replace(a.spec, seed=1))
    ask(tmp_path, a, b, nut, seed)
    late = at(stored("0", "nut"), 9)
    ask(tmp_path, stored("1", method="c"))
    stand = standing([a, b, nut, seed, late], read_notes(tmp_path)).cells
    assert [cell.key for cell in stand] == [cell.key for cell in (a, b, nut, seed)]


def test_parameters_of_one_name_are_those_asked_for_last(tmp_path: Path) -> None:
    a = stored("1")
    other = at(replace(a, spec=replace(a.spec, params={"neighbours": 5})), 9)
    ask(tmp_path, other)
    ask(tmp_path, a)
    assert standing([a, other], read_notes(tmp_path)).cells == [a]


def test_methods_of_a_category_stand_on_the_data_that_was_seen_last(tmp_path: Path) -> None:
    """Masks were changed for one method, and changed back before another was asked for."""
    a, b, tried = stored("1"), stored("1", method="b"), stored("2")
    ask(tmp_path, a, b)
    ask(tmp_path, tried)
    assert shown(tmp_path, [a, b, tried]) == ["bolt a 2", "bolt b 1"]
    ask(tmp_path, b)
    assert shown(tmp_path, [a, b, tried]) == ["bolt a 1", "bolt b 1"]


def test_a_data_set_that_was_moved_and_changed_is_one(tmp_path: Path) -> None:
    bolt, nut = stored("1"), stored("3", "nut")
    ask(tmp_path, bolt, nut, folder="x")
    changed = replace(stored("2"), place="y")
    ask(tmp_path, changed, nut, folder="y")
    assert shown(tmp_path, [bolt, nut, changed]) == ["bolt a 2", "nut a 3"]


def test_data_sets_of_one_name_stand_side_by_side(tmp_path: Path) -> None:
    ours, theirs = stored("1"), replace(stored("2"), place="y")
    tried = at(stored("3"), 9)
    ask(tmp_path, tried, folder="x")
    ask(tmp_path, ours, folder="x")
    ask(tmp_path, theirs, folder="y")
    stand = standing([ours, theirs, tried], read_notes(tmp_path))
    assert stand.cells == [ours, theirs]
    assert stand.datasets == ["images (x)", "images (y)"]


PLACES = [(category, method) for category in ("bolt", "nut") for method in ("a", "b")]
COMMANDS = st.lists(
    st.tuples(st.sampled_from(["1", "2", "3"]), st.sets(st.sampled_from(PLACES), min_size=1)),
    max_size=6,
)
"""Each the data as they were, and the categories and methods that were asked for."""


def expected(
    commands: Sequence[tuple[str, set[tuple[str, str]]]], held: Sequence[Cell]
) -> list[str]:
    """Return what stands, by going back through the commands."""
    stand = []
    for category, method in PLACES:
        seen = [data for data, places in commands if category in {place[0] for place in places}]
        asked = [data for data, places in commands if (category, method) in places]
        if asked:
            data = seen[-1] if seen[-1] in asked else asked[-1]
            if stored(data, category, method) in held:
                stand.append(f"{category} {method} {data}")
    return sorted(stand)


@given(COMMANDS, st.data())
def test_no_clock_and_no_order_of_files_changes_what_was_asked_for(
    tmp_path_factory: pytest.TempPathFactory,
    commands: Sequence[tuple[str, set[tuple[str, str]]]],
    data: st.DataObject,
) -> None:
    run = tmp_path_factory.mktemp("run")
    asked = [stored(print_, *place) for print_, places in commands for place in sorted(places)]
    cells = list({cell.key: cell for cell in asked}.values())
    held = data.draw(st.lists(st.sampled_from(cells), unique_by=id)) if cells else []
    for fingerprint, places in commands:
        ask(run, *(stored(fingerprint, *place) for place in places))
    days = data.draw(st.lists(st.integers(0, 9), min_size=len(held), max_size=len(held)))
    moved = [at(cell, day) for cell, day in zip(held, days, strict=True)]
    stand = shown(run, data.draw(st.permutations(moved)))
    assert stand == expected(commands, held)


def test_asking_again_writes_nothing_and_the_order_of_methods_is_not_kept(tmp_path: Path) -> None:
    a, b = stored("1"), stored("1", method="b")
    ask(tmp_path, a, b)
    content, begun = (tmp_path / NAME).read_bytes(), (tmp_path / NAME).stat().st_mtime_ns
    ask(tmp_path, a)
    ask(tmp_path, b)
    assert (tmp_path / NAME).read_bytes() == content
    assert (tmp_path / NAME).stat().st_mtime_ns == begun


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', '{"a": [["x"]]}', "\ud800"])
def test_notes_that_can_not_be_read_are_named_and_written_anew(
    tmp_path: Path, content: str
) -> None:
    store, warnings = Store(tmp_path), []
    for cell in (at(stored("1"), 1), at(stored("2"), 2)):
        store.write(cell)
    (tmp_path / NAME).write_bytes(content.encode(errors="surrogatepass"))
    assert [c.spec.dataset_fingerprint for c in store.standing(warnings.append).cells] == ["2"]
    assert [str(tmp_path / NAME) in line for line in warnings] == [True]
    store.ask([stored("1").spec], "x")
    assert [c.spec.dataset_fingerprint for c in store.standing(warnings.append).cells] == ["1"]
    (tmp_path / NAME).unlink()
    assert [c.spec.dataset_fingerprint for c in store.standing(warnings.append).cells] == ["2"]
    assert len(warnings) == 1


def test_tables_and_the_long_table_show_the_cells_that_stand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path)
    for fingerprint in "12":
        store.write(at(stored(fingerprint), int(fingerprint)))
    store.ask([stored("1").spec], "x")
    (results,) = result_sets(tmp_path)
    assert [cell.spec.dataset_fingerprint for cell in results.cells] == ["1"]
    rows = (tmp_path / "metrics.csv").read_text().splitlines()[1:]
    assert [row.split(",")[2] for row in rows] == ["1"]
    assert capsys.readouterr().err == ""
    store.ask([stored("3").spec], "x")
    with pytest.raises(BenchmarkError, match="no cell of what was asked for last"):
        result_sets(tmp_path)
    assert "1 cells asked for last aren't evaluated yet" in capsys.readouterr().err


def test_files_made_before_something_else_was_asked_for_are_not_current(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for fingerprint in "12":
        store.write(stored(fingerprint))
    store.ask([stored("1").spec], "x")
    derived.record(tmp_path, [])
    assert derived.is_current(tmp_path)
    store.ask([stored("2").spec], "x")
    assert not derived.is_current(tmp_path)


def test_a_failed_evaluation_keeps_the_result_and_its_traceback_lies_in_the_logs(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path)
    good = store.write(replace(stored(), n_test_good=1), [("test/good/0.png", 0, 0.5)])
    failed = Cell(good.spec, "failed", error="disk full")
    said = store.write(failed, traceback="Traceback")
    assert store.find(good.spec) == good
    assert store.has(good.spec)
    assert said.status == "failed"
    assert said.failure == f"disk full; the result stored before stays; traceback: {said.log}"
    assert (tmp_path / str(said.log)).read_text() == "Traceback"
    store.write(good)
    assert not (tmp_path / str(said.log)).exists()


def test_a_result_stays_also_where_its_scores_are_gone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    good = store.write(replace(stored(), n_test_good=1), [("test/good/0.png", 0, 0.5)])
    (tmp_path / str(good.scores)).unlink()
    store.write(Cell(good.spec, "failed", error="disk full"))
    assert store.cells() == [good]


def change(run: Path, **values: object) -> Path:
    """Store further values in the only cell, as a later version might; return its path."""
    (path,) = (run / "cells").glob("*/*.json")
    content = json.loads(path.read_text())
    for name, value in values.items():
        content[name] = {**content[name], **value} if isinstance(value, dict) else value
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("values", "part"),
    [({"energy": 3}, "energy"), ({"metrics": {"image_mcc": 0.5}}, "image_mcc")],
)
def test_what_a_later_version_added_is_named_and_never_overwritten(
    tmp_path: Path, values: dict[str, object], part: str
) -> None:
    store, warnings = Store(tmp_path), []
    good = store.write(stored())
    path = change(tmp_path, **values)
    content = path.read_bytes()
    (cell,) = store.cells(warnings.append)
    assert cell.metrics["image_auroc"] == 0.5
    (line,) = warnings
    assert "1 cells written by a later version" in line
    assert f"{path}: {part}" in line
    assert "update the program" in line
    for write in (lambda: store.write(good), lambda: store.write(replace(good, status="failed"))):
        with pytest.raises(StorageError, match=f"later version.*{part}.*--out"):
            write()
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "values", [{"spec": {"light": "infrared"}}, {"spec": {"metrics_version": 99}}]
)
def test_a_specification_of_a_later_version_is_not_called_damaged(
    tmp_path: Path, values: dict[str, object]
) -> None:
    store, warnings = Store(tmp_path), []
    store.write(stored())
    change(tmp_path, **values)
    store.cells(warnings.append)
    (line,) = warnings
    assert "later version" in line
    assert "not a readable cell" not in line


def test_a_failed_cell_of_a_later_version_may_be_evaluated_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(Cell(stored().spec, "failed", error="no memory"))
    change(tmp_path, energy=3)
    store.write(stored())
    assert store.has(stored().spec)
