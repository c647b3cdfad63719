"""What the command writes of a run: intervals, pairs, and the figure of ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.figures.critical_difference import draw_critical_difference
from benchmarks.metrics import pimo
from benchmarks.metrics.definitions import METRICS
from benchmarks.metrics.image import image_metrics
from benchmarks.metrics.pixel import pixel_metrics
from benchmarks.results import ResultSet, result_sets
from benchmarks.results.intervals import estimates
from benchmarks.results.pairs import all_pairs
from benchmarks.statistics.paired import paired_test
from benchmarks.uncertainty.__main__ import main
from benchmarks.uncertainty.writing import uncertainty_files, write_uncertainty
from tests.helpers.runs import MVTEC_AD, Cell, some_maps, some_scores, write_run


def written(sets: Sequence[ResultSet]) -> tuple[list[Path], str]:
    """Write the files of a run's uncertainty; return their paths and the main tables."""
    files, text = uncertainty_files(sets)
    return write_uncertainty(files, sets[0].run / "tables"), text


def cells(categories: Sequence[str], methods: Sequence[str] = ("spade", "padim")) -> list[Cell]:
    found = []
    for category, method in product(categories, methods):
        labels, scores = some_scores(category, method)
        values = image_metrics(labels, scores) | {"pixel_auroc": 0.9}
        found.append(Cell(category, method, values, scores=(labels, scores)))
    return found


def with_all_maps(cell: Cell) -> Cell:
    """Return a cell of four images whose maps were all kept."""
    names = [f"test/{'bad' if number else 'good'}/{number:03}.png" for number in range(4)]
    maps = some_maps(cell.category, cell.method) | {"names": np.array(names)}
    exact = pixel_metrics(maps["maps"], maps["masks"])
    labels, scores = [0, 1, 1, 1], maps["scores"].tolist()
    values = image_metrics(labels, scores) | exact
    return replace(cell, values=values, scores=(labels, scores), maps=maps)


def read_csv(run: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(run / "tables" / name, comment="#")


def test_every_value_has_its_interval_where_a_run_stored_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pimo, "RATES", (0.1, 0.6))  # AUPIMO's own need more pixels
    bolt, gear = (with_all_maps(Cell(name, "padim")) for name in ("bolt", "gear"))
    assert gear.maps is not None
    some = replace(gear, maps={key: array[:2] for key, array in gear.maps.items()})
    run = write_run(tmp_path / "run", [bolt, some, Cell("rod", "padim", status="failed")])
    written(result_sets(run))
    table = read_csv(run, "uncertainty.csv").set_index(["category", "metric"])
    for metric in (name for name in METRICS if METRICS[name].interval):
        value, low, high = table.loc[("bolt", metric), ["value", "low", "high"]]
        assert low <= value <= high
    assert not np.isnan(table.loc[("gear", "image_auroc"), "low"])
    assert np.isnan(table.loc[("gear", "pixel_auroc"), "low"])
    assert np.isnan(table.loc[("rod", "image_auroc"), "value"])
    text = (run / "tables" / "uncertainty.md").read_text()
    pixel = text[text.index("Pixel AUROC") : text.index("Pixel AP")]
    value = f"{100 * gear.values['pixel_auroc']:.1f}"  # type: ignore[operator]
    assert f"| gear       | {value}" in pixel
    assert "[" in pixel.split("| bolt")[1].splitlines()[0]
    assert "[" not in pixel.split("| gear")[1].splitlines()[0]
    assert "| rod        | –" in pixel


def test_pairs_are_judged_over_categories_and_within_them(tmp_path: Path) -> None:
    categories = [f"part{number}" for number in range(8)]
    run = write_run(tmp_path / "run", cells(categories))
    _, shown = written(result_sets(run))
    table = read_csv(run, "pairs.csv")
    own = table[(table["metric"] == "image_auroc") & (table["test"] == "paired")]
    assert own["category"].tolist() == categories
    labels, scores = some_scores("part3", "spade")
    other = some_scores("part3", "padim")[1]
    p_value = own.set_index("category").loc["part3", "p_value"]
    assert p_value == pytest.approx(paired_test(labels, scores, other))
    over = table[table["test"] == "wilcoxon"].set_index("metric")
    assert (over.loc["pixel_auroc", "p_value"], over.loc["pixel_auroc", "effect"]) == (1, 0)
    assert "no verdict |" not in shown
    assert "part3      | spade" not in shown
    assert "part3      | spade" in (run / "tables" / "pairs.md").read_text()


def test_images_of_one_class_are_left_out(tmp_path: Path) -> None:
    one = [replace(cell, scores=([1, 1], [0.1, 0.2]), values={}) for cell in cells(["bolt"])]
    run = write_run(tmp_path / "run", [*one, *cells(["gear"])])
    written(result_sets(run))
    table = read_csv(run, "pairs.csv")
    assert table[table["test"] == "paired"]["category"].tolist() == ["gear"]
    assert "nan" not in (run / "tables" / "pairs.md").read_text()
    assert "nan" not in (run / "tables" / "uncertainty.md").read_text()


def test_methods_that_saw_different_data_are_not_paired(tmp_path: Path) -> None:
    spade, padim = cells(["bolt"])
    run = write_run(tmp_path / "run", [spade, replace(padim, fingerprint="f1")])
    written(result_sets(run))
    assert {*read_csv(run, "pairs.csv")["test"]} == {"wilcoxon"}


def test_the_figure_joins_what_does_not_differ(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    values = {"spade": 0.5, "padim": 0.9, "patchcore-1": 0.9}
    found = [
        Cell(category, method, {"image_auroc": value + random.uniform(0, 0.05)}, dataset="mvtec_ad")
        for category in MVTEC_AD
        for method, value in values.items()
    ]
    (comparison,) = result_sets(write_run(tmp_path, found))
    (panel,) = draw_critical_difference(comparison).axes
    assert [text.get_text() for text in panel.get_yticklabels()][2] == "spade"
    *marks, joined = panel.lines
    assert [mark.get_label() for mark in marks][2] == "spade"
    assert np.asarray(joined.get_ydata()).tolist() == [0, 1]
    assert np.asarray(marks[2].get_xdata()).tolist() == [3]


def test_a_run_with_one_category_says_that_ranks_need_more(tmp_path: Path) -> None:
    run = write_run(tmp_path, cells(["bolt"]))
    (comparison,) = result_sets(run)
    for panel in draw_critical_difference(comparison).axes:
        assert [text.get_text() for text in panel.texts] == [
            "Ranks of 2 methods need 6 categories."
        ]
    assert "no verdict" not in written(result_sets(run))[1]
    (lone,) = result_sets(write_run(tmp_path, cells(["bolt"], ["padim"])))
    (text, *_) = draw_critical_difference(lone).axes[0].texts
    assert "need two methods" in text.get_text()


def rows_of_pairs(shown: str) -> list[list[str]]:
    """Return the cells of printed rows that name two methods, spade first."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in shown.splitlines()]
    return [row for row in rows if len(row) == 8 and row[1] == "spade"]


def test_of_one_category_its_pairs_verdicts_are_shown(tmp_path: Path) -> None:
    run = write_run(tmp_path, cells(["bolt"], ["spade", "padim", "patchcore-1"]))
    shown = rows_of_pairs(written(result_sets(run))[1])
    table = read_csv(run, "pairs.csv")
    within = table[(table["test"] == "paired") & (table["first"] == "spade")]
    assert len(within) == 2
    expected = [["bolt", *row] for row in within[["first", "second", "differ"]].to_numpy()]
    assert [[*row[:3], row[-1]] for row in shown] == expected
    assert {row[-1] for row in shown} <= {"yes", "no"}


def test_of_too_few_categories_each_ones_verdicts_are_shown_where_it_has_some(
    tmp_path: Path,
) -> None:
    run = write_run(tmp_path, cells(["bolt", "gear"]))
    shown = rows_of_pairs(written(result_sets(run))[1])
    assert [row[0] for row in shown if row[-1] != "no verdict"] == ["bolt", "gear"]
    assert {row[0] for row in shown if row[-1] == "no verdict"} == {"all"}  # of other metrics


def test_main_writes_tables_and_figure_the_same_every_time(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(folder / "results" / "mine", cells(["bolt", "gear"]))
    assert main(["mine"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Image AUROC in % [95% interval over test images] on parts")
    figure = folder / "plots" / "mine" / "critical_difference.png"
    assert figure.with_suffix(".svg").is_file()
    names = ("uncertainty.md", "uncertainty.csv", "pairs.md", "pairs.csv")
    paths = [figure, *(run / "tables" / name for name in names)]
    before = [path.read_bytes() for path in paths]
    assert main([str(run)]) == 0
    assert [path.read_bytes() for path in paths] == before


def test_several_shots_are_one_table_with_one_header(tmp_path: Path) -> None:
    every = cells(["bolt", "gear"])
    run = write_run(tmp_path / "run", [*every, *(replace(cell, shots=5) for cell in every)])
    sets = result_sets(run)
    written(sets)
    for name, makes in (("uncertainty.csv", estimates), ("pairs.csv", all_pairs)):
        lines = (run / "tables" / name).read_text().splitlines()
        assert [line.startswith("# ") for line in lines[:3]] == [True, True, False]
        assert "5 shots" in lines[1]
        table = read_csv(run, name)
        assert list(table.columns) == ["shots", *makes(sets[0]).columns]
        parts = (table[table["shots"].isna()], table[table["shots"] == 5])
        for part, results in zip(parts, sets, strict=True):
            expected = makes(results)
            assert len(part) == len(expected) > 0
            assert list(part["category"]) == list(expected["category"])
        assert sum(map(len, parts)) == len(table)


def test_expected_errors_are_one_line_and_exit_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "nowhere")]) == 2
    run = write_run(tmp_path / "run", [with_all_maps(Cell("bolt", "padim"))])
    (maps,) = run.glob("maps/*/*")
    maps.write_bytes(b"spoilt")
    assert main([str(run)]) == 2
    nowhere, spoilt = capsys.readouterr().err.splitlines()
    assert "nowhere" in nowhere
    assert f"{maps}; run its command again" in spoilt
    (scores,) = run.glob("scores/*/*")
    scores.write_text("path\n")
    with pytest.raises(BenchmarkError, match="can't read the scores"):
        written(result_sets(run))


def test_every_table_says_what_its_intervals_and_verdicts_are_worth(tmp_path: Path) -> None:
    perfect = [
        replace(cell, scores=([0, 0, 0, 1, 1, 1], [0, 1, 2, 3, 4, 5 + place]))
        for place, cell in enumerate(cells(["bolt"], ["spade", "padim"]))
    ]
    run = write_run(tmp_path / "run", [*perfect, *cells(["gear"])])
    written(result_sets(run))
    text = (run / "tables" / "uncertainty.md").read_text()
    for table in text.split("\n\n|")[:-1]:
        caption = table.splitlines()[-1]
        assert "95% interval over test images" in caption
        (metric,) = (m for m in METRICS.values() if caption.startswith(f"{m.label} in "))
        assert ("covered" if metric.coverage else "cover was not measured") in caption
    assert "holds the anomalous images" in text[text.index("Error at 100% recall") :]
    pairs = (run / "tables" / "pairs.md").read_text()
    assert "all pairs of this metric, which are 2, 1 of them with a verdict" in pairs
    table = read_csv(run, "pairs.csv").set_index(["test", "category"]).loc["paired"]
    assert table.loc["bolt", "differ"] == "no verdict"  # both separate: nothing varies
    assert np.isnan(table.loc["bolt", "p_value"])
    assert table.loc["gear", "holm"] == pytest.approx(min(1, 2 * table.loc["gear", "p_value"]))
