"""What methods cost: timed on files by a detector, stored beside cells, drawn against accuracy."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.cost import measuring, program
from benchmarks.cost.__main__ import main
from benchmarks.datasets import index
from benchmarks.detection.detector import Detector
from benchmarks.errors import BenchmarkError
from benchmarks.figures.pareto import Point, front, points
from benchmarks.results import derived, result_sets
from benchmarks.results.costs import Cost, read_costs, write_costs
from benchmarks.results.scores import read_image_scores
from benchmarks.run.__main__ import main as run_main
from benchmarks.specs import IMPORTED
from methods.base import Storable
from methods.testing.pretended import pretended_cuda
from tests.helpers.data_sets import write_category
from tests.helpers.runs import Cell, some_scores, write_run

COST = Cost("key", "padim", "cup", "CPU", "", 1, 1, (1.0, 2.0), 1, 1.0, 1, 1.0, {})


@pytest.fixture
def run(folder: Path, no_figures: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A few-shot run of two methods on one category, in a working folder of its own."""
    monkeypatch.setattr(measuring, "SECONDS", 0.0)
    monkeypatch.setattr(measuring, "BATCHES", (1, 2))
    write_category(Path("data/cup"))
    options = "--data data --cache cache --backbone filterbank --image-size 32 --out run"
    chosen = ["--methods", "padim,patchcore-10", "--shots", "3", "--seeds", "4"]
    assert run_main([*chosen, *options.split()]) == 0
    return Path("run")


def test_what_is_timed_is_the_cells_method(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timed: list[tuple[Detector, str]] = []

    def measure(detector: Detector, files: Any, images: int, *, cell: str, method: str) -> Cost:
        timed.append((detector, cell))
        return replace(COST, cell=cell, method=method)

    monkeypatch.setattr(program, "measure_cost", measure)
    assert main([str(run), "--device", "cpu", "--cache", "cache"]) == 0
    (results,) = result_sets(run)
    cells = {cell.spec.key: cell for cell in results.cells}
    assert {cell for _, cell in timed} == {*cells}
    for detector, key in timed:
        stored = read_image_scores(run / str(cells[key].scores))
        scores = detector.score([Path("data/cup") / name for name in stored["path"]]).scores
        np.testing.assert_array_equal(scores, stored["score"])


def test_costs_are_measured_stored_and_drawn(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[int] = []
    score = Detector.score

    def counted(self: Detector, images: Any) -> Any:
        scored.append(len(images))
        return score(self, images)

    monkeypatch.setattr(Detector, "score", counted)
    chosen = ["--images", "4", "--device", "cpu", "--cache", "cache", "--methods", "padim"]
    assert main([str(run), *chosen]) == 0
    assert scored == [1] * (measuring.WARM_UP + 4) + [1, 2]
    (cost,) = read_costs(run)
    assert (cost.method, cost.category, cost.images) == ("padim", "cup", 4)
    assert 0 < cost.milliseconds[0] <= cost.milliseconds[1]
    assert cost.batch in (1, 2)
    assert min(cost.images_per_second, cost.peak_memory_mb) > 0
    assert "padim" in capsys.readouterr().out
    assert (run / "plots/pareto.png").stat().st_size > 0


def test_a_fitted_method_takes_the_bytes_of_its_state(run: Path) -> None:
    assert main([str(run), "--images", "1", "--device", "cpu", "--cache", "cache"]) == 0
    by_method = {cost.method: cost.state_bytes for cost in read_costs(run)}
    detector = measuring_detector(run, "padim")
    assert isinstance(detector.method, Storable)
    tensors = [v for v in detector.method.state().values() if hasattr(v, "nbytes")]
    assert by_method["padim"] == sum(tensor.nbytes for tensor in tensors) > 0


def measuring_detector(run: Path, method: str) -> Detector:
    from benchmarks.backbones.choice import Choice
    from benchmarks.detection.detector import detector_of

    (results,) = result_sets(run)
    spec = results.columns[method][0].spec
    return detector_of(spec, [Choice("filterbank")], "cpu").fit(Path("data/cup/train/good"))


def test_what_cannot_be_timed_is_said(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run), "--methods", "padin", "--cache", "cache"]) == 2
    assert "run has padim, patchcore-10" in capsys.readouterr().err
    write_category(Path("other/cup"), train=7)
    assert main([str(run), "--data", "other", "--cache", "cache"]) == 2
    said = capsys.readouterr().err
    assert "none of its categories is in other as it was" in said
    assert "Traceback" not in said


def test_a_failed_cell_and_what_a_detector_cannot_do_are_a_line_each(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = run.glob("cells/padim/*.json")
    stored = json.loads(path.read_text())
    path.write_text(json.dumps({**stored, "status": "failed", "error": "too few", "metrics": {}}))
    chosen = ["--device", "cpu", "--cache", "cache", "--images", "1"]
    assert main([str(run), *chosen]) == 0
    said = capsys.readouterr().err
    assert "padim isn't timed: all of its cells failed" in said.splitlines()
    assert "python -m benchmarks.report run shows these costs in the report" in said.splitlines()
    assert [cost.method for cost in read_costs(run)] == ["patchcore-10"]

    def out_of_memory(*_: Any, **__: Any) -> Cost:
        raise BenchmarkError("memory ran out")

    monkeypatch.setattr(program, "measure_cost", out_of_memory)
    assert main([str(run), *chosen]) == 2
    said = capsys.readouterr().err
    assert "patchcore-10 isn't timed: memory ran out" in said.splitlines()
    assert "none of its methods can be timed here" in said.splitlines()[-1]


@pytest.mark.parametrize(
    "others", [{"backbone": IMPORTED}, {"backbone": "a+b"}, {"contamination": 0.1, "reserve": 0.1}]
)
def test_a_detector_is_not_timed_where_it_would_do_something_else(
    tmp_path: Path, others: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_category(tmp_path / "data/cup").parent
    of_cell = Cell("cup", "padim", {"image_auroc": 0.5})
    run = write_run(tmp_path / "run", [of_cell])
    (results,) = result_sets(run)
    (cell,) = results.cells
    backbone = replace(cell.spec.protocol.backbone, name=others.get("backbone", "filterbank"))
    spec = replace(
        cell.spec,
        protocol=replace(cell.spec.protocol, backbone=backbone),
        **{name: value for name, value in others.items() if name != "backbone"},
    )
    changed = replace(results, cells=[replace(cell, spec=spec)])
    (method,) = changed.methods
    assert list(program._cells(changed, index(root), [method])) == []
    assert "aren't timed" in capsys.readouterr().err


def test_threads_are_a_runs(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", chosen.append)
    options = ["--device", "cpu", "--cache", "cache", "--images", "1", "--methods", "padim"]
    assert main([str(run), *options, "--threads", "3"]) == 0
    assert chosen[0] == 3


def test_a_run_shows_costs_again_after_they_were_measured(run: Path) -> None:
    assert derived.is_current(run)
    write_costs(run, [COST])
    assert not derived.is_current(run)


def test_costs_on_a_pretended_device(run: Path) -> None:
    chosen = ["--device", "cuda", "--cache", "cache", "--images", "1"]
    with pretended_cuda() as counts:
        assert main([str(run), *chosen]) == 0
    assert counts["copy to device"] > 0
    costs = read_costs(run)
    assert {cost.method for cost in costs} == {"padim", "patchcore-10"}
    assert len({cost.machine for cost in costs}) == 1
    assert "cores" not in costs[0].machine  # a GPU's name
    assert all(cost.peak_memory_mb > 0 for cost in costs)


def test_what_is_measured_again_replaces_what_was(folder: Path) -> None:
    run = Path("run")
    write_costs(run, [COST, replace(COST, machine="GPU")])
    write_costs(run, [replace(COST, images=7)])
    assert [(cost.machine, cost.images) for cost in read_costs(run)] == [("GPU", 1), ("CPU", 7)]
    said: list[str] = []
    (run / "cost.json").write_text("[{}]")
    assert read_costs(run, said.append) == []
    assert "cost.json" in said[0]
    assert "benchmarks.cost" in said[0]


def test_points_are_means_with_times_of_the_machine_measured_last(tmp_path: Path) -> None:
    cells = [
        Cell(category, method, {"image_auroc": value}, scores=some_scores(category, method))
        for category, value in (("cup", 0.8), ("mug", 0.9))
        for method in ("padim", "spade")
    ]
    (results,) = result_sets(write_run(tmp_path, cells))
    first = {method: results.first["cup", method].spec.key for method in ("padim", "spade")}
    write_costs(results.run, [replace(COST, cell=first["spade"], machine="GPU")])
    write_costs(results.run, [replace(COST, cell=first["padim"], milliseconds=(3.0, 4.0))])
    (point,) = points(results, "image_auroc")
    assert (point.method, point.cost.milliseconds) == ("padim", (3.0, 4.0))
    assert point.value == pytest.approx(0.85)
    assert point.interval is not None
    assert point.interval[0] < 0.85 < point.interval[1]


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1), st.booleans())
def test_no_method_beats_one_of_the_front(pairs: list[tuple[int, int]], higher: bool) -> None:
    every = [
        Point(str(n), replace(COST, milliseconds=(float(ms), 9.0)), float(value), None)
        for n, (ms, value) in enumerate(pairs)
    ]
    best = front(every, higher_is_better=higher)
    sign = 1 if higher else -1

    def beats(one: Point, other: Point) -> bool:
        faster = other.cost.milliseconds[0] - one.cost.milliseconds[0]
        better = sign * (one.value - other.value)
        return min(faster, better) >= 0 and max(faster, better) > 0

    values = {(p.cost.milliseconds[0], p.value) for p in best}
    undominated = [p for p in every if not any(beats(other, p) for other in every)]
    assert values == {(p.cost.milliseconds[0], p.value) for p in undominated}
