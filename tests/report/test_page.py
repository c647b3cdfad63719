"""The report in a real browser: what a reader clicks, drags, types and sees."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.metrics.definitions import METRICS
from benchmarks.metrics.image import f1_optimal, full_recall, image_metrics
from benchmarks.report.page import write_report
from benchmarks.results import journal
from benchmarks.results.journal import Call, Extraction
from benchmarks.statistics.bootstrap import bootstrap_intervals
from tests.helpers.browser import CHROMIUM, FLAGS
from tests.helpers.runs import Cell, generator, previews_of, write_run

if CHROMIUM is None:
    pytest.skip("needs a browser (apt-get install chromium)", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.xdist_group("browser")

NORMAL, ANOMALOUS, SIDE = 14, 26, 64
LABELS = [0] * NORMAL + [1] * ANOMALOUS
CATEGORIES, METHODS = ("cable", "nut", "tile"), ("patchcore-25", "padim")
DIFFERENCES = "table:has(#difference-by-category)"
HOSTILE = "</script><img src=x onerror=alert(1)>"


def scores_of(category: str, method: str, shift: float = 0.0) -> list[float]:
    """Return scores that overlap, with ties, different for each category and method."""
    random = generator("page", category, method)
    scores: list[float] = (random.normal(loc=np.multiply(LABELS, 1.5 + shift))).round(2).tolist()
    return scores


@cache
def pictures(category: str) -> dict[str, Any]:
    """Return what a cell keeps of its maps: defects on the left, hot there in the maps."""
    random = generator("pictures", category)
    images = random.integers(90, 150, (len(LABELS), SIDE, SIDE, 3)).astype(np.uint8)
    masks = np.zeros((len(LABELS), SIDE, SIDE), bool)
    for n in range(NORMAL, len(LABELS)):
        masks[n, n : n + 20, 8:24] = True  # elsewhere on each
    maps = masks.astype(np.float32) + np.float32(0.01)
    names = np.array(
        [f"test/{'bad' if label else 'good'}/{n:03}.png" for n, label in enumerate(LABELS)]
    )
    kept = {"names": names[:1], "images": images[:1], "masks": masks[:1], "maps": maps[:1]}
    return kept | {"scores": np.zeros(1)} | previews_of(images, masks, maps)


def cell(category: str, method: str, shift: float = 0.0, **others: Any) -> Cell:
    scores = scores_of(category, method, shift)
    values = {**image_metrics(LABELS, scores), "pixel_auroc": 0.9, "aupro_30": 0.8}
    return Cell(
        category, method, values, scores=(LABELS, scores), maps=pictures(category), **others
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of three categories; in the third one method failed."""
    folder = tmp_path_factory.mktemp("results") / "parts"
    cells = [cell(category, method) for category in CATEGORIES for method in METHODS]
    cells[-1] = replace(cells[-1], status="failed", scores=None, maps=None)
    return write_report([write_run(folder, cells)], folder / "report.html")


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Any]:
    yield from opened(browser, report)


def opened(browser: Any, report: Path, **context: Any) -> Iterator[Any]:
    """Open a report; nothing may be logged, thrown, or asked of any network."""
    context = browser.new_context(viewport={"width": 1200, "height": 900}, **context)
    page = context.new_page()
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("requestfailed", lambda request: troubles.append(request.url))
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(report.resolve().as_uri())
    yield page
    page.wait_for_timeout(50)  # what is still being drawn may fail, too
    assert troubles == []
    assert [url for url in requests if not url.startswith("data:")] == [report.resolve().as_uri()]
    context.close()


def column(page: Any, number: int, table: str = "#table") -> list[str]:
    """Return a column's texts, the row's heading being column 0."""
    rows = page.locator(f"{table} tbody tr").all()
    return [row.locator("th, td").nth(number).inner_text().split("\n")[0].strip() for row in rows]


def numbers(texts: list[str]) -> list[float]:
    return [float(re.sub(r"[^\d.]", "", text)) for text in texts if re.search(r"\d", text)]


def counts(page: Any) -> tuple[int, int, int, int]:
    """Return false positives, false negatives, found and passed as the gallery says them."""
    text = page.locator("#counts").inner_text()
    return tuple(int(number) for number in re.findall(r"(\d+) (?:false|found|passed)", text))  # type: ignore[return-value]


def expected_counts(category: str, method: str, threshold: float) -> tuple[int, int, int, int]:
    called = np.array(scores_of(category, method)) >= threshold
    defect = np.array(LABELS) == 1
    return (
        int((called & ~defect).sum()),
        int((~called & defect).sum()),
        int((called & defect).sum()),
        int((~called & ~defect).sum()),
    )


def test_the_title_and_what_made_the_numbers(page: Any) -> None:
    assert page.title() == "parts"
    assert page.locator("#synthetic").is_hidden()
    page.locator("#made summary").click()
    facts = page.locator("#facts").inner_text()
    assert "wide_resnet50_2" in facts
    assert "IMAGENET1K_V1" in facts
    assert "224" in facts


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
    assert page.locator("#table tfoot th").inner_text() == "mean of all 3"
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
    page.locator("#metric").select_option("pixel_ap")
    assert page.locator("#table").inner_text() == "No cell has this metric."


def test_intervals_on_demand(page: Any) -> None:
    assert "[" not in page.locator("#table tbody").inner_text()
    page.locator("#intervals").check()
    low, high = bootstrap_intervals(LABELS, scores_of("cable", "padim"))["image_auroc"]
    small = page.locator("#table tbody tr[data-row=cable] td").nth(1).locator("small")
    assert small.inner_text() == f"[{100 * low:.1f}, {100 * high:.1f}]"


def test_the_best_is_marked(page: Any) -> None:
    for category in CATEGORIES[:2]:
        best = page.locator(f"#table tr[data-row={category}] strong")
        values = [image_metrics(LABELS, scores_of(category, m))["image_auroc"] for m in METHODS]
        assert f"{100 * max(values):.1f}" in best.all_inner_texts()


def test_published_values_on_demand(browser: Any, tmp_path: Path) -> None:
    run = write_run(tmp_path / "screw", [cell("screw", "patchcore-25", dataset="mvtec_ad")])
    for page in opened(browser, write_report([run], run / "report.html")):
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


def choose(page: Any, category: str, method: str) -> None:
    page.locator("#gallery-category").select_option(label=category)
    page.locator("#judge").select_option(label=method)


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
    for page in opened(browser, write_report([run], run / "report.html")):
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
    other = write_run(
        tmp_path / "after", [cell(c, m, 0.8) for c in CATEGORIES[:2] for m in METHODS]
    )
    for page in opened(browser, write_report([one, other], one / "report-against-after.html")):
        assert page.locator("#set option").count() == 2
        for place, method in enumerate(METHODS, start=1):
            shown = column(page, place, DIFFERENCES)
            for text, category in zip(shown, CATEGORIES[:2], strict=True):
                before, after = (
                    image_metrics(LABELS, scores_of(category, method, shift))["image_auroc"]
                    for shift in (0, 0.8)
                )
                expected = f"{100 * (after - before):+.1f}".replace("-", "−")
                assert text.replace("better", "").replace("worse", "").strip(" ▲▼") == expected
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


def test_synthetic_data_cannot_be_missed(browser: Any, tmp_path: Path) -> None:
    run = write_run(tmp_path / "made", [cell("nut", m, dataset="synthetic") for m in METHODS])
    for page in opened(browser, write_report([run], run / "report.html")):
        assert page.locator("#synthetic").is_visible()
        assert "Synthetic data" in page.locator("#table caption").inner_text()


def test_a_run_in_which_everything_failed_opens(browser: Any, tmp_path: Path) -> None:
    values = {"image_auroc": None}
    cells = [Cell(c, m, values, status="failed") for c in CATEGORIES for m in METHODS]
    run = write_run(tmp_path / "failed", cells)
    for page in opened(browser, write_report([run], run / "report.html")):
        assert column(page, 1) == ["failed"] * 3
        assert "failed (out of memory)" in page.locator("#charts").inner_text()
        assert "No image is left" in page.locator("#cards").inner_text()


def test_names_are_text_and_nothing_else(browser: Any, tmp_path: Path) -> None:
    named = replace(cell("nut", "padim"), dataset=HOSTILE, weights=HOSTILE)
    run = write_run(tmp_path / "hostile", [named])
    for page in opened(browser, write_report([run], run / "report.html")):
        assert HOSTILE in page.locator("#facts").text_content()
        assert page.locator("img").count() == 0


def test_several_protocols_are_chosen_between(browser: Any, tmp_path: Path) -> None:
    cells = [cell("nut", "padim"), cell("nut", "padim", 0.8, image_size=320)]
    run = write_run(tmp_path / "sizes", cells)
    for page in opened(browser, write_report([run], run / "report.html")):
        assert page.locator("#set-label").is_visible()
        for number, shift in enumerate((0, 0.8)):
            page.locator("#set").select_option(str(number))
            value = image_metrics(LABELS, scores_of("nut", "padim", shift))["image_auroc"]
            assert numbers(column(page, 1)) == [float(f"{100 * value:.1f}")]


def test_a_finger_reads_a_curve(browser: Any, report: Path) -> None:
    for page in opened(browser, report, has_touch=True):
        chart = page.locator("#charts figure", has_text="Precision and recall: cable")
        chart.locator("svg").tap()
        assert re.search(r"recall [\d.]+, precision [\d.]+", chart.locator(".readout").inner_text())


def test_it_fits_a_phone(browser: Any, report: Path) -> None:
    for page in opened(browser, report):
        page.set_viewport_size({"width": 360, "height": 740})
        page.locator("#outcome").select_option("all")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_light_and_dark(browser: Any, report: Path) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        for page in opened(browser, report, color_scheme=scheme):
            grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
            page.locator("#theme").select_option("light")
            chosen = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert chosen == "rgb(255, 255, 255)"
    assert grounds[0] == "rgb(255, 255, 255)"
    assert grounds[1] != grounds[0]


def test_it_prints_without_its_controls(browser: Any, report: Path) -> None:
    for page in opened(browser, report, color_scheme="dark"):
        page.emulate_media(media="print")
        assert page.locator("nav").is_hidden()
        assert page.locator("#table").is_visible()
        assert (
            page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        )
        assert page.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_passes_an_accessibility_audit(browser: Any, report: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    for page in opened(browser, report, color_scheme=scheme):
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        choose(page, "cable", "padim")
        result = axe.Axe().run(page)
        assert result.violations_count == 0, result.generate_report()


def test_everything_is_reached_with_the_keyboard(page: Any) -> None:
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    assert {"metric", "filter", "intervals", "overview-by-method-0", "gallery-category"} <= reached


def test_every_metric_is_offered(page: Any) -> None:
    assert page.locator("#metric option").all_inner_texts() == [m.label for m in METRICS.values()]
