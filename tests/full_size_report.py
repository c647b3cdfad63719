"""Simulates a run on all of MVTec AD, five methods, and measures its report: size and loading time.

    python -m tests.full_size_report FOLDER

Images are the embedded set's, as many as MVTec AD has of each category; maps are smooth noise with
a spot on the defect.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from benchmarks.datasets import GOOD
from benchmarks.datasets.known import OFFICIAL_COUNTS
from benchmarks.metrics.image import image_metrics
from benchmarks.metrics.pixel import pro_curve, thinned
from benchmarks.report.page import write_report
from benchmarks.results import result_sets
from benchmarks.results.previews import map_sheet, picture_sheets
from benchmarks.synthetic.products import PRODUCTS, render
from tests.helpers.browser import started_browser
from tests.helpers.runs import Cell, generator, write_run

METHODS = ("patchcore-25", "patchcore-10", "patchcore-1", "spade", "padim")
BLUR = 2.6
"""Of the maps in pixels: what 4 of 224 are of the embedded set's 146."""


def specimens(product: str, good: int, defects: int) -> tuple[np.ndarray[Any, Any], ...]:
    """Return images (N, 146, 146, 3) and masks (N, 146, 146), those without a defect first."""
    kinds = list(islice(cycle(PRODUCTS[product].defects), defects))
    drawn = [render(product, "test", kind, n) for n, kind in enumerate([GOOD] * good + kinds)]
    images = [np.dstack([image] * 3) if image.ndim == 2 else image for image, _, _ in drawn]
    return np.stack(images), np.stack([mask for _, _, mask in drawn])


def cells() -> Iterator[Cell]:
    """Yield the cells of all categories and methods."""
    for category, product in zip(OFFICIAL_COUNTS, PRODUCTS, strict=True):
        _, good, defects = OFFICIAL_COUNTS[category]
        images, masks = specimens(product, good, defects)
        labels = [0] * good + [1] * defects
        pictures = picture_sheets(images, masks)
        for method in METHODS:
            noise = generator(category, method).normal(size=masks.shape) + 2.0 * masks
            maps = np.stack([gaussian_filter(one, BLUR) for one in noise]).astype(np.float32)
            scores = maps.max(axis=(1, 2)).tolist()
            kept = {"names": np.array([], str), "scores": np.zeros(0)}
            kept |= {"images": images[:0], "masks": masks[:0], "maps": maps[:0]}
            yield Cell(
                category,
                method,
                {**image_metrics(labels, scores), "pixel_auroc": 0.9, "aupro_30": 0.9},
                dataset="mvtec_ad",
                scores=(labels, scores),
                maps={**kept, **pictures, **map_sheet(maps, thinned(*pro_curve(maps, masks)))},
            )


def loading_seconds(report: Path) -> dict[str, float]:
    """Return how long headless Chromium takes to open a report, and to answer its reader."""
    drawn = "() => document.querySelectorAll('#cards canvas').length > 0"
    spent = {}
    with started_browser() as browser:
        page = browser.new_page()
        begun = time.perf_counter()
        page.goto(report.resolve().as_uri())
        spent["open, tables, curves and first page of the gallery"] = time.perf_counter() - begun
        for name, change in {
            "show all images": lambda: page.locator("#outcome").select_option("all"),
            "turn to the last page": lambda: page.locator("#last-page").click(),
            "switch the metric": lambda: page.locator("#metric").select_option("aupro_30"),
        }.items():
            begun = time.perf_counter()
            change()
            page.wait_for_function(drawn)
            spent[name] = time.perf_counter() - begun
    return spent


def main() -> None:
    """Write the run and its report into a folder, and print what was measured."""
    folder = Path(sys.argv[1])
    run = write_run(folder, list(cells()))
    begun = time.perf_counter()
    report = write_report([result_sets(run)], run / "report.html")
    print(f"written in {time.perf_counter() - begun:.1f} s")
    images = sum(good + defects for _, good, defects in OFFICIAL_COUNTS.values())
    print(f"{images} images × {len(METHODS)} methods: {report.stat().st_size / 1e6:.2f} MB")
    for name, seconds in loading_seconds(report).items():
        print(f"{name}: {seconds:.2f} s")


if __name__ == "__main__":
    main()
