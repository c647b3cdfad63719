"""The report's content is what is stored, its page one file that nothing breaks out of."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.backbones.filterbank import NAME
from benchmarks.metrics.calibrated import KNOWN
from benchmarks.metrics.definitions import METRICS
from benchmarks.metrics.image import auroc, f1_optimal, full_recall, image_metrics
from benchmarks.report import page as pages
from benchmarks.report.__main__ import main
from benchmarks.report.page import write_report
from benchmarks.report.pictures import Sheet, Sheets, shrunk_to
from benchmarks.reproduction.verdicts import verdicts
from benchmarks.reproduction.writing import verdict_counts, verdict_texts
from benchmarks.results import journal, result_sets
from benchmarks.results.folders import report_path
from benchmarks.results.intervals import cell_intervals
from benchmarks.results.published import FILE
from benchmarks.run import __main__ as program
from benchmarks.statistics.intervals import metric_intervals
from benchmarks.statistics.paired import paired_test
from tests.helpers.data_sets import write_dataset
from tests.helpers.runs import (
    MVTEC_AD,
    Cell,
    generator,
    previews_of,
    some_maps,
    some_scores,
    write_run,
)

SIZE = 64
HOSTILE = "</script><script>alert(1)</script><!--"


def cell(category: str, method: str, *, seen: bool = True, **others: Any) -> Cell:
    """Return a cell of 60 images with scores that give its values, and previews where `seen`."""
    labels, scores = others.pop("scores", None) or some_scores(category, method)
    maps = None
    if seen:
        maps = some_maps(category, method, len(labels), SIZE)
        maps |= previews_of(maps["images"], maps["masks"], maps["maps"])
        maps |= {key: maps[key][:3] for key in ("names", "images", "masks", "maps", "scores")}
    values = {**image_metrics(labels, scores), "pixel_auroc": 0.9}
    return Cell(category, method, values, scores=(labels, scores), maps=maps, **others)


def failed(category: str, method: str, **others: Any) -> Cell:
    return Cell(category, method, status="failed", **others)


def written(folder: Path, *cells: Cell) -> str:
    """Return the page of a run of these cells."""
    return write_report([result_sets(write_run(folder, cells))], folder / "report.html").read_text()


def content(text: str) -> dict[str, Any]:
    """Return the content of a page, as a browser would find it."""
    pattern = r'<script type="application/json" id="content">(.*?)</script>'
    (found,) = re.findall(pattern, text, re.DOTALL)
    return json.loads(found, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def sheets(text: str) -> dict[int, Image.Image]:
    """Return the pictures of a page by number."""
    pattern = r'<script type="text/plain" id="sheet-(\d+)">(image/\w+),(.*?)</script>'
    found = {}
    for number, kind, data in re.findall(pattern, text):
        picture = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
        assert kind == f"image/{(picture.format or '').lower()}"
        found[int(number)] = picture
    return found


@pytest.fixture(scope="module")
def cells() -> list[Cell]:
    return [
        cell(category, method) for category in ("bolt", "gear") for method in ("spade", "padim")
    ]


def test_every_value_and_every_name_is_there(tmp_path: Path, cells: list[Cell]) -> None:
    made = content(written(tmp_path / "parts", *cells))
    assert (made["title"], made["note"], made["pairs"]) == ("parts", "", [])
    shown = ("name", "label", "unit", "higher_is_better", "description")
    assert made["metrics"] == [
        {name: getattr(metric, name) for name in shown} for metric in KNOWN.values()
    ]
    (one,) = made["sets"]
    assert (one["short"], one["synthetic"]) == ("wide_resnet50_2 224 px", False)
    assert "on parts; wide_resnet50_2, weights IMAGENET1K_V1, 224 px; seed 0;" in one["caption"]
    assert [category["name"] for category in one["categories"]] == ["bolt", "gear"]
    assert [method["name"] for method in one["methods"]] == ["spade", "padim"]
    assert [method["seeds"] for method in one["methods"]] == [[0], [0]]
    assert list(one["tables"]) == [name for name in METRICS if name in cells[0].values]
    for name, table in one["tables"].items():
        values = [[cells[2 * row + place].values[name] for place in (0, 1)] for row in (0, 1)]
        assert table["values"][:2] == values
        assert table["values"][2] == pytest.approx(np.mean(values, axis=0).tolist())
        assert table["deviations"] == [[None, None]] * 3
        assert table["failed"] == [[False, False]] * 3
        assert table["published"] is None


def test_working_points_and_scores_are_the_metrics_own(tmp_path: Path, cells: list[Cell]) -> None:
    (one,) = content(written(tmp_path / "parts", *cells))["sets"]
    for number, stored in enumerate(cells):
        row, place = divmod(number, 2)
        images, shown = one["images"][row], one["cells"][row][place]
        assert stored.scores is not None
        labels, scores = stored.scores
        assert images["labels"] == list(labels)
        assert images["kinds"] == ["bad" if label else "good" for label in labels]
        assert images["names"][0] == "test/good/000.png"
        assert shown["scores"] == list(scores)
        for name, point in (("full_recall", full_recall), ("f1_optimal", f1_optimal)):
            expected = point(labels, scores)
            assert expected is not None
            assert shown[name] == {"threshold": expected.threshold}
        assert (shown["status"], shown["error"]) == ("ok", "")


def test_pictures_are_the_stored_ones_each_once(tmp_path: Path, cells: list[Cell]) -> None:
    text = written(tmp_path / "parts", *cells)
    (one,) = content(text)["sets"]
    found = sheets(text)
    assert len(found) == 2 * (2 + 2)  # images and masks are shared by the methods
    for number, stored in enumerate(cells):
        row, place = divmod(number, 2)
        images, shown = one["images"][row], one["cells"][row][place]
        assert stored.maps is not None
        assert images["columns"] == 8
        assert found[images["images"]].size == (8 * SIZE, 8 * SIZE)
        masks = np.asarray(found[images["masks"]])
        first = some_maps(["bolt", "gear"][row], "", 60, SIZE)["masks"]
        np.testing.assert_array_equal(masks[:SIZE, SIZE : 2 * SIZE], first[1])
        assert found[shown["maps"]].size == (8 * 56, 8 * 56)
        np.testing.assert_allclose(shown["pro"], stored.maps["pro_curve"], atol=1e-6)


def test_intervals_are_those_of_a_single_seed(tmp_path: Path) -> None:
    cells = [cell("bolt", "spade", seen=False), cell("bolt", "padim", seen=False)]
    (one,) = content(written(tmp_path / "one", *cells))["sets"]
    assert one["tables"]["pixel_auroc"]["low"] is None
    for name in ("image_auroc", "error_at_full_recall"):
        table = one["tables"][name]
        for place, stored in enumerate(cells):
            assert stored.scores is not None
            ends = metric_intervals(*stored.scores)[name]
            assert (table["low"][0][place], table["high"][0][place]) == ends
        assert table["low"][1] == table["high"][1] == [None, None]

    cells.append(cell("bolt", "padim", seen=False, seed=1, scores=some_scores("x", "y")))
    (two,) = content(written(tmp_path / "two", *cells))["sets"]
    table = two["tables"]["image_auroc"]
    assert table["low"][0][0] is not None
    assert table["low"][0][1] is None
    assert two["methods"][1]["seeds"] == [0, 1]
    values = [stored.values["image_auroc"] for stored in cells[1:]]
    assert table["deviations"][0] == [None, pytest.approx(np.std(values, ddof=1))]
    assert cells[1].scores is not None
    assert two["cells"][0][1]["scores"] == list(cells[1].scores[1])


def test_pixel_intervals_are_there_where_all_maps_are(tmp_path: Path) -> None:
    maps = some_maps("bolt", "spade", 12, 32)
    maps["names"] = np.array(
        [f"test/{'bad' if number > 4 else 'good'}/{number:03}.png" for number in range(12)]
    )
    maps["masks"][:5] = False
    labels, scores = [0] * 5 + [1] * 7, maps["scores"].tolist()
    stored = Cell("bolt", "spade", {"pixel_auroc": 0.9}, scores=(labels, scores), maps=maps)
    (one,) = content(written(tmp_path / "one", stored))["sets"]
    table = one["tables"]["pixel_auroc"]
    expected = metric_intervals(labels, scores, maps["maps"], maps["masks"])["pixel_auroc"]
    assert (table["low"][0][0], table["high"][0][0]) == expected


def test_marks_are_those_of_the_tables(tmp_path: Path, cells: list[Cell]) -> None:
    from benchmarks.tables.metric_tables import write_tables

    run = write_run(tmp_path / "parts", cells)
    (one,) = content(write_report([result_sets(run)], tmp_path / "page.html").read_text())["sets"]
    write_tables(result_sets(run))
    for name, table in one["tables"].items():
        text = (run / "tables" / f"{name}.md").read_text()
        lines = [line for line in text.splitlines() if line.startswith("|")][2:]
        bold = [
            [place for place, part in enumerate(line.split("|")[2:-1]) if "**" in part]
            for line in lines
        ]
        assert table["best"] == bold
        assert table["note"]
        assert table["note"] in text


def test_failed_undefined_and_absent_cells(tmp_path: Path) -> None:
    normal = Cell("gear", "padim", {"image_auroc": None}, scores=([0, 0], [1.0, 2.0]))
    cells = [cell("bolt", "spade"), failed("bolt", "padim", traceback="Traceback"), normal]
    (one,) = content(written(tmp_path / "parts", *cells))["sets"]
    (log,) = (tmp_path / "parts").glob("logs/padim/*.txt")
    table = one["tables"]["image_auroc"]
    assert table["failed"] == [[False, True], [False, False], [False, False]]
    assert table["values"][0][1] is None
    assert table["values"][1:] == [[None, None], [None, None]]
    assert table["low"][1] == [None, None]
    (_, broken), (absent, undefined) = one["cells"]
    assert (broken["status"], broken["error"], broken["scores"]) == (
        "failed",
        f"out of memory; traceback: logs/padim/{log.name}",
        None,
    )
    assert absent is None
    assert (undefined["full_recall"], undefined["f1_optimal"]) == (None, None)
    assert undefined["scores"] == [1.0, 2.0]
    assert one["images"][1]["images"] is one["images"][1]["areas"] is None
    assert undefined["maps"] is undefined["pro"] is None


def test_a_category_without_any_scores_has_no_images(tmp_path: Path) -> None:
    cells = [cell("bolt", "spade"), failed("gear", "spade")]
    (one,) = content(written(tmp_path / "parts", *cells))["sets"]
    assert one["images"][1] is None
    assert one["cells"][1][0]["status"] == "failed"


def test_scores_of_other_images_are_empty_where_an_image_is_missing(tmp_path: Path) -> None:
    labels, scores = some_scores("bolt", "padim")
    fewer = cell("bolt", "padim", scores=(labels[:50], scores[:50]), fingerprint="f1")
    (one,) = content(written(tmp_path / "parts", cell("bolt", "spade"), fewer))["sets"]
    shown = one["cells"][0][1]
    assert len(one["images"][0]["names"]) == 60
    assert shown["scores"] == [*scores[:50], *[None] * 10]
    assert shown["maps"] is None  # its tiles are of other images
    expected = full_recall(labels[:50], scores[:50])
    assert expected is not None
    assert shown["full_recall"] == {"threshold": expected.threshold}


def test_the_same_cells_give_the_same_bytes(tmp_path: Path, cells: list[Cell]) -> None:
    first = written(tmp_path / "one" / "parts", *cells)
    shutil.copytree(tmp_path / "one" / "parts", tmp_path / "two" / "parts")
    again = write_report([result_sets(tmp_path / "two" / "parts")], tmp_path / "two" / "page.html")
    assert again.read_bytes() == first.encode()


def test_names_cannot_break_out(tmp_path: Path) -> None:
    names = {"category": f"bolt{HOSTILE}", "method": f"spade{HOSTILE}"}
    stored = replace(cell("bolt", "spade"), dataset=HOSTILE, **names)  # type: ignore[arg-type]
    run = write_run(tmp_path / "a<b>&amp;", [stored])
    for path in (run / "scores").rglob("*.csv"):
        rows = list(csv.reader(path.open(newline="")))
        for row in rows[1:]:
            row[0] = row[0].replace("bad", HOSTILE)
        with path.open("w", newline="") as file:
            csv.writer(file).writerows(rows)
    text = write_report([result_sets(run)], tmp_path / "page.html").read_text()
    plain = written(tmp_path / "plain", cell("bolt", "spade"))
    assert len(re.findall("<script", text)) == len(re.findall("<script", plain))
    assert "alert(1)</script>" not in text
    assert "<title>a&lt;b&gt;&amp;amp;</title>" in text
    (one,) = content(text)["sets"]
    assert one["categories"][0]["name"] == f"bolt{HOSTILE}"
    assert one["methods"][0]["name"] == f"spade{HOSTILE}"
    assert "script><!--" in one["images"][0]["kinds"][-1]


def test_the_page_needs_nothing_else(tmp_path: Path, cells: list[Cell]) -> None:
    text = written(tmp_path / "parts", *cells)
    addresses = set(re.findall(r"https?://[^\s\"'`<>)]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg"}
    assert not re.findall(r"<(?:link|img|iframe)[^>]*(?:src|href)=\"(?!data:)", text)
    assert not re.findall(r"<script[^>]*\ssrc=|@import|url\((?!data:)", text)
    for place in ("/*STYLE*/", "/*SCRIPT*/", "<!--CONTENT-->", "<!--SHEETS-->", "<!--TITLE-->"):
        assert place not in text
    for name in ("style.css", *pages.SCRIPTS):
        assert (pages.FOLDER / name).read_text() in text


def test_published_values_stand_beside_mvtec_ad(tmp_path: Path) -> None:
    cells = [cell(name, "padim", seen=False, dataset="mvtec_ad") for name in MVTEC_AD]
    (one,) = content(written(tmp_path / "full", *cells))["sets"]
    with FILE.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == "PaDiM-Rd550"]
    expected = {
        row["category"]: float(row["value_percent"]) / 100
        for row in rows
        if row["metric"] == "pixel_auroc"
    }
    table = one["tables"]["pixel_auroc"]
    grid = [row[0] for row in table["published"]]
    assert grid[:-1] == [pytest.approx(expected[name]) for name in MVTEC_AD]
    assert grid[-1] == pytest.approx(expected["mean"])
    assert "table S2" in table["published_note"]
    assert one["tables"]["image_ap"]["published"] is None

    few = [replace(stored, shots=5) for stored in cells]
    (one,) = content(written(tmp_path / "few", *few))["sets"]
    assert one["tables"]["pixel_auroc"]["published"] is None


def test_verdicts_are_of_what_can_be_compared(tmp_path: Path) -> None:
    named = {"seen": False, "dataset": "mvtec_ad"}
    alike = [cell("screw", "padim", seed=seed, backbone="resnet18", **named) for seed in (0, 1)]
    other = cell("screw", "padim", backbone="mobilenet_v2", image_size=320, **named)
    one, none = content(written(tmp_path / "run", *alike, other))["sets"]
    found = verdicts(result_sets(tmp_path / "run")[:1], cell_intervals)
    judged = [verdict_texts(verdict) for verdict in found if verdict.tolerance]
    assert one["verdicts"] == judged
    assert {row[5] for row in judged} == {"74.5", "97.2", "97.4"}
    assert verdict_counts(found) in one["verdicts_note"]
    assert (none["verdicts"], none["verdicts_note"]) == ([], "")


def test_several_protocols_have_telling_names(tmp_path: Path) -> None:
    cells = [
        cell("bolt", "spade", seen=False),
        cell("bolt", "spade", seen=False, shots=5),
        cell("bolt", "spade", seen=False, image_size=320),
        cell("bolt", "spade", seen=False, image_size=320, backbone="resnet18"),
    ]
    sets = content(written(tmp_path / "parts", *cells))["sets"]
    assert [one["short"] for one in sets] == [
        "wide_resnet50_2 224 px",
        "wide_resnet50_2 224 px, shots 5",
        "wide_resnet50_2, resnet18 320 px",
    ]


def test_two_backbones_are_columns_whose_names_and_facts_tell_them_apart(tmp_path: Path) -> None:
    cells = [
        cell("bolt", "spade", seen=False),
        cell("bolt", "spade", seen=False, weights="IMAGENET1K_V2"),
        cell("bolt", "spade", seen=False, backbone="resnet18"),
    ]
    (one,) = content(written(tmp_path / "parts", *cells))["sets"]
    assert [method["name"] for method in one["methods"]] == [
        "spade @ wide_resnet50_2 weights IMAGENET1K_V1",
        "spade @ wide_resnet50_2 weights IMAGENET1K_V2",
        "spade @ resnet18",
    ]
    facts = dict(one["facts"])
    assert facts["weights of resnet18"].startswith("IMAGENET1K_V1, sha256 abab")
    assert "backbone" not in facts
    made = (
        "wide_resnet50_2, weights IMAGENET1K_V1, wide_resnet50_2, weights IMAGENET1K_V2, resnet18"
    )
    assert made in one["caption"]


def test_what_the_journal_holds_of_a_set(tmp_path: Path) -> None:
    run = write_run(tmp_path / "parts", [cell("bolt", "spade", seen=False)])
    extraction = journal.Extraction("bolt", "wide_resnet50_2", 100, 60, 30.0)
    call = journal.Call(
        started_utc="2025-03-04T05:06:07+00:00",
        seconds=40.0,
        dataset="parts",
        backbone="wide_resnet50_2",
        image_size=224,
        device="cpu",
        workers=1,
        cells=1,
        failed=0,
        extractions=(extraction,),
    )
    later = replace(call, started_utc="2025-03-05T05:06:07+00:00", seconds=4.0)
    later = replace(later, extractions=(replace(extraction, passed=0, seconds=0.5),))
    for one in (call, later, replace(call, image_size=320), replace(call, dataset="others")):
        journal.write(run, one)
    (made,) = content(write_report([result_sets(run)], tmp_path / "page.html").read_text())["sets"]
    assert made["extractions"] == [
        {"category": "bolt", "images": 200, "passed": 60, "seconds": 30.5}
    ]
    assert [one["seconds"] for one in made["calls"]] == [40.0, 4.0]
    assert dict(made["facts"])["calls"] == (
        "2, 44.0 s in all; 60 images passed a backbone, the features of 140 came from the cache"
    )


def shifted(category: str, method: str) -> tuple[list[int], list[float]]:
    labels, scores = some_scores(category, method)
    noise = generator("shift", category, method).normal(size=60)
    return labels, (np.array(scores) + noise).tolist()


def test_two_runs_and_what_differs(tmp_path: Path) -> None:
    names = [("bolt", "spade"), ("bolt", "padim"), ("gear", "spade")]
    before = [cell(*name, seen=False) for name in names]
    after = [
        cell("bolt", "spade", seen=False, shots=5),
        *(
            cell(*name, seen=False, scores=shifted(*name), smoothing_sigma=2.0)
            for name in names[:2]
        ),
    ]
    runs = [write_run(tmp_path / "old", before), write_run(tmp_path / "new", after)]
    assert report_path(runs) == tmp_path / "old" / "report-against-new.html"
    made = content(write_report([result_sets(one) for one in runs], report_path(runs)).read_text())
    assert made["title"] == "old against new"
    assert [one["short"] for one in made["sets"]] == [
        "wide_resnet50_2 224 px, old",
        "wide_resnet50_2 224 px, shots 5, new",
        "wide_resnet50_2 224 px, smoothing sigma 2.0, new",
    ]
    (pair,) = made["pairs"]
    (first, second) = pair["first"], pair["second"]
    assert (first, second) == (0, 1)  # one field apart, as the other is: the earlier
    assert pair["spec"] == [["shots", "all", 5]]

    filtered = [cell(*name, seen=False, interpolation="lanczos") for name in names]
    sets = [result_sets(runs[0]), result_sets(write_run(tmp_path / "filtered", filtered))]
    (pair,) = content(write_report(sets, tmp_path / "page.html").read_text())["pairs"]
    assert pair["spec"] == [["protocol.interpolation", "bilinear", "lanczos"]]

    runs[1] = write_run(tmp_path / "newer", after[1:])
    (pair,) = content(
        write_report([result_sets(one) for one in runs], tmp_path / "page.html").read_text()
    )["pairs"]
    assert (pair["first"], pair["second"]) == (0, 1)
    assert pair["spec"] == [["protocol.smoothing_sigma", 4.0, 2.0]]
    assert list(pair["tests"]) == ["bolt"]
    assert pair["level"] == 0.05
    p_values = {
        method: paired_test(*some_scores("bolt", method), shifted("bolt", method)[1])
        for method in pair["tests"]["bolt"]
    }
    low, high = sorted(p for p in p_values.values() if p is not None)
    corrected = {low: min(1, 2 * low), high: max(min(1, 2 * low), high)}  # by Holm, of two
    assert pair["tests"]["bolt"] == {method: corrected[p] for method, p in p_values.items()}  # type: ignore[index]
    assert auroc(*some_scores("bolt", "spade")) != auroc(*shifted("bolt", "spade"))


def test_a_pair_is_judged_on_common_images(tmp_path: Path) -> None:
    labels, scores = some_scores("bolt", "spade")
    others = shifted("bolt", "spade")[1][5:]
    runs = [
        write_run(tmp_path / "a", [cell("bolt", "spade", seen=False)]),
        write_run(tmp_path / "b", [cell("bolt", "spade", seen=False)]),
        write_run(tmp_path / "c", [cell("bolt", "spade", seen=False, dataset="others")]),
    ]
    (path,) = (runs[1] / "scores").rglob("*.csv")
    rows: list[tuple[object, ...]] = [("path", "label", "score")]
    rows += [
        (f"test/{'bad' if label else 'good'}/{number:03}.png", label, score)
        for number, (label, score) in enumerate(zip(labels[5:], others, strict=True), start=5)
    ]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    (pair,) = content(
        write_report([result_sets(one) for one in runs[:2]], tmp_path / "page.html").read_text()
    )["pairs"]
    expected = paired_test(labels[5:], scores[5:], others)
    assert pair["tests"] == {"bolt": {"spade": pytest.approx(expected)}}
    again = content(
        write_report(
            [result_sets(runs[0]), result_sets(runs[0])], tmp_path / "page.html"
        ).read_text()
    )["pairs"]
    assert again[0]["tests"] == {"bolt": {"spade": None}}  # the same scores: no verdict
    other = content(
        write_report(
            [result_sets(one) for one in (runs[0], runs[2])], tmp_path / "page.html"
        ).read_text()
    )
    assert other["pairs"] == []


def test_pictures_are_halved_until_they_fit(
    tmp_path: Path, cells: list[Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = written(tmp_path / "whole" / "parts", *cells)
    rest = len(whole) - sum(len(text) for text in re.findall(r"(?s)image/\w+,[^<]*", whole))
    monkeypatch.setattr(pages, "LIMIT", 1000 + rest + (len(whole) - rest) // 3)
    text = written(tmp_path / "small" / "parts", *cells)
    assert len(text.encode()) <= pages.LIMIT
    before, after = content(whole), content(text)
    found = sheets(text)
    (side,) = {found[images["images"]].width // 8 for images in after["sets"][0]["images"]}
    share = SIZE // side
    assert share > 1
    for images in after["sets"][0]["images"]:
        assert found[images["images"]].width == found[images["masks"]].width == 8 * side
    for shown in (cell for row in after["sets"][0]["cells"] for cell in row):
        assert found[shown["maps"]].width == 8 * (56 // share)
    assert (
        after["note"] == f"Pictures are shown at 1/{share} of their stored size, so that all fit."
    )
    assert before["note"] == ""


def test_what_can_not_shrink_any_more_stays() -> None:
    stored = previews_of(
        np.full((2, 5, 5, 3), 200, np.uint8),
        np.zeros((2, 5, 5), bool),
        np.zeros((2, 5, 5), np.float32),
    )
    gathered = Sheets()
    for name in ("preview_images", "preview_masks", "preview_maps"):
        gathered.add(stored[name].tobytes(), 2)
    kept, times = shrunk_to(gathered.all(), 0)
    assert ([sheet.side for sheet in kept], times) == ([1, 1, 1], 2)
    assert shrunk_to(gathered.all(), 10**6) == (gathered.all(), 0)
    assert shrunk_to([], 0) == ([], 0)
    assert isinstance(kept[0], Sheet)


@pytest.fixture
def run(folder: Path) -> Path:
    return write_run(folder / "results" / "parts", [cell("bolt", "spade")])


def test_the_command_writes_beside_the_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parts"]) == 0
    assert capsys.readouterr().out == "results/parts/report.html\n"
    assert (run / "report.html").is_file()
    shutil.copytree(run, run.parent / "again")
    assert main(["parts", "again"]) == 0
    assert capsys.readouterr().out == "results/parts/report-against-again.html\n"
    assert [path.name for path in run.glob(".*")] == []  # nothing half written


@pytest.mark.parametrize(
    ("kind", "damage"),
    [
        ("scores", b"path,label,score\n"),
        ("scores", b"path,label,score\ntest/good/000.png,7,0.5\n"),
        ("maps", b"nothing of the kind"),
    ],
)
def test_what_can_not_be_read_is_one_line(
    run: Path, kind: str, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = next((run / kind).rglob("*.*"), run / kind)
    path.write_bytes(damage)
    assert main(["parts"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert path.name in line
    assert not (run / "report.html").exists()


def test_a_run_that_is_not_there(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parts", "nowhere"]) == 2
    assert "no metrics.csv in nowhere" in capsys.readouterr().err


@pytest.mark.usefixtures("folder", "no_figures")
def test_every_run_ends_with_it() -> None:
    write_dataset(Path("data"), "cup")
    command = ["--data", "data", "--cache", "cache", "--backbone", NAME, "--image-size", "32"]
    command += ["--out", "out", "--methods", "padim"]
    page = Path("out/report.html")
    assert program.main(command) == 0
    first = content(page.read_text())
    assert first["sets"][0]["images"][0]["images"] is not None
    page.unlink()
    assert program.main(command) == 0
    assert content(page.read_text()) == first
    page.write_text("not as it was")
    assert program.main(command) == 0
    assert content(page.read_text()) == first
    made = page.stat().st_mtime_ns
    assert program.main(command) == 0
    assert page.stat().st_mtime_ns == made  # nothing is new
