"""Frames hold what a run's files hold, of several seeds and tables, with types."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import benchmarks
from benchmarks.errors import BenchmarkError
from benchmarks.results import result_sets
from benchmarks.results.metrics_csv import COLUMNS
from benchmarks.run.__main__ import main as run
from benchmarks.uncertainty.writing import uncertainty_files, write_uncertainty
from tests.helpers.data_sets import SIDE, write_category, write_dataset
from tests.helpers.runs import Cell, some_maps, some_scores, write_run


@pytest.fixture
def seeds(folder: Path) -> Path:
    """Two methods on three categories, one of them with two seeds; a cell failed."""
    cells = [
        Cell(
            category,
            method,
            {"image_auroc": 0.5 + seed / 10, "pixel_auroc": None},
            seed=seed,
            scores=some_scores(category, f"{method}{seed}"),
            maps=some_maps(category, f"{method}{seed}"),
            measured={"n_train": 7, "fit_seconds": 1.5},
            status="failed" if (category, method) == ("cup", "spade") else "ok",
        )
        for category in ("bar", "cup", "mean")
        for method, several in (("padim", (0, 4)), ("spade", (4,)))
        for seed in several
    ]
    return write_run(folder / "results" / "seeds", cells)


def test_the_long_table_has_types(seeds: Path) -> None:
    frame = benchmarks.results.open("seeds").frame()
    assert tuple(frame.columns) == COLUMNS
    assert len(frame) == 9 * 2
    assert frame["value"].dtype == np.float64
    assert frame["fit_seconds"].dtype == np.float64
    assert frame["seed"].dtype == np.int64
    assert str(frame["shots"].dtype) == str(frame["n_train"].dtype) == "Int64"
    assert frame["shots"].isna().all()
    assert frame["higher_is_better"].dtype == bool
    assert str(frame["started_utc"].dt.tz) == "UTC"
    text = pd.read_csv(seeds / "metrics.csv", dtype=str, keep_default_na=False)
    for column in ("method", "status", "error", "metric", "spec", "params", "run", "dataset"):
        assert frame[column].tolist() == text[column].tolist()
    values = [float(value) if value else np.nan for value in text["value"]]
    np.testing.assert_array_equal(frame["value"], values)


def test_several_seeds_have_a_row_each_and_a_mean(seeds: Path) -> None:
    opened = benchmarks.results.open(seeds)
    frame = opened.frame()
    auroc = frame[frame["metric"] == "image_auroc"]
    wide = auroc.pivot(index=["category", "seed"], columns="method", values="value")
    assert wide.loc[("bar", 4)].tolist() == [0.9, 0.9]
    assert not frame.duplicated(["category", "method", "seed", "metric"]).any()
    table = opened.table("image_auroc")
    assert table.columns.tolist() == ["padim", "spade"]
    assert table.index.tolist() == ["bar", "cup", "mean (category)", "mean"]
    assert table.loc["bar"].tolist() == pytest.approx([0.7, 0.9])
    assert np.isnan(table.loc["cup", "spade"])
    (results,) = result_sets(seeds)
    pd.testing.assert_frame_equal(
        table, results.table("image_auroc").values.rename_axis("category")
    )


def test_scores_and_maps_of_every_seed(seeds: Path) -> None:
    opened = benchmarks.results.open(seeds)
    scores = opened.scores()
    assert scores.columns.tolist() == ["category", "method", "seed", "path", "label", "score"]
    assert len(scores) == 8 * 60
    of_cell = scores[(scores["category"] == "bar") & (scores["seed"] == 4)]
    for method, part in of_cell.groupby("method"):
        labels, values = some_scores("bar", f"{method}4")
        assert part["label"].tolist() == labels
        assert part["score"].tolist() == values
    for seed, of_seed in ((None, 0), (0, 0), (4, 4)):
        maps = opened.maps("padim", "bar", seed=seed)
        np.testing.assert_array_equal(maps.maps, some_maps("bar", f"padim{of_seed}")["maps"])
        assert maps.masks.dtype == bool
    with pytest.raises(
        BenchmarkError, match=r"padi on bar isn't stored: did you mean padim on bar"
    ):
        opened.maps("padi", "bar")
    with pytest.raises(BenchmarkError, match="spade on bar isn't stored"):
        opened.maps("spade", "bar", seed=0)
    with pytest.raises(BenchmarkError, match="padim on bar isn't stored"):
        opened.maps("padim", "bar", shots=3)
    with pytest.raises(BenchmarkError, match=r"has no maps; run it again with --save-maps"):
        opened.maps("spade", "cup")
    with pytest.raises(BenchmarkError, match="has no metric 'image_aurocs': did you mean image_au"):
        opened.table("image_aurocs")
    with pytest.raises(BenchmarkError, match=r"no cells and no metrics\.csv in nothing"):
        benchmarks.results.open("nothing")


def test_intervals_and_pairs_are_those_of_the_tables(seeds: Path) -> None:
    opened = benchmarks.results.open(seeds)
    write_uncertainty(uncertainty_files(result_sets(seeds))[0], seeds / "tables")
    intervals = opened.intervals()
    stored = pd.read_csv(seeds / "tables" / "uncertainty.csv", comment="#")
    assert intervals.columns.tolist() == stored.columns.tolist()
    both = intervals.merge(stored, on=["category", "method", "seed", "metric"], how="right")
    assert len(intervals) == len(stored) + 3 * 2  # padim's other seed
    for name in ("value", "low", "high"):
        np.testing.assert_allclose(both[f"{name}_x"], both[f"{name}_y"], rtol=1e-12)
    assert not intervals.duplicated(["category", "method", "seed", "metric"]).any()
    other = intervals[intervals["metric"] == "image_auroc"].set_index(
        ["category", "method", "seed"]
    )
    assert other.loc[("bar", "padim", 0), "low"] != other.loc[("bar", "padim", 4), "low"]
    pairs = pd.read_csv(seeds / "tables" / "pairs.csv", comment="#")
    assert opened.pairs().columns.tolist() == pairs.columns.tolist()
    assert opened.pairs()["first"].tolist() == pairs["first"].tolist()


def test_a_run_of_several_tables_says_which(folder: Path) -> None:
    cells = [
        Cell(
            "bar",
            "padim",
            {"image_auroc": 0.5 + (shots or 0) / 10},
            shots=shots,
            backbone=backbone,
            scores=some_scores("bar", f"{backbone}{shots}"),
            maps=some_maps("bar", f"{backbone}{shots}"),
        )
        for shots in (None, 2)
        for backbone in ("resnet18", "resnet50")
    ]
    opened = benchmarks.results.open(write_run(folder / "several", cells))
    assert {*opened.frame()["method"]} == {"padim @ resnet18", "padim @ resnet50"}
    table = opened.table("image_auroc")
    assert table.index.names == ["category", "shots"]
    assert table.loc[("bar", "2")].tolist() == [0.7, 0.7]
    assert opened.scores().groupby(["shots", "method"]).size().tolist() == [60] * 4
    assert {*opened.intervals()["shots"]} == {"", "2"}
    for shots in (None, 2):
        found = opened.maps("padim @ resnet50", "bar", shots=shots).maps
        np.testing.assert_array_equal(found, some_maps("bar", f"resnet50{shots}")["maps"])


def test_two_sizes_of_one_method_are_no_single_cell(folder: Path) -> None:
    cells = [
        Cell("bar", "padim", {"image_auroc": 0.5}, image_size=size, maps=some_maps("bar", "padim"))
        for size in (224, 320)
    ]
    opened = benchmarks.results.open(write_run(folder / "sizes", cells))
    with pytest.raises(BenchmarkError, match="padim on bar is stored at several sizes"):
        opened.maps("padim", "bar")


def test_frames_of_a_run_that_was_just_made(folder: Path, no_figures: None) -> None:
    write_dataset(Path("data"), "bar", "cup")
    command = ["--data", "data", "--methods", "padim,spade", "--image-size", "32"]
    assert run([*command, "--backbone", "filterbank", "--out", "out", "--save-maps"]) == 0
    opened = benchmarks.results.open("out")
    maps = opened.maps("padim", "cup")
    of_cell = opened.scores().query("method == 'padim' and category == 'cup'")
    assert maps.names.tolist() == of_cell["path"].tolist()
    np.testing.assert_array_equal(maps.scores, of_cell["score"])
    values = opened.intervals().set_index(["category", "method", "metric"])
    np.testing.assert_array_equal(maps.labels, of_cell["label"])
    computed = benchmarks.evaluate(maps.masks, maps.maps, maps.scores, maps.labels)
    expected = values.loc[("cup", "padim")][["value", "low", "high"]]
    pd.testing.assert_frame_equal(computed, expected)


def test_labels_are_those_of_the_run_where_the_crop_cuts_a_defect_off(
    folder: Path, no_figures: None
) -> None:
    """Evaluated from masks alone, an image with such a defect would count as nominal."""
    root = write_category(Path("data/cup"))
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[0, 0] = 255
    Image.fromarray(mask).save(root / "ground_truth/spot/000_mask.png")
    command = ["--data", "data", "--methods", "padim", "--image-size", "32"]
    assert run([*command, "--backbone", "filterbank", "--out", "out", "--save-maps"]) == 0
    opened = benchmarks.results.open("out")
    maps = opened.maps("padim", "cup")
    assert (maps.labels > maps.masks.any(axis=(1, 2))).sum() == 1
    computed = benchmarks.evaluate(maps.masks, maps.maps, maps.scores, maps.labels)
    stored = opened.intervals().set_index("metric")[["value", "low", "high"]]
    pd.testing.assert_frame_equal(computed, stored)


def test_one_category_of_two_data_sets_is_no_single_cell(folder: Path) -> None:
    cells = [
        Cell("bar", "padim", {"image_auroc": 0.5}, dataset=name, maps=some_maps("bar", "padim"))
        for name in ("first", "second")
    ]
    opened = benchmarks.results.open(write_run(folder / "sets", cells))
    with pytest.raises(BenchmarkError, match="or of several data sets"):
        opened.maps("padim", "bar")
