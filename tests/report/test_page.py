"""The report as a whole in a real browser: facts, warnings, any screen, any reader."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.report.page import write_report
from benchmarks.results import journal, result_sets
from benchmarks.results.journal import Call
from tests.helpers.runs import Cell, previews_of, write_run
from tests.report.reading import (
    CATEGORIES,
    LABELS,
    METHODS,
    SIDE,
    cell,
    choose,
    column,
    opened,
    pictures,
)

HOSTILE = "</script><img src=x onerror=alert(1)>"


def test_the_title_and_what_made_the_numbers(page: Any) -> None:
    assert page.title() == "parts"
    assert page.locator("#synthetic").is_hidden()
    page.locator("#made summary").click()
    facts = page.locator("#facts").inner_text()
    assert "wide_resnet50_2" in facts
    assert "IMAGENET1K_V1" in facts
    assert "224" in facts


def test_synthetic_data_cannot_be_missed(browser: Any, tmp_path: Path) -> None:
    run = write_run(tmp_path / "made", [cell("nut", m, dataset="synthetic") for m in METHODS])
    for page in opened(browser, write_report([result_sets(run)], run / "report.html")):
        assert page.locator("#synthetic").is_visible()
        assert "Synthetic data" in page.locator("#table caption").inner_text()


def test_a_run_in_which_everything_failed_opens(browser: Any, tmp_path: Path) -> None:
    values = {"image_auroc": None}
    cells = [Cell(c, m, values, status="failed") for c in CATEGORIES for m in METHODS]
    run = write_run(tmp_path / "failed", cells)
    for page in opened(browser, write_report([result_sets(run)], run / "report.html")):
        assert column(page, 1) == ["failed"] * 3
        assert "failed (out of memory)" in page.locator("#charts").inner_text()
        assert "No image is left" in page.locator("#cards").inner_text()


def test_names_are_text_and_nothing_else(browser: Any, tmp_path: Path) -> None:
    named = replace(cell("nut", "padim"), dataset=HOSTILE, weights=HOSTILE)
    run = write_run(tmp_path / "hostile", [named])
    for page in opened(browser, write_report([result_sets(run)], run / "report.html")):
        assert HOSTILE in page.locator("#facts").text_content()
        assert page.locator("img").count() == 0


def test_it_fits_a_phone(browser: Any, report: Path) -> None:
    for page in opened(browser, report):
        page.set_viewport_size({"width": 360, "height": 740})
        page.locator("#outcome").select_option("all")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("width", [390, 1440, 1920])
def test_what_is_wider_than_its_place_says_so(browser: Any, tmp_path: Path, width: int) -> None:
    spent = {"fit_seconds": 100.0, "score_seconds": 0.1, "peak_memory_mb": 900.0}
    methods = [*METHODS, "spade", "patchcore-1"]
    run = write_run(tmp_path / "wide", [cell("nut", m, measured=spent) for m in methods])
    call = Call(
        "2026-01-02T03:04:05+00:00", 50, "parts", "wide_resnet50_2", 224, "cpu", 1, 4, 0, ()
    )
    journal.write(run, call)
    for page in opened(browser, write_report([result_sets(run)], run / "report.html")):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(100)
        boxes = page.locator(".scroll").all()
        assert len(boxes) > 3
        for box in boxes:
            wider = box.evaluate("e => e.scrollWidth > e.clientWidth + 1")
            assert not wider or width == 390
            hint = box.evaluate("e => getComputedStyle(e, '::before').content")
            assert ("Scroll sideways" in hint) == wider
        hidden = page.locator("#table").evaluate("e => e.scrollWidth > e.clientWidth + 1")
        assert hidden == (width == 390)


def test_without_masks_nothing_asks_for_them(browser: Any, tmp_path: Path) -> None:
    cells = [cell("nut", method) for method in METHODS]
    values = {**cells[0].values, "pixel_auroc": None, "aupro_30": None}
    empty = np.zeros((len(LABELS), SIDE, SIDE), bool)
    images = np.full((len(LABELS), SIDE, SIDE, 3), 90, np.uint8)
    maps = {**pictures("nut"), **previews_of(images, empty, empty.astype(np.float32))}
    run = write_run(tmp_path / "bare", [replace(c, values=values, maps=maps) for c in cells])
    for page in opened(browser, write_report([result_sets(run)], run / "report.html")):
        page.locator("#outcome").select_option("all")
        assert page.locator(".card canvas").count() == 12 * (1 + len(METHODS))
        text = page.locator("body").inner_text()
        assert "defect" not in page.locator("#cards").inner_text()
        assert "the outline is" not in text
        assert "AUPRO" not in text
        assert "Pixel AUROC" not in page.locator("#metric").inner_text()
        assert "–" not in page.locator("#table").inner_text()
        assert "–" not in page.locator("#charts").inner_text()
        assert page.locator("#table tfoot").count() == 0
        said = []
        for button in page.locator(".ranking button").all():
            button.click()
            said += page.locator(".missed").all_inner_texts()
        assert said
        assert all("% of normal images score higher" in text for text in said)


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


def test_a_section_that_adds_itself_is_laid_out(browser: Any, tmp_path: Path) -> None:
    """What a further script does, run here from within the one before the last."""
    run = write_run(tmp_path / "parts", [cell("nut", "padim")])
    file = write_report([result_sets(run)], run / "report.html")
    added = (
        'sections.push({ id: "own", title: "My own", start: () => '
        '{ byId("own-content").textContent = `${content.sets.length} results`; } });'
    )
    text = file.read_text("utf-8")
    assert text.count("startPage();\n") == 1
    file.write_text(text.replace("startPage();\n", f"startPage();\n{added}\n"), "utf-8")
    for page in opened(browser, file):
        assert page.locator("nav a").last.inner_text() == "My own"
        assert page.locator("#own").inner_text().split() == ["My", "own", "1", "results"]
