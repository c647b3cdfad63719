"""The report of several runs in a real browser: times, differences, protocols."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.metrics.image import f1_optimal, image_metrics
from benchmarks.report.page import write_report
from benchmarks.results import journal, result_sets
from benchmarks.results.journal import Call, Extraction
from benchmarks.statistics.paired import paired_test
from benchmarks.statistics.pairs import corrected
from tests.helpers.runs import Cell, write_run
from tests.report.reading import (
    ANOMALOUS,
    CATEGORIES,
    LABELS,
    METHODS,
    NORMAL,
    cell,
    column,
    numbers,
    opened,
    scores_of,
)

DIFFERENCES = "table:has(#difference-by-category)"


def timed(category: str, method: str, fit: float, score: float, megabytes: float) -> Cell:
    images = {"n_train": 100, "n_test_good": NORMAL, "n_test_defect": ANOMALOUS}
    spent = {"fit_seconds": fit, "score_seconds": score, "peak_memory_mb": megabytes}
    return cell(category, method, measured=images | spent)


def test_speed_of_every_method_and_what_came_from_the_cache(browser: Any, tmp_path: Path) -> None:
    cells = [timed("nut", "patchcore-25", 4, 2, 900), timed("tile", "patchcore-25", 3, 1, 1500)]
    cells += [timed("nut", "padim", 1, 0.5, 1100), timed("tile", "padim", 1, 0.3, 700)]
    run = write_run(tmp_path / "timed", cells)
    extractions = (
        Extraction("nut", "wide_resnet50_2", 100, 60, 30),
        Extraction("tile", "wide_resnet50_2", 80, 0, 1),
    )
    call = Call(
        "2026-01-02T03:04:05+00:00",
        50,
        "parts",
        "wide_resnet50_2",
        224,
        "cpu",
        1,
        4,
        0,
        extractions,
    )
    journal.write(run, call)
    for page in opened(browser, write_report([result_sets(run)], run / "report.html")):
        table = page.locator("table:has(#speed-by-method)")
        rows = [row.split("\t") for row in table.locator("tbody").inner_text().strip().split("\n")]
        assert [[part.strip() for part in row] for row in rows] == [
            ["patchcore-25", "2", "7.00 s", "3.00 s", "37.5 ms", "1.50 GB"],
            ["padim", "2", "2.00 s", "0.80 s", "10.0 ms", "1.10 GB"],
        ]
        page.locator("#speed-by-fit").click()
        assert column(page, 0, "table:has(#speed-by-method)") == ["padim", "patchcore-25"]
        page.locator("#speed-category").select_option(label="tile")
        assert column(page, 2, "table:has(#speed-by-method)") == ["1.00 s", "3.00 s"]
        cache = page.locator("table", has_text="passed the backbone").locator("tbody").inner_text()
        assert [row.split("\t") for row in cache.strip().split("\n")] == [
            ["nut", "100", "60", "40", "30.0 s"],
            ["tile", "80", "0", "80", "1.00 s"],
            ["all", "180", "60", "120", "31.0 s"],
        ]


def test_differences_of_two_runs(browser: Any, tmp_path: Path) -> None:
    one = write_run(tmp_path / "before", [cell(c, m) for c in CATEGORIES[:2] for m in METHODS])
    shifts = {"cable": 0.8, "nut": 0.1}
    other = write_run(
        tmp_path / "after", [cell(c, m, shifts[c]) for c in CATEGORIES[:2] for m in METHODS]
    )
    for page in opened(
        browser,
        write_report([result_sets(one), result_sets(other)], one / "report-against-after.html"),
    ):
        assert page.locator("#set option").count() == 2
        tested = {}
        for place, method in enumerate(METHODS, start=1):
            shown = column(page, place, DIFFERENCES)
            for text, category in zip(shown, CATEGORIES[:2], strict=True):
                before, after = (
                    image_metrics(LABELS, scores_of(category, method, shift))["image_auroc"]
                    for shift in (0, shifts[category])
                )
                expected = f"{100 * (after - before):+.1f}".replace("-", "−")
                assert text.replace("better", "").replace("worse", "").strip(" ▲▼") == expected
                scores = (scores_of(category, method, shift) for shift in (0, shifts[category]))
                tested[category, method] = (after - before, paired_test(LABELS, *scores), text)
        levels = corrected([p for _, p, _ in tested.values()])
        for (difference, _, text), p in zip(tested.values(), levels, strict=True):
            assert ("▲" in text) == (p is not None and p < 0.05 and difference > 0)
            assert "▼" not in text or difference < 0
        assert {"▲" in text for *_, text in tested.values()} == {True, False}
        page.locator("#difference-by-method-0").click()
        values = [float(t.split()[0].replace("−", "-")) for t in column(page, 1, DIFFERENCES)]
        assert values == sorted(values, reverse=True)
        right, wrong = changed("cable", "padim")
        row = page.locator("#differences-content tr", has_text="padim").filter(has_text="cable")
        assert row.locator("td").nth(1).inner_text().startswith(str(right))
        assert row.locator("td").nth(2).inner_text().startswith(str(wrong))
        page.locator("#difference-metric").select_option("error_at_f1_optimal")
        assert (
            "Error at optimal F1" in page.locator("#differences-content caption").first.inner_text()
        )
        assert (
            "no test judges these"
            in page.locator("#differences-content caption").first.inner_text()
        )
        assert not {"▲", "▼"} & {*page.locator(f"{DIFFERENCES} tbody").inner_text()}
        page.locator("#set").select_option("1")
        value = image_metrics(LABELS, scores_of("cable", "padim", 0.8))["image_auroc"]
        assert numbers([column(page, 2)[0]]) == [float(f"{100 * value:.1f}")]


def changed(category: str, method: str) -> tuple[int, int]:
    """Return how many images a method has newly right, and newly wrong, after the shift."""
    wrong = []
    for shift in (0, 0.8):
        scores = scores_of(category, method, shift)
        best = f1_optimal(LABELS, scores)
        assert best is not None
        wrong.append((np.array(scores) >= best.threshold) != (np.array(LABELS) == 1))
    return int((wrong[0] & ~wrong[1]).sum()), int((~wrong[0] & wrong[1]).sum())


def test_one_run_has_no_differences(page: Any) -> None:
    assert page.locator("#differences").is_hidden()
    assert page.locator("#to-differences").is_hidden()


def test_several_protocols_are_chosen_between(browser: Any, tmp_path: Path) -> None:
    cells = [cell("nut", "padim"), cell("nut", "padim", 0.8, image_size=320)]
    run = write_run(tmp_path / "sizes", cells)
    for page in opened(browser, write_report([result_sets(run)], run / "report.html")):
        assert page.locator("#set-label").is_visible()
        for number, shift in enumerate((0, 0.8)):
            page.locator("#set").select_option(str(number))
            value = image_metrics(LABELS, scores_of("nut", "padim", shift))["image_auroc"]
            assert numbers(column(page, 1)) == [float(f"{100 * value:.1f}")]
