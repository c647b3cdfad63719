"""The report's labels in a real browser: none lies on another, whatever values and width."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.report.page import write_report
from benchmarks.results import result_sets
from tests.helpers.runs import Cell, write_run
from tests.report.reading import ANOMALOUS, LABELS, NORMAL, opened

WIDTHS = {"phone": (390, 844), "laptop": (1366, 768), "wide": (2560, 1300)}

OVERLAPS = """() => {
  const found = [];
  const visible = (one) =>
    one.getClientRects().length && getComputedStyle(one).visibility !== "hidden";
  for (const chart of document.querySelectorAll("main svg")) {
    const boxes = [...chart.querySelectorAll("text")]
      .filter((one) => visible(one) && one.textContent.trim())
      .map((one) => [one.textContent, one.getBoundingClientRect()]);
    boxes.forEach(([name, a], place) => boxes.slice(place + 1).forEach(([other, b]) => {
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 1 && down > 2) found.push([name, other, across, down]);
    }));
  }
  return found;
}"""

OUTSIDE = """() => [...document.querySelectorAll("main svg")].flatMap((chart) => {
  const edge = chart.getBoundingClientRect();
  return [...chart.querySelectorAll("text")]
    .filter((one) => one.getClientRects().length)
    .map((one) => [one.textContent, one.getBoundingClientRect()])
    .filter(([, box]) => box.left < edge.left - 1 || box.right > edge.right + 1)
    .map(([text]) => text);
})"""

METHODS = [
    "patchcore-25",
    "patchcore-25[patch_size=5,squared=true,reweight=9]",
    "spade[neighbours=5,squared=false]",
    "padim",
    "efficientad (imported)",
    "another-method-with-a-long-name",
]


def hostile(method: str, place: int) -> Cell:
    """Scores whose two working points are equal, a hair apart, or at the ends of the axis."""
    apart = [0.0, 1e-6, 0.02, 0.2, 3.0, 1e4][place]
    scores = [0.1 * (n % 7) for n in range(NORMAL)]
    scores += [0.55 + apart * (n % 3) for n in range(ANOMALOUS)]
    values = {"image_auroc": 0.9 + place * 1e-9, "pixel_auroc": 0.9}
    spent = {"fit_seconds": 10.0**place, "score_seconds": 1.0, "peak_memory_mb": 900.0}
    return Cell(
        "a_category_of_a_long_name", method, values, scores=(LABELS, scores), measured=spent
    )


@pytest.fixture(scope="module")
def hostile_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "hostile"
    cells = [hostile(method, place) for place, method in enumerate(METHODS)]
    return write_report([result_sets(write_run(folder, cells))], folder / "report.html")


@pytest.mark.parametrize("screen", WIDTHS)
def test_no_label_lies_on_another_or_outside(
    browser: Any, hostile_report: Path, screen: str
) -> None:
    width, height = WIDTHS[screen]
    for page in opened(browser, hostile_report):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(100)
        assert page.locator("main svg text").count() > 20
        assert page.evaluate(OVERLAPS) == []
        assert page.evaluate(OUTSIDE) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("screen", ["phone", "laptop"])
def test_the_first_view_answers_in_one_screen(
    browser: Any, hostile_report: Path, screen: str
) -> None:
    width, height = WIDTHS[screen]
    for page in opened(browser, hostile_report):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(100)
        summary = page.locator("#summary-content")
        box = summary.bounding_box()
        assert box["y"] + box["height"] <= height
        text = summary.inner_text()
        assert "Not decided:" in text  # which method, and how sure
        assert "Where another-method-with-a-long-name fails" in text
