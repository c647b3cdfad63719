"""The report's gallery in a real browser: thresholds, filters, pages, pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.metrics.image import f1_optimal, full_recall
from tests.report.reading import (
    ANOMALOUS,
    CATEGORIES,
    LABELS,
    METHODS,
    NORMAL,
    SIDE,
    choose,
    counts,
    expected_counts,
    scores_of,
)


def test_the_gallery_opens_with_what_is_misclassified_at_the_best_f1(page: Any) -> None:
    wrong = 0
    for category in CATEGORIES:
        best = f1_optimal(LABELS, scores_of(category, "patchcore-25"))
        assert best is not None
        wrong += best.errors
    assert f"{wrong} of {3 * len(LABELS)} images shown" in page.locator("#counts").inner_text()
    found = counts(page)
    assert found[0] + found[1] == wrong
    assert page.locator("#cards article").count() == min(wrong, 12)
    for text in page.locator("#cards article").all_inner_texts():
        assert "false positive" in text or "false negative" in text


@pytest.mark.parametrize("method", METHODS)
def test_dragging_the_threshold_changes_the_counts(page: Any, method: str) -> None:
    assert page.locator("#slider").count() == 0
    choose(page, "cable", method)
    distinct = sorted(set(scores_of("cable", method)))
    best = f1_optimal(LABELS, scores_of("cable", method))
    assert best is not None
    assert counts(page) == expected_counts("cable", method, best.threshold)
    for place in (0, 3, len(distinct) // 2, len(distinct) - 1):
        page.locator("#slider").fill(str(place))
        assert counts(page) == expected_counts("cable", method, distinct[place])
        assert page.locator("#point").input_value() == "own"
        assert page.locator("#slider").input_value() == str(place)
    page.locator("#slider").fill(str(len(distinct)))
    assert counts(page) == (0, ANOMALOUS, 0, NORMAL)
    page.locator("#slider").press("ArrowLeft")
    assert counts(page) == expected_counts("cable", method, distinct[-1])


def test_dragging_in_the_histogram(page: Any) -> None:
    choose(page, "nut", "padim")
    scores = scores_of("nut", "padim")
    svg = page.locator("#threshold svg")
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    unit = box["width"] / 340
    page.mouse.move(box["x"] + 100 * unit, box["y"] + 80 * unit)
    page.mouse.down()
    for at in (150, 200, 250):
        page.mouse.move(box["x"] + at * unit, box["y"] + 80 * unit)
        under = min(scores) + (at - 46) / (340 - 46 - 12) * (max(scores) - min(scores))
        threshold = min(score for score in scores if score >= under)
        assert counts(page) == expected_counts("nut", "padim", threshold)
    page.mouse.up()
    before = counts(page)
    page.mouse.move(box["x"] + 90 * unit, box["y"] + 80 * unit)
    assert counts(page) == before


def test_both_working_points(page: Any) -> None:
    best = f1_optimal(LABELS, scores_of("cable", "patchcore-25"))
    full = full_recall(LABELS, scores_of("cable", "patchcore-25"))
    assert best is not None
    assert full is not None
    assert best.threshold != full.threshold
    choose(page, "cable", "patchcore-25")
    page.locator("#point").select_option("full_recall")
    assert counts(page)[:2] == (full.false_positives, 0)
    page.locator("#point").select_option("f1_optimal")
    assert counts(page)[:2] == (best.false_positives, best.false_negatives)


@pytest.mark.parametrize("outcome", ["fp", "fn", "correct", "all", "errors"])
def test_filtering_by_outcome(page: Any, outcome: str) -> None:
    choose(page, "cable", "padim")
    page.locator("#outcome").select_option(outcome)
    fp, fn, tp, tn = counts(page)
    expected = {"fp": fp, "fn": fn, "correct": tp + tn, "all": 40, "errors": fp + fn}[outcome]
    assert f"{expected} of 40 images shown" in page.locator("#counts").inner_text()


def test_filtering_by_kind_and_by_any_method(page: Any) -> None:
    page.locator("#outcome").select_option("all")
    page.locator("#kind").select_option("bad")
    assert f"{3 * ANOMALOUS} of 120 images shown" in page.locator("#counts").inner_text()
    page.locator("#kind").select_option("all")
    choose(page, "cable", "any method")
    page.locator("#outcome").select_option("errors")
    wrong = np.zeros(len(LABELS), bool)
    for method in METHODS:
        best = f1_optimal(LABELS, scores_of("cable", method))
        assert best is not None
        called = np.array(scores_of("cable", method)) >= best.threshold
        wrong |= called != (np.array(LABELS) == 1)
    assert f"{wrong.sum()} of 40 images shown" in page.locator("#counts").inner_text()


def test_paging(page: Any) -> None:
    page.locator("#outcome").select_option("all")
    seen = []
    for number in range(1, 11):
        assert page.locator("#page").inner_text() == f"Page {number} of 10"
        for one in page.locator("#cards article").all():
            seen.append((one.get_attribute("data-category"), one.get_attribute("data-image")))
        if number < 10:
            page.locator("#next-page").click()
    assert len(set(seen)) == len(seen) == 120
    assert page.locator("#next-page").is_disabled()
    page.locator("#first-page").click()
    assert page.locator("#page").inner_text() == "Page 1 of 10"
    assert page.locator("#previous-page").is_disabled()
    page.locator("#last-page").click()
    page.locator("#previous-page").click()
    assert page.locator("#page").inner_text() == "Page 9 of 10"


def test_pictures_show_the_defect_and_the_map(page: Any) -> None:
    choose(page, "cable", "padim")
    page.locator("#outcome").select_option("all")
    page.locator("#kind").select_option("bad")
    card = page.locator("#cards article").first
    card.scroll_into_view_if_needed()
    page.wait_for_function(
        "[...document.querySelectorAll('#cards article:first-child canvas')].every("
        "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v > 0))"
    )
    image, truth, *maps = [
        np.array(
            canvas.evaluate("c => [...c.getContext('2d').getImageData(0, 0, 64, 64).data]")
        ).reshape(64, 64, 4)[..., :3]
        for canvas in card.locator("canvas").all()
    ]
    assert np.abs(image.mean() - 120) < 8
    outline = (truth == (0, 255, 255)).all(axis=-1)
    expected = np.zeros((SIDE, SIDE), bool)
    expected[NORMAL : NORMAL + 20, 8:24] = True
    expected[NORMAL + 1 : NORMAL + 19, 9:23] = False
    assert (outline == expected).all()
    assert len(maps) == len(METHODS)
    for one in maps:
        inside, outside = one[NORMAL + 4 : NORMAL + 16, 12:20], one[:, 40:]
        assert inside.mean() > outside.mean() + 60
        assert outside.mean() < 60


def test_a_threshold_is_typed_and_its_rates_are_said(page: Any) -> None:
    choose(page, "cable", "padim")
    page.locator("#threshold-value").fill("0.705")
    page.locator("#threshold-value").press("Enter")
    fp, fn, *others = expected_counts("cable", "padim", 0.705)
    assert counts(page) == (fp, fn, *others)
    said = page.locator("#counts").inner_text()
    assert f"{fp} false positives ({100 * fp / NORMAL:.1f} % of {NORMAL})" in said
    assert f"{fn} false negatives ({100 * fn / ANOMALOUS:.1f} % of {ANOMALOUS})" in said
    assert page.locator("#point").input_value() == "own"


def lowest_threshold(scores: list[float], rate: float) -> float:
    """Return the lowest score at or above which at most so many per cent of normal images lie."""
    normal = np.array(scores)[:NORMAL]
    allowed = [s for s in scores if 100 * int((normal >= s).sum()) <= rate * NORMAL]
    return min(allowed, default=np.inf)


@pytest.mark.parametrize("rate", [0, 7, 21.5, 50, 100])
def test_one_false_alarm_rate_judges_all_methods(page: Any, rate: float) -> None:
    page.locator("#point").select_option("rate")
    page.locator("#rate").fill(str(rate))
    for method in METHODS:
        expected = np.zeros(4, int)
        for category in CATEGORIES:
            if (category, method) == ("tile", "padim"):  # failed
                continue
            scores = scores_of(category, method)
            expected += expected_counts(category, method, lowest_threshold(scores, rate))
        page.locator("#judge").select_option(label=method)
        assert counts(page) == tuple(expected)
    choose(page, "nut", "any method")
    page.locator("#outcome").select_option("all")
    card = page.locator("#cards article").first
    name = int(card.get_attribute("data-image").split("/")[-1].split(".")[0])
    for method, caption in zip(
        METHODS, card.locator("figcaption").all_inner_texts()[2:], strict=True
    ):
        scores = scores_of("nut", method)
        called = scores[name] >= lowest_threshold(scores, rate)
        word = {(0, False): "passed", (0, True): "false positive"}[LABELS[name], called]
        assert caption.endswith(word)


def test_pictures_open_larger(page: Any) -> None:
    picture = page.locator("#cards article figure").nth(2)
    small = picture.locator("canvas").bounding_box()["width"]
    picture.locator("a").click()
    assert page.locator("#viewer").is_visible()
    figure = page.locator("#viewer figure").nth(2)
    middle = figure.locator("canvas").bounding_box()["width"]
    figure.locator("button").click()
    large = figure.locator("canvas").bounding_box()["width"]
    assert small < middle < large
    assert large >= 700  # of a window 900 pixels high
    figure.locator("button").press("Enter")
    assert figure.locator("canvas").bounding_box()["width"] == middle
