"""The simulation: its scores have the truth it says, its tables are the documented ones."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.metrics.definitions import METRICS
from benchmarks.metrics.image import auroc
from benchmarks.uncertainty.caveats import SIGNIFICANTLY_LOW, caveat
from tests.coverage.__main__ import main
from tests.coverage.maps import CLARITIES, SIDE, draw_maps
from tests.coverage.measuring import image_coverage, labels_of
from tests.coverage.scores import SHAPES, draw_scores
from tests.coverage.tables import AREAS, SHOWN
from tests.helpers.paths import ROOT


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("area", [0.8, 0.99])
def test_scores_have_the_auroc_and_the_tail_that_they_say(shape: str, area: float) -> None:
    """Within five standard deviations of what so many images can show."""
    labels = labels_of(40_000, 40_000)
    first, second = draw_scores(np.random.default_rng(1), labels, area, [shape, shape], 1)[0]
    for scores in (first, second):
        assert auroc(labels, scores) == pytest.approx(
            area, abs=5 * (area * (1 - area) / 4e4) ** 0.5
        )
        for threshold in (0.0, 1.0, 150.0):
            chance = SHAPES[shape].above(area, threshold)
            seen = (scores[labels == 0] > threshold).mean()
            assert seen == pytest.approx(chance, abs=5 * (0.25 / 4e4) ** 0.5)
    assert 0.2 < np.corrcoef(first[labels == 0], second[labels == 0])[0, 1] < 0.6 or (
        shape == "stray normals"  # where few far scores are all of the variance
    )


def test_maps_have_one_defect_on_each_anomalous_image() -> None:
    for clarity in CLARITIES:
        maps, masks = draw_maps(np.random.default_rng(2), 5, 7, clarity)
        assert maps.shape == masks.shape == (12, SIDE, SIDE)
        assert masks.any(axis=(1, 2)).tolist() == 5 * [False] + 7 * [True]
        assert maps[masks].mean() > maps[~masks].mean()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_tables_and_a_size_alone_the_same_row(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["--rounds", "8", "--parts", "tests", "--sizes"]
    assert main([*options, "4+6,5+5"]) == 0
    both = capsys.readouterr().out
    assert main([*options, "5+5"]) == 0
    alone = capsys.readouterr().out

    def rows(text: str) -> list[list[str]]:
        found = (line for line in text.splitlines() if line.startswith("| 5+5"))
        return [[cell.strip() for cell in line.split("|")] for line in found]

    assert rows(alone) == rows(both)
    assert len(rows(alone)) == len(AREAS) + 1
    assert main([*options, "5+5", "--seed", "1"]) == 0
    assert capsys.readouterr().out != alone


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--sizes", "12x30"], "'12x30'"),
        (["--sizes", "1+30"], "'1+30'"),
        (["--parts", "image"], "no image; there are images, pixels, tests"),
        (["--rounds", "0"], "--rounds"),
    ],
)
def test_options_that_name_nothing_are_refused(
    options: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line


def documented() -> dict[str, list[str]]:
    """Return a column of the documented tables of coverage → its entries, all rows."""
    text = (ROOT / "docs" / "uncertainty.md").read_text("utf-8")
    columns: dict[str, list[str]] = {}
    for table in re.findall(r"coverage of .*\n(?:.+\n)*\n((?:\|.*\n)+)", text):
        header, _, *rows = (
            [c.strip() for c in line.split("|")[1:-1]] for line in table.splitlines()
        )
        for place, title in enumerate(header):
            columns.setdefault(title, []).extend(row[place] for row in rows)
    return columns


def test_caveats_are_the_least_that_is_documented() -> None:
    columns = documented()
    titles = {name: [title] for name, title in SHOWN.items() if " " not in name}
    titles |= {n: [m.label] for n, m in METRICS.items() if m.level == "pixel"}
    titles |= {
        n: titles["false_positive_rate_at_full_recall"]
        for n, m in METRICS.items()
        if m.interval == "binomial"
    }
    titles["image_auroc"] = list(SHAPES)
    documented_least = {
        name: min(int(text.split("–")[0]) for title in shown for text in columns[title])
        for name, shown in titles.items()
        if {*shown} <= columns.keys()
    }
    measured = {n: m.coverage for n, m in METRICS.items() if m.coverage is not None}
    assert documented_least == measured
    for name, share in measured.items():
        short = share < SIGNIFICANTLY_LOW and METRICS[name].interval != "binomial"
        assert f"{share}%" in caveat(name)
        assert ("LESS THAN" in caveat(name)) == short


def test_coverage_that_was_not_measured_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRICS, "image_ap", replace(METRICS["image_ap"], coverage=None))
    assert caveat("image_ap") == "How often these intervals cover was not measured."


def test_a_documented_row_is_what_is_measured_today() -> None:
    """A part of it, within four deviations of its fewer rounds."""
    rounds, area = 60, 0.95
    row = documented()["hidden defects"][AREAS.index(area)]  # of 12+30
    random = np.random.default_rng(9)
    share = image_coverage(random, labels_of(12, 30), area, "hidden defects", rounds)["image_auroc"]
    assert share >= int(row) / 100 - 4 * (0.95 * 0.05 / rounds) ** 0.5
