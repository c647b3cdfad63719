"""The report as a whole in a real browser: facts, warnings, any screen, any reader."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report.page import write_report
from benchmarks.results import result_sets
from tests.helpers.runs import Cell, write_run
from tests.report.reading import (
    CATEGORIES,
    METHODS,
    cell,
    choose,
    column,
    opened,
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
