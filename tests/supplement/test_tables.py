"""The supplement's tables place every cell, and mark what is best."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.metrics.definitions import HEADLINE
from benchmarks.results import Cell
from benchmarks.results.published import Published
from benchmarks.supplement import tables as supplement_tables
from benchmarks.supplement.evaluated_trials import EvaluatedTrials
from benchmarks.supplement.trials import (
    Cells,
    Settings,
    Trial,
    backbone_trials,
    large_trials,
    main_trials,
    s1_trials,
    shot_trials,
)
from benchmarks.tables.comparison import RENDERERS, ComparedValue, comparison_table
from benchmarks.tables.rendering import TextTable
from tests.helpers.runs import MVTEC_AD

PUBLISHED = Published.load()

markdown, comma_separated, latex = (RENDERERS[suffix] for suffix in ("md", "csv", "tex"))

SETTINGS = Settings(
    backbone="wide_resnet50_2",
    starred="timm/tf_efficientnet_b5.aa_in1k[layers=blocks.1+blocks.3+blocks.4]",
    large="wide_resnet101_2",
    ensemble="densenet201[weights=/x/y+z.pth,layers=a+b]+resnext101_32x8d+wide_resnet101_2",
    backbones=("resnet50", "mobilenet_v2[weights=/x/y.pth,layers=a+b+c+d]"),
    image_size=224,
    seeds=(0, 1),
)

FAILED = Cell(spec={}, status="failed", error="out of memory")


def ok(value: float | None) -> Cell:
    """Return a cell whose every metric is `value`."""
    return Cell(spec={}, status="ok", metrics=dict.fromkeys(HEADLINE, value))


def results(
    trials: Mapping[Any, Trial], values: Mapping[Any, Sequence[Cell]], names: Sequence[str]
) -> Cells:
    """Return trial → category → cell for the keys of `values`."""
    return {trials[key]: dict(zip(names, cells, strict=True)) for key, cells in values.items()}


def evaluated(
    settings: Settings,
    cells: Cells,
    categories: Sequence[str],
    dataset: str,
    *,
    complete: bool = True,
) -> EvaluatedTrials:
    return EvaluatedTrials(settings, cells, tuple(categories), dataset, complete, Path("run"))


def table(sheet: TextTable) -> list[list[str]]:
    """Return what Markdown shows, header first, rule left out."""
    lines = [line for line in markdown(sheet).splitlines() if line.startswith("|")]
    shown = [[text.strip() for text in line.strip("|").split("|")] for line in lines]
    assert len({len(row) for row in shown}) == 1
    return [shown[0], *shown[2:]]


def columns(sheet: TextTable, *titles: str) -> list[list[str]]:
    """Return the rows of the columns named `titles`."""
    header, *rows = table(sheet)
    return [[row[header.index(title)] for title in titles] for row in rows]


def value(number: float | None = None, published: float | None = None) -> ComparedValue:
    return ComparedValue(number, published=published)


GROUPS = [
    [(("a_b", "1"), [ComparedValue(100 / 3, 0.25), value(33.34), value(12.0, 12.25), value()])],
    [
        (("mean", "1"), [value(98.0, 99.14), ComparedValue(failed=True), value(), value(None, 90)]),
        (("mean", "2"), [value(99.16, 99.14), value(), value(0.0, None), value()]),
    ],
]

sample_table = partial(
    comparison_table,
    "S0",
    "AUPRO (FPR ≤ 0.3) in % on r&d_1.",
    ("category", "shots"),
    ("spade", "padim", "patchcore-1[levels=1+2]"),
    others=("PaDiM*",),
)

TABLE = sample_table(GROUPS, marks_best=True)


def test_published_values_are_those_of_the_papers() -> None:
    assert PUBLISHED.main("patchcore-25", "image_auroc", "cable") == 99.5
    assert PUBLISHED.main("patchcore-25", "aupro_30", "screw") == 97.9
    assert PUBLISHED.main("spade", "pixel_auroc", "tile") == 87.4
    assert PUBLISHED.main("padim", "aupro_30", "mean") == 92.1
    # Their own papers' tables of image AUROC are not in the file: the PatchCore paper's means are.
    assert PUBLISHED.main("padim", "image_auroc", "mean") == 95.3
    assert PUBLISHED.main("padim", "image_auroc", "tile") is None
    assert PUBLISHED.main("PaDiM*", "image_auroc", "mean") == 97.9
    assert PUBLISHED.main("MahalanobisAD", "pixel_auroc", "mean") is None
    assert PUBLISHED.large("1+2+3", "aupro_30", "mean", ensemble=False) == 95
    assert PUBLISHED.large("2+3", "image_auroc", "mean", ensemble=True) == 99.6
    assert PUBLISHED.few_shot("padim", 1, "aupro_30", "mean") == (72.4, 1.2)
    assert PUBLISHED.few_shot("patchcore-25", 2, "image_auroc", "mean") == (87.2, None)
    assert PUBLISHED.few_shot("patchcore-10", 1, "image_auroc", "mean") == (None, None)
    assert PUBLISHED.by_backbone("resnext101_32x8d", "patchcore-1", "pixel_auroc", "mean") == 97.8
    assert PUBLISHED.by_backbone("mobilenet_v2", "patchcore-1", "pixel_auroc", "mean") is None


@pytest.mark.parametrize("text", [None, "source,method\na,b\n", "\xff"])
def test_published_values_that_cannot_be_read_are_one_line(
    tmp_path: Path, text: str | None
) -> None:
    path = tmp_path / "published_numbers.csv"
    if text is not None:
        path.write_text(text, encoding="latin-1")
    with pytest.raises(BenchmarkError, match="install the package again") as caught:
        Published.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_markdown_shows_parts_only_where_something_is_published() -> None:
    third = "patchcore-1[levels=1+2]"
    assert table(TABLE) == [
        [
            *("category", "shots", "spade", "spade published", "spade difference", "padim"),
            *(third, f"{third} published", f"{third} difference", "PaDiM* published"),
        ],
        ["a_b", "1", "**33.3 ± 0.2**", "–", "–", "**33.3**", "12.0", "12.2", "−0.2", "–"],
        ["mean", "1", "98.0", "99.1", "−1.1", "failed", "–", "–", "–", "90.0"],
        ["", "2", "**99.2**", "99.1", "+0.0", "–", "0.0", "–", "–", "–"],
    ]
    unmarked = sample_table(GROUPS[:1])
    assert table(unmarked) == [
        ["category", "shots", "spade", "padim", third, f"{third} published", f"{third} difference"],
        ["a_b", "1", "33.3 ± 0.2", "33.3", "12.0", "12.2", "−0.2"],
    ]


def test_csv_holds_every_label_and_the_values_in_full_precision() -> None:
    text = comma_separated(TABLE)
    assert text.startswith("# AUPRO (FPR ≤ 0.3) in % on r&d_1.\n")
    frame = pd.read_csv(io.StringIO(text), comment="#", dtype=str, keep_default_na=False)
    assert frame["category"].tolist() == ["a_b", "mean", "mean"]
    assert frame["shots"].tolist() == ["1", "1", "2"]
    assert frame["spade"].astype(float).tolist() == [100 / 3, 98.0, 99.16]
    assert frame["spade std"].tolist() == ["0.25", "", ""]
    assert frame["spade difference"].tolist() == ["", str(98.0 - 99.14), str(99.16 - 99.14)]
    assert frame["padim"].tolist() == ["33.34", "failed", ""]
    assert frame["PaDiM* published"].tolist() == ["", "90", ""]
    assert not {"padim published", "padim std"} & {*frame.columns}


def widths(line: str) -> int:
    """Return how many columns a LaTeX row spans."""
    spans = re.findall(r"\\multicolumn\{(\d+)\}", line)
    return len(re.sub(r"\\&", "", line).split("&")) + sum(int(span) - 1 for span in spans)


@pytest.mark.parametrize("sheet", [TABLE, sample_table(GROUPS[:1], marks_best=True)])
def test_latex_rows_span_all_columns_between_booktabs_rules(sheet: TextTable) -> None:
    text = latex(sheet)
    opened = re.findall(r"\\begin\{(\w+)\}", text)
    assert opened == re.findall(r"\\end\{(\w+)\}", text) == ["longtable"]
    plain = re.sub(r"\\[&%$#_{}]", "", text)
    assert plain.count("{") == plain.count("}")
    assert plain.count("$") % 2 == 0
    assert not re.search(r"[_#≤±–−]", plain)
    (spec,) = re.findall(r"\\begin\{longtable\}\{([lr]+)\}", text)
    rows = [line for line in text.splitlines() if line.endswith(r" \\") and "&" in line]
    rows = [line for line in rows if "caption" not in line]
    assert {widths(line) for line in rows} == {len(spec)}
    body = text.split(r"\endhead")[1]
    assert body.count(r"\midrule") == len(sheet.groups) - 1
    assert text.count(r"\toprule") == 2
    assert body.count(r"\bottomrule") == 1
    assert r"a\_b & 1 & \textbf{33.3 $\pm$ 0.2} & " in text


def test_latex_rules_join_the_parts_of_a_method() -> None:
    head = latex(TABLE).split(r"\endfirsthead")[0].splitlines()[-5:]
    assert head == [
        r"\toprule",
        r" &  & \multicolumn{3}{c}{spade} & \multicolumn{1}{c}{padim} & "
        r"\multicolumn{3}{c}{patchcore-1{[}levels=1+2{]}} & \multicolumn{1}{c}{PaDiM*} \\",
        r"\cmidrule(lr){3-5}\cmidrule(lr){7-9}",
        r"category & shots & ours & publ. & diff. & ours & ours & publ. & diff. & publ. \\",
        r"\midrule",
    ]
    bare = sample_table([[(("a", "1"), [value(1.0), value(), value(), value()])]])
    head = latex(bare).split(r"\endfirsthead")[0].splitlines()[-3:]
    assert head == [
        r"\toprule",
        r"category & shots & spade & padim & patchcore-1{[}levels=1+2{]} \\",
        r"\midrule",
    ]


def test_s1_sets_categories_and_mean_beside_the_papers() -> None:
    values = {
        "patchcore-25": [ok(0.99)] * 14 + [ok(0.96)],
        "patchcore-1": [ok(0.5)] * 14 + [FAILED],
        "spade": [ok(0.5)] * 14 + [ok(None)],
        "PaDiM*": [ok(0.975)] * 15,
        "mahalanobis": [ok(0.25)] * 15,
    }
    cells = results(s1_trials(SETTINGS), values, MVTEC_AD)
    s1, s2, s3 = supplement_tables.s1_s2_s3(evaluated(SETTINGS, cells, MVTEC_AD, "mvtec_ad"))
    assert [sheet.name for sheet in (s1, s2, s3)] == ["S1", "S2", "S3"]
    assert [len(group) for group in s1.groups] == [15, 1]
    cable, zipper, mean = (
        columns(
            s1,
            *("category", "patchcore-25", "patchcore-25 published", "patchcore-25 difference"),
            *("patchcore-1", "spade", "padim", "DifferNet published"),
            *("PaDiM*", "PaDiM* published", "PaDiM* difference", "mahalanobis"),
        )[row]
        for row in (1, 14, 15)
    )
    assert cable[:8] == ["cable", "**99.0**", "99.5", "−0.5", "50.0", "50.0", "–", "–"]
    assert cable[8:] == ["97.5", "–", "–", "25.0"]
    assert zipper[:2] == ["zipper", "96.0"]
    assert zipper[4:8] == ["failed", "–", "–", "–"]
    # (14 · 99 + 96) / 15; the paper's mean is 99.1
    assert mean[:8] == ["mean", "**98.8**", "99.1", "−0.3", "–", "–", "–", "94.9"]
    assert mean[8:] == ["97.5", "97.9", "−0.4", "25.0"]
    # Mah.AD was published with other features, so that there is no difference to ours.
    assert columns(s1, "MahalanobisAD published")[-1] == ["95.8"]
    assert "mahalanobis difference" not in table(s1)[0]
    assert not {"mahalanobis", "PaDiM*"} & {*table(s2)[0], *table(s3)[0]}
    assert s1.caption.startswith(
        "Image AUROC in % (higher is better) on mvtec_ad; wide_resnet50_2, 224 px; "
        "PaDiM*: padim on timm/tf_efficientnet_b5.aa_in1k; seed 0; "
        "published values of the same methods are WideResNet50's at 224 px"
    )
    assert s1.caption.endswith("; 1 cell failed.")
    assert "DifferNet published" not in table(s2)[0]
    assert columns(s3, "patchcore-25 published", "spade published")[9] == ["97.9", "96.0"]


@pytest.mark.parametrize(("dataset", "notice"), [("synthetic", "SYNTHETIC DATA. "), ("parts", "")])
def test_nothing_published_stands_beside_other_data(dataset: str, notice: str) -> None:
    cells = results(main_trials(SETTINGS), {"spade": [ok(0.5), ok(0.75)]}, ["cable", "tile"])
    made_of = evaluated(SETTINGS, cells, ["cable", "tile"], dataset)
    made = [
        sheet
        for make in (
            supplement_tables.s1_s2_s3,
            supplement_tables.s4,
            supplement_tables.s5,
            supplement_tables.s6,
        )
        for sheet in make(made_of)
    ]
    assert len(made) == 8
    for sheet in made:
        assert "published" not in markdown(sheet)
        assert re.match(f"{notice}(Image AUROC|Pixel AUROC|AUPRO)", sheet.caption)
    assert columns(made[0], "category", "spade") == [
        ["cable", "50.0"],
        ["tile", "75.0"],
        ["mean", "62.5"],
    ]


def test_a_partial_data_set_has_no_mean_anywhere() -> None:
    part = evaluated(SETTINGS, {}, ["cable", "tile"], "mvtec_ad", complete=False)
    for make in (
        supplement_tables.s1_s2_s3,
        supplement_tables.s4,
        supplement_tables.s5,
        supplement_tables.s6,
    ):
        for sheet in make(part):
            assert not any("mean" in labels for group in sheet.groups for labels in group)
    s1, *_ = supplement_tables.s1_s2_s3(part)
    assert columns(s1, "category", "patchcore-25", "patchcore-25 published") == [
        ["cable", "–", "99.5"],
        ["tile", "–", "98.7"],
    ]


def test_s4_groups_large_backbones_with_their_means_last() -> None:
    single, pyramid, ensemble = large_trials(SETTINGS)
    values = {single: [ok(0.99), ok(0.97)], ensemble: [ok(1.0), FAILED]}
    cells = results(large_trials(SETTINGS), values, ["cable", "tile"])
    (s4,) = supplement_tables.s4(evaluated(SETTINGS, cells, ["cable", "tile"], "mvtec_ad"))
    assert [group[0][0] for group in s4.groups] == [
        "wide_resnet101_2, levels 2+3, 280 px",
        "wide_resnet101_2, levels 1+2+3, 280 px",
        "densenet201+resnext101_32x8d+wide_resnet101_2, levels 2+3, 320 px",
    ]
    auroc = ("Image AUROC", "Image AUROC published", "Image AUROC difference")
    assert columns(s4, "category", *auroc) == [
        ["cable", "99.0", "–", "–"],
        ["tile", "97.0", "–", "–"],
        ["mean", "98.0", "99.4", "−1.4"],
        ["cable", "–", "–", "–"],
        ["tile", "–", "–", "–"],
        ["mean", "–", "99.2", "–"],
        ["cable", "100.0", "–", "–"],
        ["tile", "failed", "–", "–"],
        ["mean", "–", "99.6", "–"],
    ]
    assert "WideResNet101's at 280 px" in s4.caption
    assert "/x/y" not in markdown(s4) + latex(s4) + comma_separated(s4)
    assert (pyramid[1], ensemble[1]) == ("patchcore-1[levels=1+2+3]", "patchcore-1")


def test_s5_gives_mean_and_deviation_over_seeds_the_mean_first() -> None:
    values = {
        ("padim", 1, 0): [ok(0.6), ok(0.8)],
        ("padim", 1, 1): [ok(0.7), ok(0.9)],
        ("spade", 1, 0): [ok(0.8), ok(0.8)],
        ("spade", 1, 1): [ok(0.6), FAILED],
        ("patchcore-25", 1, 0): [ok(0.5), ok(0.5)],
    }
    cells = results(shot_trials(SETTINGS), values, ["cable", "tile"])
    image, pixel, pro = supplement_tables.s5(
        evaluated(SETTINGS, cells, ["cable", "tile"], "mvtec_ad")
    )
    assert [sheet.name for sheet in (image, pixel, pro)] == ["S5-image", "S5-pixel", "S5-pro"]
    assert [group[0] for group in image.groups] == [
        ("mean", "1"),
        ("cable", "1"),
        ("tile", "1"),
    ]
    padim = ("padim", "padim published", "padim difference")
    shown = columns(image, "shots", "spade", *padim, "patchcore-25", "patchcore-25 published")
    # seeds' means 70 and 80: 75 and 10 / sqrt(2)
    assert shown[0] == ["1", "–", "75.0 ± 7.1", "76.1 ± 0.4", "−1.1", "–", "84.1 ± 0.7"]
    assert shown[1] == ["2", "–", "–", "–", "–", "–", "87.2"]
    assert shown[7][:3] == ["1", "**70.0 ± 14.1**", "65.0 ± 7.1"]
    assert shown[14][:3] == ["1", "failed", "85.0 ± 7.1"]
    assert "mean ± standard deviation over seeds 0, 1; " in image.caption
    assert "; 1 cell failed." in image.caption


def test_s5_of_one_seed_has_no_deviation() -> None:
    settings = replace(SETTINGS, seeds=(3,))
    cells = results(shot_trials(settings), {("padim", 5, 3): [ok(0.6)]}, ["cable"])
    image, *_ = supplement_tables.s5(evaluated(settings, cells, ["cable"], "parts", complete=False))
    assert columns(image, "shots", "padim")[2] == ["5", "60.0"]
    assert "; seed 3." in image.caption


def test_s6_sets_backbones_beside_the_papers_by_their_bare_names() -> None:
    trials = backbone_trials(SETTINGS)
    values = {key: [ok(0.5), ok(0.75)] for key in trials}
    (s6,) = supplement_tables.s6(
        evaluated(
            SETTINGS, results(trials, values, ["cable", "tile"]), ["cable", "tile"], "mvtec_ad"
        )
    )
    heading = "AUPRO (FPR ≤ 0.3), 1 %"
    assert [row[:2] for row in table(s6)[1:]] == [
        ["mean", "resnet50"],
        ["", "mobilenet_v2"],
        ["cable", "resnet50"],
        ["", "mobilenet_v2"],
        ["tile", "resnet50"],
        ["", "mobilenet_v2"],
    ]
    assert columns(s6, heading, f"{heading} published", f"{heading} difference")[:3] == [
        ["62.5", "93.3", "−30.8"],
        ["62.5", "–", "–"],
        ["50.0", "–", "–"],
    ]
    assert "224 px; seed 0; " in s6.caption
