"""A report of three categories, and how its reader gets at what it shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.metrics.image import image_metrics
from tests.helpers.runs import Cell, generator, previews_of

NORMAL, ANOMALOUS, SIDE = 14, 26, 64
LABELS = [0] * NORMAL + [1] * ANOMALOUS
CATEGORIES, METHODS = ("cable", "nut", "tile"), ("patchcore-25", "padim")


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


def opened(
    browser: Any, report: Path, fragment: str = "", script: str = "", **context: Any
) -> Iterator[Any]:
    """Open a report, or a link into it; nothing may be logged, thrown, or asked of any network.

    `script` is run before the page's own.
    """
    context = browser.new_context(viewport={"width": 1200, "height": 900}, **context)
    page = context.new_page()
    page.add_init_script(script)
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("requestfailed", lambda request: troubles.append(request.url))
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(report.resolve().as_uri() + fragment)
    yield page
    page.wait_for_timeout(50)  # what is still being drawn may fail, too
    assert troubles == []
    asked = [url.partition("#")[0] for url in requests if not url.startswith("data:")]
    assert asked == [report.resolve().as_uri()]
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


def choose(page: Any, category: str, method: str) -> None:
    page.locator("#gallery-category").select_option(label=category)
    page.locator("#judge").select_option(label=method)
