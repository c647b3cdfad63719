"""What the first view decides by: the page shows Python's numbers, which are the metrics' own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.metrics.calibrated import threshold
from benchmarks.metrics.image import image_metrics
from benchmarks.report.__main__ import main
from benchmarks.report.decision import decision, enough
from benchmarks.report.page import write_report
from benchmarks.results import ResultSet, result_sets
from benchmarks.results.costs import Cost, write_costs
from benchmarks.statistics.delong import paired_variance
from benchmarks.statistics.proportions import proportion_interval
from benchmarks.statistics.sample_size import times_as_many, times_for_observed
from tests.helpers.runs import write_run
from tests.report.reading import ANOMALOUS, LABELS, METHODS, NORMAL, cell, opened, scores_of

HELD_OUT = np.linspace(-1.2, 2.2, 40)
ALPHAS = (1, 5, 10)


def rates(method: str, alpha: int) -> tuple[int, int] | None:
    """Return false alarms and missed images by definition; None with too few held-out images."""
    place = alpha * (len(HELD_OUT) + 1) // 100
    if not place:
        return None
    limit = sorted(HELD_OUT, reverse=True)[place - 1]
    called = np.array(scores_of("nut", method)) > limit
    return int(called[:NORMAL].sum()), int((~called[NORMAL:]).sum())


def calibrated(method: str, category: str = "nut", seed: int = 0) -> Any:
    """A cell whose thresholds 40 held-out images set."""
    of_cell = cell(category, method, seed=seed)
    metrics: dict[str, float | None] = {}
    for alpha in ALPHAS:
        found = rates(method, alpha)
        alarms, missed = found or (None, None)
        name = f"calibrated_{{}}_{alpha:02}"
        metrics[name.format("false_alarm_rate")] = None if alarms is None else alarms / NORMAL
        metrics[name.format("recall")] = None if missed is None else 1 - missed / ANOMALOUS
    limits = {f"image_{alpha:02}": threshold(HELD_OUT, alpha) for alpha in ALPHAS}
    counts: Any = {"n_test_good": NORMAL, "n_test_defect": ANOMALOUS, "n_held_out": len(HELD_OUT)}
    return replace(
        of_cell,
        values={**of_cell.values, **metrics},
        measured={**counts, "thresholds": limits},
        calibrate=len(HELD_OUT),
    )


def costs(results: ResultSet) -> Iterator[Cost]:
    for place, ((category, method), of_cell) in enumerate(results.first.items(), start=1):
        spent = (10.0 * place, 15.0 * place)
        yield Cost(
            of_cell.spec.key, method, category, "a CPU", "", 50, 3, spent, 8, 99.0, 5, 700.0, {}
        )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A calibrated run of one category whose costs are known: 15 ms at the most, and 30."""
    folder = write_run(tmp_path_factory.mktemp("decision") / "run", [*map(calibrated, METHODS)])
    write_costs(folder, costs(result_sets(folder)[0]))
    return folder


@pytest.fixture
def page(browser: Any, run: Path) -> Iterator[Any]:
    yield from opened(browser, write_report([result_sets(run)], run / "report.html"))


def content(report: Path) -> Any:
    (text,) = re.findall(r'(?s)id="content">(.*?)</script>', report.read_text("utf-8"))
    whole = json.loads(text)
    return {**whole["sets"][0]["decision"], "enough": whole["enough"][0]}


def test_rates_are_those_at_the_thresholds_of_held_out_images(run: Path) -> None:
    decided = content(write_report([result_sets(run)], run / "report.html"))
    assert [point["alpha"] for point in decided["points"]] == [1, 5, 10]
    assert decided["points"][0]["methods"] == []
    assert "takes 99 nominal images" in decided["points"][0]["note"]
    assert "40 are held out" in decided["points"][0]["note"]
    for point, place in zip(decided["points"][1:], (2, 4), strict=True):
        assert f"place {place} from the top among 40 nominal" in point["note"]
        for judged, method in zip(point["methods"], METHODS, strict=True):
            found = rates(method, point["alpha"])
            assert found is not None
            assert judged["images"] == [found[0], NORMAL, found[1], ANOMALOUS]
            for shown, count, total in (
                (judged["alarms"], found[0], NORMAL),
                (judged["missed"], found[1], ANOMALOUS),
            ):
                low, high = proportion_interval(count / total, total)
                assert shown == pytest.approx([count / total, low, high])
            above = 100 * judged["alarms"][1] > point["alpha"]
            assert (method in point["note"]) == above


def test_the_page_shows_what_python_found(page: Any, run: Path) -> None:
    decided = content(run / "report.html")
    for point in decided["points"][1:]:
        page.locator("#alpha").select_option(str(point["alpha"]))
        assert page.locator("#held-out").inner_text() == point["note"]
        rows = page.locator("#decision tbody tr").all()
        assert len(rows) == 2
        missed = []
        for row in rows:
            name, *shown = [
                " ".join(text.split()) for text in row.locator("th, td").all_inner_texts()
            ]
            judged = point["methods"][METHODS.index(name)]
            alarms, normal, escaped, anomalous = judged["images"]
            for text, (rate, low, high), count, total in (
                (shown[0], judged["missed"], escaped, anomalous),
                (shown[1], judged["alarms"], alarms, normal),
            ):
                numbers = f"{100 * rate:.1f} {count} of {total} [{100 * low:.1f}, {100 * high:.1f}]"
                assert text == numbers
            late = decided["costs"][METHODS.index(name)]["cost"]["milliseconds"][1]
            assert shown[3] == f"{late / 1.5:.0f} 95 % within {late:.0f}"
            missed.append(escaped)
        assert missed == sorted(missed)
        best = decided["enough"][0]
        assert page.locator("#enough").inner_text() == best["text"]
        for place in range(len(METHODS)):
            page.locator(f"#failing-{place}").click()
            judged = point["methods"][place]
            sentence = page.locator(".where p").inner_text()
            alarms, normal, escaped, anomalous = judged["images"]
            assert sentence.startswith(
                f"It misses {escaped} of {anomalous} anomalous images and calls"
            )
            assert f"{alarms} of {normal} normal ones" in sentence
            assert page.locator(".missed").count() == min(escaped, 6)
    page.locator("#alpha").select_option("1")
    assert "takes 99 nominal images" in page.locator("#held-out").inner_text()
    assert "F1-optimal thresholds" in page.locator(".where p").inner_text()


def test_a_limit_of_time_leaves_what_is_as_fast(page: Any) -> None:
    left = page.locator("#decision tbody th")
    assert {text.strip() for text in left.all_inner_texts()} == set(METHODS)
    for limit, names in (("30", 2), ("29.9", 1), ("15", 1), ("14", 0), ("", 2)):
        page.locator("#limit").fill(limit)
        page.locator("#limit").press("Enter")
        assert left.count() == names
        if names == 1:
            assert left.inner_text().strip() == METHODS[0]
            assert page.locator("#enough").inner_text() == ""
        if names == 0:
            assert (
                "No method shown is known to be so fast" in page.locator("#decision").inner_text()
            )


def test_the_gallery_judges_by_held_out_images(page: Any) -> None:
    page.locator("#point").select_option("calibrated")
    page.locator("#outcome").select_option("fn")
    for alpha in (5, 10):
        page.locator("#alpha").select_option(str(alpha))
        for method in METHODS:
            page.locator("#judge").select_option(label=method)
            found = rates(method, alpha)
            assert found is not None
            said = page.locator("#counts").inner_text()
            assert f"{found[0]} false positives" in said
            assert f"{found[1]} of 40 images shown" in said


def test_how_many_images_would_do(run: Path) -> None:
    (results,) = result_sets(run)
    by_auroc = sorted(
        METHODS, key=lambda m: -image_metrics(LABELS, scores_of("nut", m))["image_auroc"]
    )
    (pair,) = enough(results, 2.5)
    text = pair["text"]
    assert [METHODS[pair["first"]], METHODS[pair["second"]]] == by_auroc
    estimate = paired_variance(LABELS, *(scores_of("nut", method) for method in by_auroc))
    assert estimate is not None
    times = times_as_many(0.025, estimate[1])
    counts = [ceil(times * count) for count in (len(LABELS), NORMAL, ANOMALOUS)]
    assert "difference of 2.5 points" in text
    assert "{:,} test images: {:,} normal, {:,} anomalous".format(*counts) in text
    observed, least, most = times_for_observed(*estimate)
    assert f"about {ceil(observed * 40):,} (95 % interval: {ceil(least * 40):,} to" in text
    assert text.endswith("to no number)." if most == float("inf") else f"{ceil(most * 40):,}).")


def test_several_seeds_have_no_interval_and_say_so(tmp_path: Path) -> None:
    cells = [calibrated("padim", seed=seed) for seed in (0, 1)]
    cells[1] = replace(cells[1], values={**cells[1].values, "calibrated_recall_05": 0.5})
    (results,) = result_sets(write_run(tmp_path / "seeds", cells))
    assert list(enough(results, 1.0)) == []
    point = decision(results)["points"][1]
    first = cells[0].values["calibrated_recall_05"]
    ends = sorted([1 - first, 0.5])
    assert point["methods"][0]["missed"] == pytest.approx([(1 - first + 0.5) / 2, *ends])
    counts = rates("padim", 5)
    assert counts is not None
    assert point["methods"][0]["images"] == [counts[0], NORMAL, counts[1], ANOMALOUS]
    assert "several seeds, which share the test images, have their range" in point["note"]


def test_the_page_switches_to_calibrated_metrics_with_intervals_or_the_range_of_seeds(
    browser: Any, run: Path, tmp_path: Path
) -> None:
    name = "calibrated_recall_05"
    seeds = [calibrated("padim", seed=seed) for seed in (0, 1)]
    seeds[1] = replace(seeds[1], values={**seeds[1].values, name: 0.5})
    several = write_run(tmp_path / "several", seeds)
    first = seeds[0].values[name]
    low, high = proportion_interval(first, ANOMALOUS)
    ends = "–".join(f"{100 * value:.1f}" for value in sorted([first, 0.5]))
    for folder, expected in ((run, f"[{100 * low:.1f}, {100 * high:.1f}]"), (several, f"({ends})")):
        report = write_report([result_sets(folder)], folder / "report.html", [name])
        for page in opened(browser, report):
            assert page.locator("#metric").input_value() == name
            row = page.locator(".ranking tr[data-method=padim]")
            assert expected in row.inner_text()
            assert "±" not in row.inner_text()


def test_of_a_single_category_the_threshold_stands_beside_its_rates(page: Any) -> None:
    limit = sorted(HELD_OUT, reverse=True)[1]  # ⌊0.05 · 41⌋ = 2
    heads = page.locator("#decision th[scope=col]").all_inner_texts()
    place = heads.index("alarm above") - 1
    for row in page.locator("#decision tbody tr").all():
        shown = float(row.locator("td").nth(place).inner_text().replace("−", "-"))
        assert shown == pytest.approx(limit, rel=1e-3)


def test_without_held_out_images_it_is_said_how_thresholds_were_found(
    browser: Any, tmp_path: Path
) -> None:
    run = write_run(tmp_path / "plain", [cell("nut", method) for method in METHODS])
    for page in opened(browser, write_report([result_sets(run)], run / "report.html")):
        assert page.locator("#alpha, #limit, #held-out").count() == 0
        said = page.locator(".where p").inner_text()
        assert "which these images chose" in said
        assert "--calibrate" in said
        assert "test images" in page.locator("#enough").inner_text()
        assert "benchmarks.cost" in page.locator("#pareto").inner_text()


@pytest.mark.parametrize("points", ["0", "-1", "100", "nan"])
def test_a_difference_that_is_none(
    points: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run), "--difference", points]) == 2
    assert "is no number of points, 0 to 100" in capsys.readouterr().err


def test_the_picture_of_time_and_accuracy(page: Any, run: Path) -> None:
    stored = json.loads(
        re.findall(r'(?s)id="content">(.*?)</script>', (run / "report.html").read_text())[0]
    )
    (results,) = stored["sets"]
    for metric, table in results["tables"].items():
        page.locator("#metric").select_option(metric)
        marks = page.locator("#pareto g.timed")
        ranked = table["ranking"]["methods"]
        assert marks.count() == len(ranked)
        for place, mark in enumerate(marks.all()):
            assert mark.get_attribute("data-method") == METHODS[ranked[place]["method"]]
        assert page.locator("#pareto path.front").count() == bool(ranked)
        values = {one["method"]: one["value"] for one in ranked}
        sign = (
            1
            if next(m for m in stored["metrics"] if m["name"] == metric)["higher_is_better"]
            else -1
        )
        better = sign * values[1] > sign * values[0]  # the second takes longer
        assert table["front"] == ([0, 1] if better else [0])
    rows = page.locator("#pareto tbody tr").all_inner_texts()
    assert [row.split() for row in rows] == [
        [METHODS[0], "10", "15", "99.0", "8", "0.0", "700"],
        [METHODS[1], "20", "30", "99.0", "8", "0.0", "700"],
    ]
    assert "a CPU" in page.locator("#pareto caption").inner_text()
