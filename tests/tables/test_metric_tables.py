"""Tables show the stored values, their means, and what is best."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.errors import BenchmarkError, StorageError
from benchmarks.metrics.definitions import METRICS
from benchmarks.metrics.image import auroc as image_auroc
from benchmarks.results import result_sets
from benchmarks.tables.__main__ import main
from benchmarks.tables.metric_tables import terminal_tables, write_tables
from tests.helpers.runs import MVTEC_AD, Cell, generator, write_run

AUROC = "image_auroc"
COUNT = "false_positives_at_full_recall"


def tables(tmp_path: Path, cells: Sequence[Cell]) -> Path:
    """Write a run of `cells` and its tables; return the tables' folder."""
    run = write_run(tmp_path / "run", cells)
    write_tables(result_sets(run))
    return run / "tables"


def markdown(folder: Path, metric: str = AUROC) -> list[list[list[str]]]:
    """Return the cells of each table in a Markdown file, header first, rule left out."""
    found: list[list[list[str]]] = []
    inside = False
    for line in (folder / f"{metric}.md").read_text().splitlines():
        if not line.startswith("|"):
            inside = False
            continue
        if not inside:
            found.append([])
        inside = True
        if not line.startswith("|:"):
            found[-1].append([text.strip() for text in line.strip("|").split("|")])
    return found


def captions(folder: Path, metric: str = AUROC) -> list[str]:
    lines = (folder / f"{metric}.md").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("|")]


def auroc(category: str, method: str, value: float | None, **more: object) -> Cell:
    return Cell(category, method, {AUROC: value}, **more)  # type: ignore[arg-type]


def test_values_are_per_cent_with_a_mean_and_the_best_of_each_row_in_bold(tmp_path: Path) -> None:
    cells = [
        auroc("gear", "spade", 0.9),
        auroc("bolt", "spade", 0.8126),
        auroc("gear", "padim", 0.5),
        auroc("bolt", "padim", 0.98764),
    ]
    assert markdown(tables(tmp_path, cells)) == [
        [
            ["category", "spade", "padim"],
            ["bolt", "81.3", "**98.8**"],
            ["gear", "**90.0**", "50.0"],
            ["mean", "**85.6**", "74.4"],  # (81.26 + 90) / 2 and (98.764 + 50) / 2
        ]
    ]


def test_values_that_show_the_same_share_the_mark(tmp_path: Path) -> None:
    cells = [auroc("bolt", "a", 0.9501), auroc("bolt", "b", 0.9504), auroc("bolt", "c", 0.9506)]
    (table,) = markdown(tables(tmp_path, cells))
    assert table[1] == ["bolt", "95.0", "95.0", "**95.1**"]
    cells[2] = auroc("bolt", "c", 0.9)
    (table,) = markdown(tables(tmp_path, cells))
    assert table[1] == ["bolt", "**95.0**", "**95.0**", "90.0"]


def scored(category: str, method: str, noise: float, **more: object) -> Cell:
    """Return a cell whose scores are the same for every method, but for some noise."""
    random = np.random.default_rng(7)
    labels = np.repeat([0, 1], 40)
    shared = random.normal(loc=2.5 * labels)
    scores = shared + noise * generator(category, method).normal(size=80)
    stored = (labels.tolist(), scores.tolist())
    return auroc(category, method, image_auroc(*stored), scores=stored, **more)


def test_methods_that_are_not_significantly_worse_share_the_mark(tmp_path: Path) -> None:
    noises = {"near": 0.2, "best": 0.0, "far": 5.0}
    cells = [scored(c, m, noise) for c in ("bolt", "gear") for m, noise in noises.items()]
    folder = tables(tmp_path, cells)
    *rows, mean = markdown(folder)[0][1:]
    for row in rows:
        assert ["**" in text for text in row[1:]] == [True, True, False]
        assert row[1] != row[2]
    assert sum("**" in text for text in mean) == 1
    assert captions(folder)[0].endswith(
        "2025-03-04. Marked: the best and all not significantly worse (paired test over images, "
        "Holm over all 6 pairs of the table, 5%); mean: best by value."
    )
    (caption,) = re.findall(r"\\caption\{(.*)\}", (folder / f"{AUROC}.tex").read_text())
    assert r"Holm over all 6 pairs of the table, 5\%); mean: best by value." in caption


@pytest.mark.parametrize("lacking", ["scores", "seed", "data", "class"])
def test_what_no_test_can_judge_is_marked_by_value(tmp_path: Path, lacking: str) -> None:
    best, near = scored("bolt", "best", 0.0), scored("bolt", "near", 0.2)
    other = {
        "scores": replace(near, scores=None),
        "seed": replace(near, seed=1),
        "data": replace(near, fingerprint="f1"),
        "class": replace(near, scores=([0, 1, 1], [0.0, 1.0, 2.0])),
    }[lacking]
    cells = [best, other, near] if lacking == "seed" else [best, other]
    if lacking == "class":
        cells[0] = replace(best, scores=other.scores)
    folder = tables(tmp_path, cells)
    assert ["**" in text for text in markdown(folder)[0][1][1:]] == [True, False]
    assert captions(folder)[0].endswith(" Marked: best by value.")


def test_the_mean_is_marked_by_a_test_over_enough_categories(tmp_path: Path) -> None:
    shifts = {"a": (0.0, 0.01), "b": (0.01, 0.0), "c": (-0.1, -0.2)}
    cells = [
        auroc(category, method, 0.8 + shifts[method][place % 2])
        for place, category in enumerate(MVTEC_AD[:9])
        for method in shifts
    ]
    folder = tables(tmp_path, cells)
    *rows, mean = markdown(folder)[0][1:]
    assert all(sum("**" in text for text in row) == 1 for row in rows)
    assert mean[1:] == ["**80.4**", "**80.6**", "65.6"]
    assert captions(folder)[0].endswith(
        "Marked: best by value; mean: the best and all not significantly worse (Wilcoxon over "
        "categories, Holm over all 3 pairs of the table, 5%)."
    )
    few = tables(tmp_path / "few", [cell for cell in cells if cell.category in MVTEC_AD[:6]])
    assert captions(few)[0].endswith(" Marked: best by value.")


def test_scores_of_different_images_are_an_error_that_names_them(tmp_path: Path) -> None:
    cells = [scored("bolt", "a", 0.1), auroc("bolt", "b", 0.5, scores=([0, 1], [0.1, 0.2]))]
    with pytest.raises(BenchmarkError, match=r"scores of bolt are of different images \(a, b\)"):
        tables(tmp_path, cells)


def test_a_lone_method_is_not_marked(tmp_path: Path) -> None:
    (table,) = markdown(tables(tmp_path, [auroc("bolt", "padim", 0.5)]))
    assert table[1:] == [["bolt", "50.0"], ["mean", "50.0"]]


def test_counts_are_integers_with_one_decimal_in_the_mean_and_the_least_is_best(
    tmp_path: Path,
) -> None:
    counts = {"a": (3, 0), "b": (4, 6), "c": (3, 10)}
    cells = [
        Cell(category, method, {COUNT: count})
        for method, pair in counts.items()
        for category, count in zip(("bolt", "gear"), pair, strict=True)
    ]
    folder = tables(tmp_path, cells)
    assert markdown(folder, COUNT)[0][1:] == [
        ["bolt", "**3**", "4", "**3**"],
        ["gear", "**0**", "6", "10"],
        ["mean", "**1.5**", "5.0", "6.5"],
    ]
    assert f"{METRICS[COUNT].label} in images (lower is better)" in captions(folder, COUNT)[0]


def test_failed_and_undefined_cells_say_so_and_withhold_the_mean(tmp_path: Path) -> None:
    cells = [
        auroc("bolt", "a", None, status="failed"),
        auroc("gear", "a", 0.5),
        auroc("bolt", "b", None),
        auroc("gear", "b", 0.5),
        auroc("bolt", "c", 0.25),
        auroc("gear", "c", 0.5),
        auroc("gear", "d", 0.75),
    ]
    folder = tables(tmp_path, cells)
    assert markdown(folder)[0][1:] == [
        ["bolt", "failed", "–", "**25.0**", "–"],
        ["gear", "50.0", "50.0", "50.0", "**75.0**"],
        ["mean", "–", "–", "**37.5**", "–"],
    ]
    assert "; 1 cell failed; " in captions(folder)[0]


def test_mvtec_ad_has_a_mean_over_all_fifteen_categories_only(tmp_path: Path) -> None:
    cells = [auroc(name, "padim", 0.5, dataset="mvtec_ad") for name in MVTEC_AD]
    assert markdown(tables(tmp_path, cells))[0][-1] == ["mean", "50.0"]
    assert markdown(tables(tmp_path, cells[:14]))[0][-1] == ["mean", "–"]


def test_several_seeds_give_mean_and_sample_deviation(tmp_path: Path) -> None:
    cells = [
        auroc("bolt", "a", 0.8, seed=0),
        auroc("bolt", "a", 0.9, seed=1),
        auroc("gear", "a", 0.6, seed=0),
        auroc("gear", "a", 0.9, seed=1),
        auroc("bolt", "b", 0.7, seed=0),
        auroc("gear", "b", 0.7, seed=0),
    ]
    folder = tables(tmp_path, cells)
    assert markdown(folder)[0][1:] == [
        ["bolt", "**85.0 ± 7.1**", "70.0"],  # 10 / sqrt(2)
        ["gear", "**75.0 ± 21.2**", "70.0"],  # 30 / sqrt(2)
        ["mean", "**80.0 ± 14.1**", "70.0"],  # seeds' means 70 and 90
    ]
    assert "mean ± standard deviation over seeds 0, 1 (b: 0)" in captions(folder)[0]


def test_a_seed_that_is_missing_or_failed_withholds_the_value(tmp_path: Path) -> None:
    cells = [
        auroc("bolt", "a", 0.8, seed=0),
        auroc("bolt", "a", None, seed=1, status="failed"),
        auroc("gear", "a", 0.6, seed=0),
        auroc("rod", "a", 0.6, seed=0),
        auroc("rod", "a", 0.6, seed=1),
    ]
    shown = [row[1] for row in markdown(tables(tmp_path, cells))[0]]
    assert shown == ["a", "failed", "–", "60.0 ± 0.0", "–"]


def test_counts_over_seeds_keep_a_decimal(tmp_path: Path) -> None:
    cells = [Cell("bolt", "a", {COUNT: count}, seed=seed) for seed, count in enumerate((1, 2))]
    assert markdown(tables(tmp_path, cells), COUNT)[0][1] == ["bolt", "1.5 ± 0.7"]


def test_each_protocol_has_its_table_and_a_caption_that_tells_it_apart(tmp_path: Path) -> None:
    cells = [
        auroc("bolt", "a", 0.5),
        auroc("gear", "a", 0.7),
        auroc("bolt", "a", 0.25, shots=10),
        auroc("bolt", "a", 0.125, image_size=320, smoothing_sigma=2.0),
    ]
    folder = tables(tmp_path, cells)
    assert [[row[1] for row in table[1:]] for table in markdown(folder)] == [
        ["50.0", "70.0", "60.0"],
        ["25.0", "–", "–"],
        ["12.5", "–", "–"],
    ]
    everything, few, smooth = captions(folder)
    assert "10 shots" in few
    assert "shots" not in everything + smooth
    assert "smoothing sigma 4.0" in everything
    assert "320 px; smoothing sigma 2.0" in smooth
    assert (folder / f"{AUROC}.tex").read_text().count(r"\begin{tabular}") == 3
    lines = (folder / f"{AUROC}.csv").read_text().splitlines()
    assert [line.split(" (")[0] for line in lines[:3]] == ["# Image AUROC in fractions"] * 3
    assert lines[3] == "image_size,resize,shots,smoothing_sigma,category,a"
    values = {tuple(line.split(",")[:-1]): line.split(",")[-1] for line in lines[4:]}
    assert len(values) == 3 * 3
    assert values["224", "256", "", "4.0", "gear"] == "0.7"
    assert values["224", "256", "10", "4.0", "bolt"] == "0.25"
    assert values["320", "366", "", "2.0", "bolt"] == "0.125"


def test_what_is_measured_alike_stands_in_one_table_whatever_made_it(tmp_path: Path) -> None:
    cells = [
        auroc("bolt", "a", 0.5),
        auroc("bolt", "a", 0.25, smoothing_sigma=2.0),
        auroc("bolt", "a", 0.125, backbone="resnet18"),
    ]
    folder = tables(tmp_path, cells)
    (table,) = markdown(folder)
    assert table == [
        [
            "category",
            "a @ wide_resnet50_2 smoothing sigma 4.0",
            "a @ wide_resnet50_2 smoothing sigma 2.0",
            "a @ resnet18",
        ],
        ["bolt", "**50.0**", "25.0", "12.5"],
        ["mean", "**50.0**", "25.0", "12.5"],
    ]
    (caption,) = captions(folder)
    assert "wide_resnet50_2, weights IMAGENET1K_V1, resnet18, weights IMAGENET1K_V1, 224 px" in (
        caption
    )
    assert "; smoothing sigma" not in caption


def test_the_newest_of_two_cells_with_one_identity_wins(tmp_path: Path) -> None:
    old = auroc("bolt", "a", 0.5, started="2025-03-04T10:00:00+00:00")
    began = "2025-03-05T09:00:00.125+00:00"
    newest = replace(old, fingerprint="f1", values={AUROC: 0.7}, started=began)
    for cells in ([old, newest], [newest, old]):
        folder = tables(tmp_path, cells)
        assert markdown(folder)[0][1] == ["bolt", "70.0"]
        assert captions(folder)[0].endswith("2025-03-05.")
    began = "2025-03-06T00:00:00+00:00"
    failed = replace(newest, fingerprint="f2", status="failed", started=began)
    assert markdown(tables(tmp_path, [old, failed, newest]))[0][1] == ["bolt", "failed"]


def test_categories_are_alphabetical_and_methods_in_order_of_appearance(tmp_path: Path) -> None:
    cells = [auroc(c, m, 0.5) for c in ("rod", "bolt") for m in ("spade", "padim", "a")]
    (table,) = markdown(tables(tmp_path, cells))
    assert table[0] == ["category", "spade", "padim", "a"]
    assert [row[0] for row in table[1:]] == ["bolt", "rod", "mean"]


def test_the_caption_names_what_the_values_depend_on(tmp_path: Path) -> None:
    (caption,) = captions(tables(tmp_path, [auroc("bolt", "a", 0.5, seed=3)]))
    assert caption == (
        "Image AUROC in % (higher is better) on parts; wide_resnet50_2, weights IMAGENET1K_V1, "
        "224 px; seed 3; 2025-03-04."
    )


def test_methods_that_saw_different_data_are_pointed_out(tmp_path: Path) -> None:
    cells = [auroc("bolt", "a", 0.5), auroc("bolt", "b", 0.5, fingerprint="f1")]
    (caption,) = captions(tables(tmp_path, cells))
    assert "NOT COMPARABLE, methods saw different data: bolt;" in caption


def test_synthetic_data_are_announced_first_in_every_form(tmp_path: Path) -> None:
    run = write_run(tmp_path, [auroc("bolt", "a", 0.5, dataset="synthetic")])
    texts = {path.suffix: path.read_text() for path in write_tables(result_sets(run))}
    assert texts[".md"].startswith("SYNTHETIC DATA. ")
    assert texts[".csv"].startswith("# SYNTHETIC DATA. ")
    assert r"\caption{SYNTHETIC DATA. " in texts[".tex"]
    assert terminal_tables(result_sets(run)).startswith("SYNTHETIC DATA. ")


def test_csv_holds_the_values_in_full_precision(tmp_path: Path) -> None:
    cells = [
        auroc("bolt", "a", 1 / 3, seed=0),
        auroc("bolt", "a", 2 / 3, seed=1),
        auroc("bolt", "b", None, status="failed"),
        auroc("bolt", "c", 0.1 + 0.2),
    ]
    text = (tables(tmp_path, cells) / f"{AUROC}.csv").read_text()
    caption, *lines = text.splitlines()
    assert caption.startswith("# Image AUROC in fractions")
    bolt, mean = csv.DictReader(io.StringIO("\n".join(lines)))
    deviation = str(((1 / 6) ** 2 * 2) ** 0.5)
    assert {**bolt, "a std": None} == {
        "category": "bolt",
        "a": "0.5",
        "a std": None,
        "b": "failed",
        "c": str(0.1 + 0.2),
    }
    assert float(bolt["a std"]) == pytest.approx(float(deviation), rel=1e-15)
    assert (mean["category"], mean["a"], mean["b"], mean["c"]) == (
        "mean",
        "0.5",
        "",
        "0.30000000000000004",
    )


def test_latex_is_balanced_and_escaped_with_one_column_a_method(tmp_path: Path) -> None:
    method = "patchcore-10[patch_size=5]"
    cells = [
        Cell(category, name, {"aupro_30": value, "error_at_full_recall": value}, seed=seed)
        for category in ("metal_nut", "r&d 50% #1")
        for name, value in ((method, 0.5), ("spade", None))
        for seed in (0, 1)
    ]
    folder = tables(tmp_path, cells)
    for path in folder.glob("*.tex"):
        text = path.read_text()
        opened = re.findall(r"\\begin\{(\w+)\}", text)
        assert opened == re.findall(r"\\end\{(\w+)\}", text)[::-1] == ["table", "tabular"]
        plain = re.sub(r"\\[&%$#_{}]", "", text)
        assert plain.count("{") == plain.count("}")
        assert plain.count("$") % 2 == 0
        assert not re.search(r"[_#%≤±–]", plain)
        body = plain.split(r"\toprule")[1].split(r"\bottomrule")[0]
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert [row.count("&") for row in rows] == [2] * 4
        assert r"\begin{tabular}{lrr}" in text
        assert r"patchcore-10{[}patch\_size=5{]}" in text
        assert r"r\&d 50\% \#1 & \textbf{50.0 $\pm$ 0.0} & -- \\" in text


def test_every_metric_present_is_written_and_no_other(tmp_path: Path) -> None:
    run = write_run(tmp_path, [Cell("bolt", "a", {AUROC: 0.5, COUNT: 2})])
    paths = write_tables(result_sets(run))
    assert {path.name for path in paths} == {
        f"{metric}.{suffix}" for metric in (AUROC, COUNT) for suffix in ("md", "csv", "tex")
    }
    assert {*(run / "tables").iterdir()} == {*paths}


def test_the_terminal_shows_the_main_four_with_stars(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = dict.fromkeys(METRICS, 0.5)
    better = values | {"error_at_full_recall": 0.25, AUROC: 1.0}
    write_run(folder / "results" / "mine", [Cell("rod", "a", values), Cell("rod", "b", better)])
    assert main(["mine"]) == 0
    shown = capsys.readouterr().out
    assert re.findall(r"^(.*) in % \(", shown, re.MULTILINE) == [
        METRICS[name].label for name in (AUROC, "pixel_auroc", "aupro_30", "error_at_full_recall")
    ]
    rows = re.findall(r"^rod +(\S+) +(\S+)$", shown, re.MULTILINE)
    assert rows == [("50.0", "*100.0"), ("*50.0", "*50.0"), ("*50.0", "*50.0"), ("50.0", "*25.0")]
    assert (folder / "results" / "mine" / "tables" / "f1_max.tex").is_file()


def test_an_unknown_run_is_one_line_and_exit_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "nowhere")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "nowhere" in line
    assert "benchmarks.run" in line


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda text: "", "not enough values"),
        (lambda text: text[:-3], "truncated"),
        (lambda text: text[: text.rindex(",ok,")] + "\n", "truncated"),
        (lambda text: text[: text.index('"{') + 4], "unexpected end of data"),
        (lambda text: text.replace(",status,", ",state,"), "columns missing: status"),
        (lambda text: text.replace(",0.5,", ",half,"), "could not convert"),
        (lambda text: text.replace("image_auroc", "image_aurok"), "unknown metrics: image_aurok"),
        (lambda text: text.replace("2025-03", "2025-33"), "2025-33"),
        (lambda text: text.splitlines()[0] + "\n", "holds no cells"),
    ],
)
def test_a_spoilt_metrics_file_is_named_in_one_line(
    tmp_path: Path, spoil: object, reason: str
) -> None:
    run = write_run(tmp_path, [auroc("bolt", "a", 0.5), auroc("gear", "a", 0.5)])
    path = run / "metrics.csv"
    whole = path.read_bytes()
    path.write_text(spoil(path.read_text()))  # type: ignore[operator]
    write_tables(result_sets(run))
    assert path.read_bytes() == whole  # made again from the cells
    shutil.rmtree(run / "cells")
    path.write_text(spoil(path.read_text()))  # type: ignore[operator]
    with pytest.raises(BenchmarkError, match=re.escape(reason)) as caught:
        write_tables(result_sets(run))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a|b", "a\nb", "a\\|b"])
def test_no_name_breaks_a_markdown_table(tmp_path: Path, name: str) -> None:
    run = write_run(tmp_path, [auroc(name, "a", 0.5), auroc(name, "b|c", 0.5)])
    write_tables(result_sets(run))
    text = (run / "tables" / "image_auroc.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 4
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {4}


def test_a_category_may_be_called_mean(tmp_path: Path) -> None:
    cells = [auroc(name, "a", value) for name, value in (("bolt", 0.5), ("mean", 1.0))]
    (results,) = result_sets(write_run(tmp_path, cells))
    values = results.table("image_auroc").values["a"]
    assert values.to_dict() == {"bolt": 0.5, "mean (category)": 1.0, "mean": 0.75}
    assert write_tables([results])


def test_a_mean_over_different_data_is_withheld(tmp_path: Path) -> None:
    cells = [auroc(name, method, 0.5) for name in ("bolt", "gear") for method in ("a", "b")]
    cells[3] = replace(cells[3], fingerprint="f1")
    (results,) = result_sets(write_run(tmp_path, cells))
    assert results.table("image_auroc").values.loc["mean"].isna().all()
    assert "NOT COMPARABLE" in results.caption("Results")


def test_tables_that_cannot_be_written_are_a_storage_error(tmp_path: Path) -> None:
    run = write_run(tmp_path, [auroc("bolt", "a", 0.5)])
    (run / "tables").write_text("in the way")
    with pytest.raises(StorageError, match="tables"):
        write_tables(result_sets(run))


def test_methods_are_rows_where_there_are_more_than_stand_side_by_side(tmp_path: Path) -> None:
    methods = [f"padim[components={count}]" for count in range(1, 61)]
    values = {method: round(0.4 + count / 200, 3) for count, method in enumerate(methods)}
    cells = [
        auroc(category, method, value if category == "bolt" else 1 - value)
        for method, value in values.items()
        for category in ("bolt", "gear")
    ]
    folder = tables(tmp_path, cells)
    ((header, *rows),) = markdown(folder)
    assert header == ["method", "bolt", "gear", "mean"]
    assert [row[0] for row in rows] == methods
    for method, bolt, gear, mean in rows:
        value = values[method]
        best = {"bolt": method == methods[-1], "gear": method == methods[0]}
        expected = [
            f"{100 * number:.1f}" if not best.get(category) else f"**{100 * number:.1f}**"
            for category, number in (("bolt", value), ("gear", 1 - value))
        ]
        assert [bolt, gear] == expected
        assert mean.strip("*") == "50.0"
    printed = terminal_tables(result_sets(tmp_path / "run")).splitlines()
    assert sum(line.startswith("padim[components=") for line in printed) == 60
    latex = (folder / f"{AUROC}.tex").read_text()
    assert r"\begin{longtable}{lrrr}" in latex  # longer than a page
    lines = (folder / f"{AUROC}.csv").read_text().splitlines()
    header, *rows = csv.reader(line for line in lines if not line.startswith("#"))
    assert header == ["category", *methods]  # for programs, as of a few methods
    assert [row[0] for row in rows] == ["bolt", "gear", "mean"]


@pytest.mark.parametrize(("methods", "categories"), [(12, 2), (13, 13)])
def test_methods_are_columns_where_there_are_few_or_as_many_categories(
    tmp_path: Path, methods: int, categories: int
) -> None:
    cells = [
        auroc(f"part{row}", f"method{column}", 0.5)
        for row in range(categories)
        for column in range(methods)
    ]
    folder = tables(tmp_path, cells)
    ((header, *rows),) = markdown(folder)
    assert header[0] == "category"
    assert len(header) == 1 + methods
    assert len(rows) == categories + 1
    assert r"\begin{tabular}" in (folder / f"{AUROC}.tex").read_text()


def test_what_a_terminal_reads_once_is_said_once(tmp_path: Path) -> None:
    lost = {"n_test_good": 2, "n_test_defect": 4, "unseen_defects": 2, "unseen_share": 0.5}
    values = dict.fromkeys(("image_auroc", "aupro_30", "error_at_full_recall"), 0.9)
    cells = [Cell(name, "spade", values, measured=lost) for name in ("bolt", "cup")]
    run = write_run(tmp_path / "run", cells)
    note = "; the crop cuts off bolt: 2 of 4 defects whole, 50 % of defect pixels, cup: 2 of 4"
    texts = terminal_tables(result_sets(run))
    assert texts.count("the crop cuts off") == texts.count(note) == 1
    assert texts.index(note) < texts.index("category")  # in the first caption
    assert texts.count("on parts") == 3
    write_tables(result_sets(run))
    for name in values:
        assert note in (run / "tables" / f"{name}.md").read_text()  # which may be read alone


def test_no_table_in_the_terminal_is_empty(tmp_path: Path) -> None:
    values = {"image_auroc": 0.9, "pixel_auroc": None}
    failed = Cell("cup", "padim", {}, status="failed")
    sets = result_sets(write_run(tmp_path / "run", [Cell("cup", "spade", values), failed]))
    assert "Image AUROC" in terminal_tables(sets)
    assert "Pixel AUROC" not in terminal_tables(sets)
    write_tables(sets)
    assert (tmp_path / "run/tables/pixel_auroc.md").exists()
