"""Published counts, and what is said of a copy that has others."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from benchmarks.datasets.indexing import index
from benchmarks.datasets.known import KNOWN, OFFICIAL_COUNTS, is_complete
from tests.datasets.plain import save, save_mask
from tests.helpers.data_sets import write_category


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


def write_toothbrush(root: Path) -> Path:
    """Write as many plain images as MVTec AD's smallest category has; return the root."""
    toothbrush, value = root / "toothbrush", itertools.count()
    for folder, count in {"train/good": 60, "test/good": 12, "test/defective": 30}.items():
        for number in range(count):
            save(toothbrush / folder / f"{number:03}.png", value=next(value))
    for number in range(30):
        save_mask(toothbrush / "ground_truth" / "defective" / f"{number:03}.png")
    return root


def test_an_official_category_with_the_official_counts_is_none(tmp_path: Path) -> None:
    dataset = index(write_toothbrush(tmp_path / "data"))
    assert (dataset.name, dataset.warnings) == ("mvtec_ad", ())


@pytest.mark.parametrize("name", [*KNOWN, "synthetic"])
def test_a_folder_called_like_a_known_set_makes_its_images_no_such_set(
    root: Path, name: str
) -> None:
    dataset = index(root.rename(root.with_name(name)))
    assert (dataset.name, dataset.alike, dataset.synthetic) == (f"{name}-own", "", False)
    assert is_complete(dataset.name, ["cup", "plate"])  # so they have a mean
    assert dataset.warnings == ()


@pytest.mark.parametrize("folder", ["mvtec_ad", "data"])
def test_a_copy_that_lacks_one_image_is_taken_for_other_data(tmp_path: Path, folder: str) -> None:
    root = write_toothbrush(tmp_path / folder)
    assert index(root).name == "mvtec_ad"
    (root / "toothbrush/train/good/059.png").unlink()
    dataset = index(root)
    assert dataset.name == {"mvtec_ad": "mvtec_ad-own", "data": "data"}[folder]
    assert dataset.warnings == (
        "toothbrush: 59 train, 12 test good and 30 test defect images, but MVTec AD has 60 train, "
        "12 test good and 30 test defect images: taken for other data, whose results are not "
        "comparable with published ones",
    )


def test_every_category_counts(tmp_path: Path) -> None:
    root = write_toothbrush(tmp_path / "mvtec")
    write_category(root / "screw")
    assert index(root).name == "mvtec"
    assert index(root, ["screw"]).name == "mvtec"
    assert index(root, ["toothbrush"]).name == "mvtec_ad"  # as where it alone was copied
