"""The report's table in a real browser: sorted, filtered, of any metric."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.metrics.definitions import METRICS
from benchmarks.metrics.image import full_recall, image_metrics
from benchmarks.report.page import write_report
from benchmarks.results import result_sets
from benchmarks.statistics.intervals import metric_intervals
from tests.helpers.runs import Cell, write_run
from tests.report.reading import (
    CATEGORIES,
    LABELS,
    METHODS,
    cell,
    column,
    numbers,
    opened,
    scores_of,
)


def test_values_are_the_stored_ones(page: Any) -> None:
    for place, method in enumerate(METHODS, start=1):
        for row, category in enumerate(CATEGORIES):
            shown = column(page, place)[row]
            if (category, method) == ("tile", "padim"):
                assert shown == "failed"
            else:
                value = image_metrics(LABELS, scores_of(category, method))["image_auroc"]
                assert numbers([shown]) == [float(f"{100 * value:.1f}")]


def test_a_mean_only_over_a_complete_set(page: Any) -> None:
    values = [
        image_metrics(LABELS, scores_of(c, "patchcore-25"))["image_auroc"] for c in CATEGORIES
    ]
    mean, incomplete = page.locator("#table tfoot td").all_inner_texts()
    assert numbers([mean]) == [float(f"{100 * np.mean(values):.1f}")]
    assert incomplete == "–"


def test_sorting(page: Any) -> None:
    button = page.locator("#overview-by-method-0")
    button.click()
    first = numbers(column(page, 1))
    assert first == sorted(first, reverse=True)
    assert page.locator("#table th[aria-sort]").get_attribute("aria-sort") == "descending"
    button.click()
    assert numbers(column(page, 1)) == sorted(first)
    page.locator("#overview-by-category").click()
    assert column(page, 0) == sorted(CATEGORIES)
    page.locator("#overview-by-category").click()
    assert column(page, 0) == sorted(CATEGORIES, reverse=True)


def test_failed_cells_sort_last_either_way(page: Any) -> None:
    for _ in range(2):
        page.locator("#overview-by-method-1").click()
        assert column(page, 0)[-1] == "tile"


def test_sorting_from_the_keyboard_keeps_the_focus(page: Any) -> None:
    page.locator("#overview-by-method-0").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    values = numbers(column(page, 1))
    assert values == sorted(values)
    assert page.evaluate("document.activeElement.id") == "overview-by-method-0"


def test_filtering_categories(page: Any) -> None:
    page.locator("#filter").fill("UT")
    assert column(page, 0) == ["nut"]
    assert page.locator("#table tfoot th").inner_text() == "mean of all 3 categories"
    page.locator("#filter").fill("nothing of the kind")
    assert column(page, 0) == []
    assert "No category" in page.locator("#table").inner_text()


def test_hiding_a_method_hides_it_everywhere(page: Any) -> None:
    page.locator("[id='show-patchcore-25']").uncheck()
    assert page.locator("#table thead th").all_inner_texts() == ["category", "padim"]
    assert page.locator("#charts path.curve[data-method='patchcore-25']").count() == 0
    assert page.locator("#charts path.curve[data-method='padim']").count() > 0
    assert "patchcore-25" not in page.locator("#cards").inner_text()
    assert "patchcore-25" not in page.locator("#speed-content").inner_text()


def test_switching_the_metric(page: Any) -> None:
    page.locator("#metric").select_option("false_positives_at_full_recall")
    shown = [float(text) for text in numbers(column(page, 1))]
    expected = [full_recall(LABELS, scores_of(c, "patchcore-25")) for c in CATEGORIES]
    assert shown == [point.false_positives for point in expected if point]
    assert "lower is better" in page.locator("#metric-note").inner_text()
    page.locator("#overview-by-method-0").click()
    assert numbers(column(page, 1)) == sorted(shown)  # what is best comes first


def test_intervals_on_demand(page: Any) -> None:
    assert "[" not in page.locator("#table tbody").inner_text()
    page.locator("#intervals").check()
    low, high = metric_intervals(LABELS, scores_of("cable", "padim"))["image_auroc"]
    small = page.locator("#table tbody tr[data-row=cable] td").nth(1).locator("small")
    assert small.inner_text() == f"[{100 * low:.1f}, {100 * high:.1f}]"


def test_the_best_is_marked(page: Any) -> None:
    for category in CATEGORIES[:2]:
        best = page.locator(f"#table tr[data-row={category}] strong")
        values = [image_metrics(LABELS, scores_of(category, m))["image_auroc"] for m in METHODS]
        assert f"{100 * max(values):.1f}" in best.all_inner_texts()


def test_published_values_on_demand(browser: Any, tmp_path: Path) -> None:
    run = write_run(tmp_path / "screw", [cell("screw", "patchcore-25", dataset="mvtec_ad")])
    for page in opened(browser, write_report([result_sets(run)], run / "report.html")):
        entry = page.locator("#table tbody tr[data-row=screw] td")
        assert "paper" not in entry.inner_text()
        page.locator("#published").check()
        value = 100 * image_metrics(LABELS, scores_of("screw", "patchcore-25"))["image_auroc"]
        difference = f"{value - 98.1:+.1f}".replace("-", "−")
        assert entry.locator("small").inner_text() == f"paper 98.1 ({difference})"
        # One category of fifteen: no mean of ours, whatever the paper has.
        assert page.locator("#table tfoot").count() == 0
        page.locator("#metric").select_option("f1_max")
        assert "No published values" in page.locator("#metric-note").inner_text()


def test_verdicts_stand_where_something_can_be_compared(browser: Any, tmp_path: Path) -> None:
    named = {"dataset": "mvtec_ad"}
    cells = [cell("screw", "padim", seed=seed, backbone="resnet18", **named) for seed in (0, 1)]
    run = write_run(tmp_path / "screw", [*cells, cell("screw", "padim", **named, image_size=64)])
    for page in opened(browser, write_report([result_sets(run)], run / "report.html")):
        rows = page.locator("#reproduction tbody tr")
        assert rows.count() == 3
        assert "tolerance ±" in rows.first.inner_text()
        assert page.locator("nav a[href='#reproduction']").is_visible()
        page.locator("#set").select_option(index=1)
        assert not page.locator("#reproduction").is_visible()
        assert not page.locator("nav a[href='#reproduction']").is_visible()
    run = write_run(tmp_path / "parts", [cell("screw", "padim")])
    for page in opened(browser, write_report([result_sets(run)], run / "report.html")):
        assert page.locator("#reproduction").count() == 0


def test_metrics_that_have_a_value_are_offered(browser: Any, tmp_path: Path) -> None:
    whole = dict.fromkeys(METRICS, 0.5)
    lacking = {name: 0.5 if metric.level == "image" else None for name, metric in METRICS.items()}
    scores = {"scores": (LABELS, scores_of("nut", "padim"))}
    for name, cells, offered in (
        ("all", [Cell("nut", "padim", whole, **scores)], METRICS.keys()),
        ("images", [Cell("nut", "padim", lacking, **scores)], {n for n in whole if lacking[n]}),
        (
            "both",
            [Cell("nut", "padim", lacking), Cell("nut", "padim", whole, image_size=320)],
            whole,
        ),
    ):
        run = write_run(tmp_path / name, cells)
        for page in opened(browser, write_report([result_sets(run)], run / "report.html")):
            labels = [metric.label for key, metric in METRICS.items() if key in offered]
            assert page.locator("#metric option").all_inner_texts() == labels
            if name == "both":
                page.locator("#metric").select_option("pixel_ap")
                assert page.locator("#table").inner_text() == "No cell has this metric."
