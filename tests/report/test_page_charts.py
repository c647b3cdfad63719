"""The report's charts in a real browser: what they draw, and what a pointer reads off."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.metrics.image import f1_optimal, full_recall, image_metrics
from tests.report.reading import (
    ANOMALOUS,
    CATEGORIES,
    LABELS,
    METHODS,
    NORMAL,
    opened,
    scores_of,
)


def test_curves_can_be_read_with_the_pointer_and_the_keyboard(page: Any) -> None:
    chart = page.locator("#charts figure", has_text="ROC: cable").first
    assert chart.locator("path.curve").count() == len(METHODS)
    chart.locator("svg").scroll_into_view_if_needed()
    chart.locator("svg").hover()
    assert re.search(
        r"false-positive rate 0?\.?\d+.*threshold", chart.locator(".readout").inner_text()
    )
    chart.locator("svg").focus()
    for key in ("ArrowLeft",) * 100:
        page.keyboard.press(key)
    assert "true-positive rate 0" in chart.locator(".readout").inner_text()
    before = chart.locator(".readout").inner_text()
    page.keyboard.press("ArrowDown")
    assert chart.locator(".readout").inner_text().split(":")[0] != before.split(":")[0]


def test_the_area_under_the_drawn_roc_curve_is_the_auroc(page: Any) -> None:
    path = page.locator("#charts figure", has_text="ROC: nut").locator("path.curve")
    page.locator("#curve-category").select_option("1")
    drawn = path.first.get_attribute("d")
    points = np.array([[float(v) for v in pair.split(",")] for pair in re.split("[ML]", drawn)[1:]])
    x, y = points.T
    x, y = (x - x[0]) / (x[-1] - x[0]), (y - y[0]) / (y[-1] - y[0])
    expected = image_metrics(LABELS, scores_of("nut", "patchcore-25"))["image_auroc"]
    assert np.trapezoid(y, x) == pytest.approx(expected, abs=1e-3)


def test_the_area_under_the_drawn_precision_curve_is_the_average_precision(page: Any) -> None:
    chart = page.locator("#charts figure", has_text="Precision and recall: cable")
    drawn = chart.locator("path.curve").first.get_attribute("d")
    start, *rest = re.split("(?=[MVH])", drawn)[1:]
    x, y = (float(value) for value in start[1:].split(","))
    corners = [(x, y)]
    for piece in rest:
        x, y = (x, float(piece[1:])) if piece[0] == "V" else (float(piece[1:]), y)
        corners.append((x, y))
    area = sum((b[0] - a[0]) * (220 - (a[1] + b[1]) / 2) for a, b in pairwise(corners))
    expected = image_metrics(LABELS, scores_of("cable", "patchcore-25"))["image_ap"]
    assert area / ((340 - 46 - 12) * (260 - 10 - 40)) == pytest.approx(expected, abs=2e-3)


def test_histograms_hold_every_image_and_both_working_points(page: Any) -> None:
    chart = page.locator("#charts figure", has_text="cable, padim")
    chart.locator("svg").focus()
    found = np.zeros(2, int)
    for _ in range(30):
        page.keyboard.press("ArrowRight")
        text = chart.locator(".readout").inner_text()
        found += [int(n) for n in re.findall(r"(\d+) (?:normal|anomalous)", text)]
    assert found.tolist() == [NORMAL, ANOMALOUS]
    marks = {
        mark.get_attribute("data-mark"): float(mark.locator("line").get_attribute("x1"))
        for mark in chart.locator("g.mark").all()
    }
    scores = scores_of("cable", "padim")
    low, high = min(scores), max(scores)
    best, full = f1_optimal(LABELS, scores), full_recall(LABELS, scores)
    assert best is not None
    assert full is not None
    for name, point in (("F1-optimal", best), ("100 % recall", full)):
        at = 46 + (point.threshold - low) / (high - low) * (340 - 46 - 12)
        assert marks[name] == pytest.approx(at, abs=0.01)


def test_all_categories_at_once(page: Any) -> None:
    page.locator("#curve-category").select_option("all")
    assert page.locator("#charts h3").all_inner_texts() == list(CATEGORIES)
    assert "padim: failed (out of memory)" in page.locator("#charts").inner_text()


def test_a_finger_reads_a_curve(browser: Any, report: Path) -> None:
    for page in opened(browser, report, has_touch=True):
        chart = page.locator("#charts figure", has_text="Precision and recall: cable")
        chart.locator("svg").tap()
        assert re.search(r"recall [\d.]+, precision [\d.]+", chart.locator(".readout").inner_text())
