"""An index lists what a data set holds, under a fingerprint of every byte."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import pytest

from benchmarks.datasets.indexing import index
from benchmarks.datasets.layouts.base import Sample
from tests.datasets.plain import save


def fingerprint(root: Path, category: str = "cup") -> str:
    return index(root, [category]).categories[0].fingerprint


def test_index_lists_categories_samples_labels_and_masks(root: Path) -> None:
    dataset = index(root)
    assert (dataset.name, dataset.synthetic, dataset.warnings) == ("data", False, ())
    cup, plate = dataset.categories
    assert (cup.name, plate.name) == ("cup", "plate")
    assert [sample.name for sample in cup.train] == ["train/good/000.png", "train/good/001.png"]
    defect, good = cup.test
    assert (defect.name, defect.defect, defect.label) == ("test/crack/000.png", "crack", 1)
    assert defect.masks == (root / "cup" / "ground_truth" / "crack" / "000_mask.png",)
    assert (good.name, good.label, good.masks) == ("test/good/000.png", 0, ())


def test_categories_come_in_the_order_asked_for_and_once(root: Path) -> None:
    names = [c.name for c in index(root, ["plate", "cup", "plate"]).categories]
    assert names == ["plate", "cup"]


def test_unchosen_categories_are_not_read(root: Path) -> None:
    (root / "plate" / "test" / "good" / "000.png").write_bytes(b"")
    assert [c.name for c in index(root, ["cup"]).categories] == ["cup"]


def test_order_is_by_defect_folder_and_file_name_in_code_points(root: Path) -> None:
    for folder, name in [("Zebra", "b.png"), ("Zebra", "B.png"), ("äther", "1.png")]:
        save(root / "cup" / "test" / folder / name)
        save(root / "cup" / "ground_truth" / folder / name)
    assert [sample.name for sample in index(root, ["cup"]).categories[0].test] == [
        "test/Zebra/B.png",
        "test/Zebra/b.png",
        "test/crack/000.png",
        "test/good/000.png",
        "test/äther/1.png",
    ]


@pytest.mark.parametrize("name", ["license.txt", ".DS_Store", "Thumbs.db", "._000.png"])
def test_files_that_are_no_images_are_ignored(root: Path, name: str) -> None:
    before = fingerprint(root)
    for folder in ("", "train", "train/good", "test", "test/good", "ground_truth/crack"):
        (root / "cup" / folder / name).write_bytes(b"\0not an image")
    (root / name).write_bytes(b"\0")
    assert fingerprint(root) == before


@pytest.mark.parametrize("extension", ["PNG", "jpg", "JPEG", "bmp", "Tif", "tiff"])
def test_other_extensions_in_any_case_are_images(root: Path, extension: str) -> None:
    path = save(root / "cup" / "train" / "good" / f"007.{extension}")
    assert index(root, ["cup"]).categories[0].train[-1].path == path


@pytest.mark.parametrize("mask", ["001_mask.PNG", "001.png", "001_mask.bmp", "001.tif"])
def test_a_mask_may_lack_the_suffix_and_have_another_extension(root: Path, mask: str) -> None:
    save(root / "cup" / "test" / "crack" / "001.jpg")
    path = save(root / "cup" / "ground_truth" / "crack" / mask)
    assert index(root, ["cup"]).categories[0].test[1].masks == (path,)


def test_the_suffixed_mask_takes_precedence(root: Path) -> None:
    save(root / "cup" / "ground_truth" / "crack" / "000.png")
    (mask,) = index(root, ["cup"]).categories[0].test[0].masks
    assert mask.name == "000_mask.png"


def test_an_image_whose_own_name_ends_in_mask_finds_its_mask(root: Path) -> None:
    save(root / "cup" / "test" / "crack" / "face_mask.png")
    save(root / "cup" / "ground_truth" / "crack" / "face_mask_mask.png")
    assert index(root, ["cup"]).categories[0].test[1].masks


@pytest.mark.parametrize("kind", ["good", "crack"])
def test_a_category_may_lack_either_class_of_test_images(root: Path, kind: str) -> None:
    shutil.rmtree(root / "cup" / "test" / kind)
    labels = {sample.label for sample in index(root, ["cup"]).categories[0].test}
    assert labels == {int(kind == "good")}


def test_the_label_comes_from_the_folder_not_from_the_mask(root: Path) -> None:
    save(root / "cup" / "ground_truth" / "crack" / "000_mask.png", value=0)
    assert index(root, ["cup"]).categories[0].test[0].label == 1


def test_a_sample_of_a_good_folder_is_nominal() -> None:
    path = Path("x.png")
    assert Sample(path, "test/good/x.png", "good").label == 0
    assert Sample(path, "test/goods/x.png", "goods", (path,)).label == 1


# --- fingerprint -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["train/good/001.png", "test/good/000.png", "ground_truth/crack/000_mask.png"]
)
def test_fingerprint_changes_with_one_byte_of_any_file(root: Path, name: str) -> None:
    before, other = fingerprint(root), fingerprint(root, "plate")
    path = root / "cup" / name
    path.write_bytes(path.read_bytes() + b"\0")  # bytes after a PNG's end change no pixel
    assert fingerprint(root) != before
    assert fingerprint(root, "plate") == other


def test_fingerprint_changes_when_a_file_is_renamed(root: Path) -> None:
    before = fingerprint(root)
    folder = root / "cup" / "train" / "good"
    (folder / "001.png").rename(folder / "002.png")
    assert fingerprint(root) != before


def test_fingerprint_changes_when_a_file_changes_class(root: Path) -> None:
    before = fingerprint(root)
    test = root / "cup" / "test"
    (test / "good" / "000.png").rename(root / "cup" / "train" / "good" / "002.png")
    assert fingerprint(root) != before


def test_fingerprint_does_not_depend_on_where_the_tree_lies(root: Path, tmp_path: Path) -> None:
    before = fingerprint(root)
    assert fingerprint(Path(shutil.copytree(root, tmp_path / "elsewhere" / "copy"))) == before
    assert fingerprint(root.rename(tmp_path / "moved")) == before


PINNED_PNG = base64.b64decode(  # bytes, not pixels: no encoder's version can change them
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNIAQAAZgBleqDGkgAAAABJRU5ErkJggg=="
)


def test_the_fingerprint_under_which_results_are_stored_stays(tmp_path: Path) -> None:
    for name in (
        *("train/good/b.png", "train/good/B.png", "train/good/000.png", "test/good/000.png"),
        *("test/crack/000.png", "test/crack/001.png", "test/Zebra/äther.png"),
        *("ground_truth/crack/000.png", "ground_truth/crack/000_mask.png"),
        *("ground_truth/crack/001.png", "ground_truth/Zebra/äther_mask.png"),
        "validation/good/000.png",
    ):
        path = tmp_path / "data" / "cup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PINNED_PNG + name.encode())
    (category,) = index(tmp_path / "data").categories
    pinned = "8a963a083a9728fe0de3924fc248c03d8f7bc106e20fecbeb344eb299f429189"
    assert category.fingerprint == pinned
    assert [sample.name for sample in (*category.train, *category.test)] == [
        *("train/good/000.png", "train/good/B.png", "train/good/b.png", "test/Zebra/äther.png"),
        *("test/crack/000.png", "test/crack/001.png", "test/good/000.png"),
    ]
