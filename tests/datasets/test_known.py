"""Published counts, and what is said of a copy that has others."""

from __future__ import annotations

import itertools
from pathlib import Path

from benchmarks.datasets.indexing import index
from benchmarks.datasets.known import OFFICIAL_COUNTS
from tests.datasets.plain import save, save_mask


def test_official_counts_add_up_to_the_published_totals() -> None:
    totals = [sum(column) for column in zip(*OFFICIAL_COUNTS.values(), strict=True)]
    assert totals == [3629, 467, 1258]


def test_an_official_category_with_other_counts_is_a_warning(root: Path) -> None:
    (root / "cup").rename(root / "screw")
    dataset = index(root)
    (warning,) = dataset.warnings
    assert "screw: 2 train, 1 test good and 1 test defect images" in warning
    assert "320 train, 41 test good and 119 test defect images" in warning
    assert dataset.name == "data"  # plate is no official category
    assert index(root, ["screw"]).name == "data"  # nor is any screw MVTec AD's


def test_an_official_category_with_the_official_counts_is_none(tmp_path: Path) -> None:
    toothbrush, value = tmp_path / "data" / "toothbrush", itertools.count()
    for folder, count in {"train/good": 60, "test/good": 12, "test/defective": 30}.items():
        for number in range(count):
            save(toothbrush / folder / f"{number:03}.png", value=next(value))
    for number in range(30):
        save_mask(toothbrush / "ground_truth" / "defective" / f"{number:03}.png")
    dataset = index(tmp_path / "data")
    assert (dataset.name, dataset.warnings) == ("mvtec_ad", ())
