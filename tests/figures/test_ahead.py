"""Example maps are drawn while a run goes on, and drawn again where they show something else."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.figures import ahead, writing
from benchmarks.figures.ahead import Ahead
from benchmarks.figures.writing import write_figures
from benchmarks.results import Store, result_sets
from tests.helpers.runs import Cell, some_maps, some_scores, write_run

EXAMPLES = {"examples_bolt.png", "examples_gear.png"}


def cells(*categories: str, methods: Sequence[str] = ("padim",), **more: Any) -> list[Cell]:
    return [
        Cell(c, m, {"image_auroc": 0.9}, scores=some_scores(c, m), maps=some_maps(c, m), **more)
        for c in categories
        for m in methods
    ]


def store(run: Path, new: Sequence[Cell], drawing: Ahead) -> None:
    """Store cells one after the other, and tell `drawing`."""
    for cell in new:
        drawing.stored(Store(run).write(cell.stored, cell.images, cell.maps))


@pytest.fixture
def in_thread(monkeypatch: pytest.MonkeyPatch) -> list[ThreadPoolExecutor]:
    """Draw in a thread, which starts at once, and return those that are started."""
    pools: list[ThreadPoolExecutor] = []

    def started(module: str) -> ThreadPoolExecutor:
        pools.append(ThreadPoolExecutor(1))
        return pools[-1]

    monkeypatch.setattr(ahead, "standing_back", started)
    return pools


@pytest.fixture
def at_the_end(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the figures that `write_figures` draws."""
    names: list[str] = []
    write = writing.write

    def noted(out: Path, drawing: tuple[Any, ...]) -> writing.Written:
        names.append(drawing[0])
        return write(out, drawing)

    monkeypatch.setattr(writing, "write", noted)
    return names


def test_a_process_draws_what_is_whole_and_the_end_the_rest(
    tmp_path: Path, at_the_end: list[str]
) -> None:
    run, out = tmp_path / "run", tmp_path / "plots"
    with Ahead(run, out) as drawing:
        drawing.begin({"bolt": 1, "gear": 2})
        store(run, cells("bolt"), drawing)
        store(run, cells("gear"), drawing)
        drawn = drawing.drawn()
        assert drawn.keys() == {"examples_bolt"}
        assert {path.name for path in out.iterdir()} == {"examples_bolt.png"}
        assert not (run / "metrics.csv").exists()
    paths = write_figures(result_sets(run), out, drawn=drawn)
    assert "examples_bolt" not in at_the_end
    assert "examples_gear" in at_the_end
    assert {path.name for path in paths} >= EXAMPLES
    assert len(paths) == len({*paths})
    (again,) = (path for path in write_figures(result_sets(run), tmp_path) if "bolt" in path.name)
    assert again.read_bytes() == (out / again.name).read_bytes()


def test_a_killed_process_leaves_its_figures_to_the_end(tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "plots"
    with Ahead(run, out) as drawing:
        drawing.begin({"bolt": 1, "gear": 1})
        assert drawing._pool is not None
        (process,) = drawing._pool._processes.values()
        process.kill()
        process.join()
        store(run, cells("bolt", "gear"), drawing)
        assert drawing.drawn() == {}
    names = {path.name for path in write_figures(result_sets(run), out, drawn=drawing.drawn())}
    assert names >= EXAMPLES


def test_what_later_cells_change_is_drawn_again(
    tmp_path: Path, in_thread: list[ThreadPoolExecutor], at_the_end: list[str]
) -> None:
    run, out = tmp_path / "run", tmp_path / "plots"
    with Ahead(run, out) as drawing:
        drawing.begin({"bolt": 1, "gear": 1})
        store(run, cells("bolt", "gear"), drawing)
        in_thread[0].submit(int).result()
        drawn = drawing.drawn()
    assert {f"{name}.png" for name in drawn} == EXAMPLES
    later = cells("bolt", methods=["spade"])
    store(run, later, drawing)
    names = {path.name for path in write_figures(result_sets(run), out, drawn=drawn)}
    assert names >= EXAMPLES
    assert "examples_bolt" in at_the_end
    assert "examples_gear" not in at_the_end


def test_a_figure_of_a_name_that_the_run_lacks_is_removed(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", cells("bolt"))
    (only,) = sets = result_sets(run)
    (tmp_path / "examples_gone.png").write_bytes(b"drawn")
    paths = write_figures(sets, tmp_path, drawn={"examples_gone": (only,)})
    assert not (tmp_path / "examples_gone.png").exists()
    assert all(path.is_file() for path in paths)


def test_a_figure_that_was_removed_meanwhile_is_drawn(
    tmp_path: Path, in_thread: list[ThreadPoolExecutor]
) -> None:
    run, out = tmp_path / "run", tmp_path / "plots"
    with Ahead(run, out) as drawing:
        drawing.begin({"bolt": 1})
        store(run, cells("bolt"), drawing)
        in_thread[0].submit(int).result()
        drawn = drawing.drawn()
    (out / "examples_bolt.png").unlink()
    assert out / "examples_bolt.png" in write_figures(result_sets(run), out, drawn=drawn)
    assert (out / "examples_bolt.png").is_file()


@pytest.mark.parametrize("why", ["spoilt", "folder"])
def test_what_cannot_be_drawn_is_reported_at_the_end(
    tmp_path: Path, in_thread: list[ThreadPoolExecutor], why: str
) -> None:
    run, out = tmp_path / "run", tmp_path / "plots"
    stored = write_run(run, cells("bolt"))
    if why == "folder":
        out.write_text("in the way")
    else:
        (path,) = (path for path in (stored / "maps").rglob("*") if path.is_file())
        path.write_bytes(path.read_bytes()[:20])
    with Ahead(run, out) as drawing:
        drawing.begin({"gear": 1, "bolt": 1})
        (cell,) = cells("bolt")
        drawing.stored(cell.stored)
        in_thread[0].submit(int).result()
        assert drawing.drawn() == {}
    with pytest.raises(BenchmarkError, match=str(path if why == "spoilt" else out)):
        write_figures(result_sets(run), out, drawn={})


def test_nothing_starts_for_more_categories_than_are_drawn(
    tmp_path: Path, in_thread: list[ThreadPoolExecutor]
) -> None:
    with Ahead(tmp_path / "run", tmp_path) as drawing:
        drawing.begin({f"part{number}": 1 for number in range(31)})
        store(tmp_path / "run", cells("part1"), drawing)
        assert drawing.drawn() == {}
    assert in_thread == []


def test_a_machine_without_room_for_a_process_draws_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(module: str) -> None:
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(ahead, "standing_back", refuse)
    with Ahead(tmp_path / "run", tmp_path) as drawing:
        drawing.begin({"bolt": 1})
        store(tmp_path / "run", cells("bolt"), drawing)
        assert drawing.drawn() == {}
