"""Anomalous test images among the training images: which, in what order, and what is judged."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.errors import BenchmarkError
from benchmarks.evaluation.drawing import draw_images
from benchmarks.results import Cell, Store, result_sets
from benchmarks.results.metrics_csv import read_cells
from benchmarks.results.pairs import all_pairs
from benchmarks.results.scores import read_held_out, read_image_scores
from benchmarks.run.__main__ import main as run
from benchmarks.specs import BackboneSpec, CellSpec, EvaluationProtocol
from tests.helpers.data_sets import write_category

PROTOCOL = EvaluationProtocol(BackboneSpec("filterbank", "none", "", {}), 32)


def spec(share: float, reserve: float, seed: int = 0, **conditions: float) -> CellSpec:
    values = {"contamination": share, "reserve": reserve, **conditions}
    return CellSpec("d", "f", "cup", "padim", {}, PROTOCOL, seed, **values)  # type: ignore[arg-type]


@given(st.integers(10, 60), st.integers(0, 50), st.sampled_from([0.1, 0.2, 0.3]))
def test_shares_nest_and_leave_the_same_images_to_judge(
    images: int, seed: int, largest: float
) -> None:
    labels = [0] * 7 + [1] * 30
    draws = [draw_images(spec(s, largest, seed), images, labels) for s in (0, 0.1, largest)]
    dirt = [{row for row in draw.fitted if row >= images} for draw in draws]
    counts = [0, round(0.1 * images), round(largest * images)]
    assert [*map(len, dirt)] == counts
    assert dirt[0] <= dirt[1] <= dirt[2]
    assert all(len(draw.fitted) == images for draw in draws)
    clean = [{*draw.fitted} - rows for draw, rows in zip(draws, dirt, strict=True)]
    assert clean[0] >= clean[1] >= clean[2]
    judged = [draw.judged for draw in draws]
    assert judged[0] == judged[1] == judged[2]
    assert {*judged[0]} == {*range(37)} - {row - images for row in dirt[2]}
    assert all(labels[row - images] == 1 for row in dirt[2])


def test_shots_and_held_out_images_are_drawn_of_the_contaminated_ones() -> None:
    labels, images = [1] * 40, 20
    whole = draw_images(spec(0.5, 0.5), images, labels)
    both = draw_images(spec(0.5, 0.5, calibrate=10, shots=6), images, labels)
    assert {*both.fitted, *both.held_out} <= {*whole.fitted}
    assert (len(both.fitted), len(both.held_out)) == (6, 10)
    seeds = range(20)
    drawn = [draw_images(spec(0.5, 0.5, seed, calibrate=10), images, labels) for seed in seeds]
    share = sum(row >= images for draw in drawn for row in draw.held_out) / 200
    assert 0.35 < share < 0.65  # half of them are anomalous, within 4 standard deviations


def test_what_cant_be_had_is_refused_with_the_number() -> None:
    with pytest.raises(BenchmarkError, match=r"0\.01: that of 20 training images is none"):
        draw_images(spec(0.01, 0.1), 20, [1] * 9)
    with pytest.raises(BenchmarkError, match="20 training images is 4, and of 4 anomalous"):
        draw_images(spec(0, 0.2), 20, [1] * 4)


# The whole way


def compare(*options: str) -> int:
    command = ["--data", "data", "--backbone", "filterbank", "--image-size", "32", "--out", "out"]
    return run([*command, "--cache", "cache", "--methods", "padim,knn", *options])


def names(cell: Cell) -> list[str]:
    return read_image_scores(Path("out") / str(cell.scores))["path"].tolist()


def test_a_run_compares_shares_on_the_same_images(
    folder: Path, no_figures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    write_category(Path("data/cup"), train=20, good=6, defect=8)
    assert compare("--contamination", "0,0.2", "--calibrate", "0.5") == 0
    assert "34 images passed the backbone" in capsys.readouterr().err
    cells = Store(Path("out")).cells()
    assert sorted((c.spec.contamination, c.spec.reserve) for c in cells) == [
        *[(0.0, 0.2)] * 2,
        *[(0.2, 0.2)] * 2,
    ]
    assert len({tuple(names(cell)) for cell in cells}) == 1
    judged = {*names(cells[0])}
    assert (len(judged), cells[0].n_test_good, cells[0].n_test_defect) == (10, 6, 4)
    held = {c.spec.contamination: read_held_out(Path("out") / str(c.held_out)) for c in cells}
    dirty = {name for name in held[0.2].names if name.startswith("test/")}
    assert dirty
    assert not dirty & judged
    assert all(name.startswith("train/") for name in held[0.0].names)
    again = {cell.spec.key for cell in read_cells(Path("out/metrics.csv"))}
    assert again == {cell.spec.key for cell in cells}
    sets = result_sets(Path("out"))
    assert [results.spec.contamination for results in sets] == [0.0, 0.2]
    assert "20 % of the training images anomalous" in sets[1].caption("A")
    assert not all_pairs(sets[1]).empty
    assert compare("--contamination", "0,0.2", "--calibrate", "0.5") == 0
    assert "nothing left to do" in capsys.readouterr().err
    assert compare("--contamination", "0,0.4") == 2
    assert "cup: --contamination 0.4: that of 20 training images is 8" in capsys.readouterr().err
    assert compare("--contamination", "0.1", "--augment", "flip") == 2
    assert "takes no --augment" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        compare("--contamination", "1")
    assert "give shares from 0 to below 1" in capsys.readouterr().err
