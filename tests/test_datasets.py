from __future__ import annotations

import base64
import io
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.datasets import Sample, index, load_image, load_mask
from benchmarks.datasets.known import OFFICIAL_COUNTS
from benchmarks.errors import DataError

SIDE = 12


def save(path: Path, size: tuple[int, int] = (SIDE, SIDE), value: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).save(path)
    return path


def save_mask(path: Path, marked: int = 255) -> Path:
    """Write a mask with a square of 4 × 4 pixels."""
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    pixels[4:8, 4:8] = marked
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two small valid categories: cup (with a defect and its mask) and plate."""
    data = tmp_path / "data"
    for category in ("cup", "plate"):
        for number in range(2):
            save(data / category / "train" / "good" / f"{number:03}.png", value=number)
        save(data / category / "test" / "good" / "000.png")
        save(data / category / "test" / "crack" / "000.png", value=120)
        save_mask(data / category / "ground_truth" / "crack" / "000_mask.png")
    return data


def problem(root: Path, *categories: str) -> str:
    with pytest.raises(DataError) as caught:
        index(root, categories or None)
    return str(caught.value)


def fingerprint(root: Path, category: str = "cup") -> str:
    return index(root, [category]).categories[0].fingerprint


# --- a valid data set ------------------------------------------------------------------------


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


# --- official counts -------------------------------------------------------------------------


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
    assert index(root, ["screw"]).name == "mvtec_ad"


def test_an_official_category_with_the_official_counts_is_none(tmp_path: Path) -> None:
    toothbrush, value = tmp_path / "data" / "toothbrush", itertools.count()
    for folder, count in {"train/good": 60, "test/good": 12, "test/defective": 30}.items():
        for number in range(count):
            save(toothbrush / folder / f"{number:03}.png", value=next(value))
    for number in range(30):
        save_mask(toothbrush / "ground_truth" / "defective" / f"{number:03}.png")
    dataset = index(tmp_path / "data")
    assert (dataset.name, dataset.warnings) == ("mvtec_ad", ())


# --- wrong folders ---------------------------------------------------------------------------


def test_a_missing_root_is_named(tmp_path: Path) -> None:
    assert problem(tmp_path / "nowhere").startswith(f"{tmp_path / 'nowhere'}: no such folder")


def test_a_file_as_root_is_named(tmp_path: Path) -> None:
    assert "not a folder" in problem(save(tmp_path / "data.png"))


def test_a_category_folder_as_root_points_to_its_parent(root: Path) -> None:
    message = problem(root / "cup")
    assert message == (
        f"{root / 'cup'}: is itself a category folder; pass its parent and choose cup"
    )


def test_a_root_without_categories_says_so(tmp_path: Path) -> None:
    (tmp_path / "papers").mkdir()
    assert "holds no category folder" in problem(tmp_path)


def test_an_unknown_category_gets_a_suggestion_and_what_there_is(root: Path) -> None:
    message = problem(root, "plates")
    assert "'plates'" in message
    assert "did you mean plate?" in message
    assert "available: cup, plate" in message


def test_a_category_cannot_be_reached_through_a_path(root: Path) -> None:
    assert "no category '../data/cup'" in problem(root, "../data/cup")


def test_a_folder_that_is_no_category_is_ignored_but_cannot_be_chosen(root: Path) -> None:
    (root / "papers").mkdir()
    assert len(index(root).categories) == 2
    assert "no category 'papers'" in problem(root, "papers")


@pytest.mark.parametrize("how", ["missing", "empty", "only text"])
def test_no_training_images_is_a_problem(root: Path, how: str) -> None:
    good = root / "cup" / "train" / "good"
    shutil.rmtree(good if how != "missing" else good.parent)
    if how != "missing":
        good.mkdir()
    if how == "only text":
        (good / "000.txt").write_text("none")
    message = problem(root)
    assert message.startswith(f"{good}: no images")
    assert "\n" not in message


@pytest.mark.parametrize("how", ["missing", "empty", "images beside the folders"])
def test_no_test_images_is_a_problem(root: Path, how: str) -> None:
    test = root / "cup" / "test"
    shutil.rmtree(test)
    if how != "missing":
        test.mkdir()
    if how == "images beside the folders":
        save(test / "000.png")
    assert problem(root).startswith(f"{test}: no images in test/good or test/<defect>")


# --- wrong files -----------------------------------------------------------------------------


def encoded(extension: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    formats = {"png": "PNG", "jpg": "JPEG", "bmp": "BMP", "tif": "TIFF"}
    Image.fromarray(pixels).save(buffer, formats[extension])
    return buffer.getvalue()


@pytest.mark.parametrize("extension", ["png", "jpg", "bmp", "tif"])
@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5, 0.9])
def test_a_truncated_image_is_one_line_that_names_it(
    root: Path, extension: str, keep: float
) -> None:
    data = encoded(extension)
    path = root / "cup" / "train" / "good" / f"002.{extension}"
    path.write_bytes(data[: int(len(data) * keep)])
    message = problem(root)
    assert message.startswith(f"{path}: ")
    assert message.endswith("copy it again")
    assert "\n" not in message


def test_one_flipped_bit_in_a_png_is_found(root: Path) -> None:
    data = bytearray(encoded("png"))
    data[len(data) // 2] ^= 1
    path = root / "cup" / "test" / "good" / "000.png"
    path.write_bytes(data)
    assert problem(root).startswith(f"{path}: not a readable image")


def test_text_named_png_is_found(root: Path) -> None:
    path = root / "cup" / "test" / "good" / "000.png"
    path.write_text("404 not found")
    assert problem(root).startswith(f"{path}: not a readable image")


def test_a_corrupt_mask_is_found(root: Path) -> None:
    path = root / "cup" / "ground_truth" / "crack" / "000_mask.png"
    path.write_bytes(path.read_bytes()[:-20])
    assert problem(root).startswith(f"{path}: not a readable image")


def test_a_defect_without_mask_names_the_mask_to_add(root: Path) -> None:
    (root / "cup" / "ground_truth" / "crack" / "000_mask.png").unlink()
    image = root / "cup" / "test" / "crack" / "000.png"
    expected = f"{image}: a defect without a mask; add ground_truth/crack/000_mask.png"
    assert problem(root).startswith(expected)


def test_a_mask_of_another_size_is_found(root: Path) -> None:
    path = save(root / "cup" / "ground_truth" / "crack" / "000_mask.png", (SIDE, SIDE + 1))
    assert problem(root).startswith(f"{path}: the mask is 12×13 pixels but its image is 12×12")


def test_a_mask_fits_an_image_that_its_camera_held_sideways(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = root / "cup" / "test" / "crack" / "001.jpg"
    Image.new("L", (20, 10)).save(image, exif=exif)
    save(root / "cup" / "ground_truth" / "crack" / "001.png", (10, 20))
    assert len(index(root, ["cup"]).categories[0].test) == 3
    save(root / "cup" / "ground_truth" / "crack" / "001.png", (20, 10))
    assert "but its image is 10×20" in problem(root)


@pytest.mark.parametrize("limit", [SIDE * SIDE - 1, SIDE])
def test_too_many_pixels_are_a_problem_not_a_warning(
    root: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)  # beyond it warns, beyond twice raises
    assert f"more than {limit} pixels; scale the image down" in problem(root)
    with pytest.raises(DataError, match="scale the image down"):
        load_image(root / "cup" / "test" / "good" / "000.png", 8, 8)


def test_all_problems_come_at_once_ten_of_them_shown(root: Path) -> None:
    for number in range(12):
        (root / "cup" / "train" / "good" / f"1{number:02}.png").write_bytes(b"")
    (root / "plate" / "ground_truth" / "crack" / "000_mask.png").unlink()
    lines = problem(root).splitlines()
    assert lines[0] == f"{root}: 13 problems in this data set:"
    assert len(lines) == 12
    assert all("train/good/1" in line.replace(os.sep, "/") for line in lines[1:11])
    assert lines[11] == "… and 3 more"


def test_problems_of_several_categories_are_collected(root: Path) -> None:
    (root / "cup" / "test" / "good" / "000.png").write_bytes(b"")
    (root / "plate" / "ground_truth" / "crack" / "000_mask.png").unlink()
    lines = problem(root).splitlines()
    assert lines[0] == f"{root}: 2 problems in this data set:"
    assert "empty file" in lines[1]
    assert "without a mask" in lines[2]


@contextmanager
def unprivileged() -> Iterator[None]:
    """Run without root's privilege to read what a file's mode forbids."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.name != "posix", reason="file modes forbid nothing here")
@pytest.mark.parametrize("name", ["", "cup", "cup/train/good", "cup/test", "cup/test/good/000.png"])
def test_what_may_not_be_read_is_named(root: Path, name: str) -> None:
    with tempfile.TemporaryDirectory() as anyones:
        Path(anyones).chmod(0o755)
        forbidden = Path(shutil.copytree(root, Path(anyones) / "data")) / name
        forbidden.chmod(0)
        try:
            with unprivileged():
                message = problem(Path(anyones) / "data")
        finally:
            forbidden.chmod(0o755)
    assert message.startswith(f"{forbidden}: Permission denied; make the f")
    assert "\n" not in message


@settings(deadline=None, max_examples=60)
@given(
    extension=st.sampled_from(["png", "jpg", "bmp", "tif"]),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=8),
    keep=st.floats(0, 1),
)
def test_no_damage_escapes_as_another_error(
    tmp_path_factory: pytest.TempPathFactory,
    extension: str,
    flips: list[tuple[float, int]],
    keep: float,
) -> None:
    data = bytearray(encoded(extension))
    for where, change in flips:
        data[int(where * min(len(data), 400))] ^= change
    root = tmp_path_factory.mktemp("damaged")
    path = save(root / "cup" / "train" / "good" / "000.png").with_name(f"001.{extension}")
    path.write_bytes(data[: round(len(data) * keep)])
    save(root / "cup" / "test" / "good" / "000.png")
    try:
        accepted = index(root).categories[0].train[1].path
    except DataError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017 - either outcome is right
        return
    try:
        assert load_image(accepted, 8, 8).shape == (8, 8, 3)
    except DataError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017


# --- images ----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    width=st.integers(1, 90), height=st.integers(1, 90), resize=st.integers(8, 40), data=st.data()
)
def test_images_are_what_torchvision_makes_of_them(
    tmp_path_factory: pytest.TempPathFactory,
    width: int,
    height: int,
    resize: int,
    data: st.DataObject,
) -> None:
    transforms = pytest.importorskip("torchvision.transforms")
    crop = data.draw(st.integers(1, resize), "crop")
    pixels = np.random.default_rng(width * 100 + height).integers(0, 256, (height, width, 3))
    image = Image.fromarray(pixels.astype(np.uint8))
    path = tmp_path_factory.mktemp("image") / "image.png"
    image.save(path)
    expected = transforms.CenterCrop(crop)(transforms.Resize(resize)(image))
    np.testing.assert_array_equal(load_image(path, resize, crop), np.asarray(expected))


def constant(tmp_path: Path, image: Image.Image, name: str = "image.png") -> tuple[int, ...]:
    path = tmp_path / name
    image.save(path)
    loaded = load_image(path, 8, 8)
    assert loaded.dtype == np.uint8
    assert (loaded == loaded[0, 0]).all()
    return tuple(int(value) for value in loaded[0, 0])


def test_grey_is_repeated(tmp_path: Path) -> None:
    assert constant(tmp_path, Image.new("L", (9, 9), 77)) == (77, 77, 77)


def test_bilevel_images_become_black_and_white(tmp_path: Path) -> None:
    assert constant(tmp_path, Image.new("1", (9, 9), 1)) == (255, 255, 255)


@pytest.mark.parametrize("name", ["image.png", "image.tif"])
@pytest.mark.parametrize("value", [0, 255, 256, 30_000, 65_535])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path, name: str, value: int) -> None:
    image = Image.fromarray(np.full((9, 9), value, dtype=np.uint16))
    assert constant(tmp_path, image, name) == (value // 256,) * 3


def test_a_palette_is_resolved(tmp_path: Path) -> None:
    image = Image.new("P", (9, 9), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    assert constant(tmp_path, image) == (10, 20, 30)


def test_transparency_is_dropped(tmp_path: Path) -> None:
    assert constant(tmp_path, Image.new("RGBA", (9, 9), (10, 20, 30, 0))) == (10, 20, 30)


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    image = Image.new("CMYK", (9, 9), (0, 255, 0, 0))
    assert constant(tmp_path, image, "image.tif") == (255, 0, 255)


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 3), dtype=np.uint8)
    pixels[:, :4] = 255  # the left half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by a quarter clockwise
    Image.fromarray(pixels).save(tmp_path / "image.png", exif=exif)
    np.testing.assert_array_equal(load_image(tmp_path / "image.png", 8, 8), np.rot90(pixels, -1))


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_32_bit_pixels_are_refused(tmp_path: Path, dtype: type) -> None:
    Image.fromarray(np.ones((9, 9), dtype=dtype)).save(tmp_path / "image.tif")
    with pytest.raises(DataError, match=r"image\.tif: 32-bit pixels"):
        load_image(tmp_path / "image.tif", 8, 8)


def test_an_undecodable_image_is_named_on_loading(tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    path.write_bytes(encoded("jpg")[:500])
    with pytest.raises(DataError, match=r"image\.jpg: not a readable image"):
        load_image(path, 8, 8)


def test_a_vanished_image_is_named_on_loading(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"image\.png: No such file"):
        load_image(tmp_path / "image.png", 8, 8)


def test_a_crop_larger_than_the_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="crop 9 is larger"):
        load_image(save(tmp_path / "image.png"), 8, 9)


# --- masks -----------------------------------------------------------------------------------


def saved_mask(tmp_path: Path, values: np.ndarray, name: str = "mask.png") -> Path:
    Image.fromarray(values).save(tmp_path / name)
    return tmp_path / name


def test_no_mask_is_all_nominal() -> None:
    mask = load_mask((), 8, 6, "nearest")
    assert (mask.shape, mask.dtype, mask.any()) == ((6, 6), np.bool_, False)


@pytest.mark.parametrize("method", ["nearest", "official"])
@pytest.mark.parametrize("value", [1, 128, 255])
def test_any_grey_but_zero_is_a_defect(tmp_path: Path, method: str, value: int) -> None:
    values = np.zeros((8, 8), dtype=np.uint8)
    values[2:5, 3:7] = value
    mask = load_mask([saved_mask(tmp_path, values)], 8, 8, method)  # type: ignore[arg-type]
    np.testing.assert_array_equal(mask, values > 0)


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "RGBA", "I;16"])
def test_masks_of_other_modes_are_read(tmp_path: Path, mode: str) -> None:
    expected = np.zeros((8, 8), dtype=bool)
    expected[2:5, 3:7] = True
    image = Image.fromarray(expected.astype(np.uint8) * 255).convert(mode)
    if mode == "I;16":
        image = Image.fromarray(expected.astype(np.uint16))
    image.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(load_mask([tmp_path / "mask.png"], 8, 8, "nearest"), expected)


def test_several_masks_of_one_image_are_merged(tmp_path: Path) -> None:
    values = np.zeros((2, 8, 8), dtype=np.uint8)
    values[0, 2:5, 3:7], values[1, 4:6, 1:4] = 1, 255
    paths = [saved_mask(tmp_path, one, f"{number}.png") for number, one in enumerate(values)]
    np.testing.assert_array_equal(load_mask(paths, 8, 8, "nearest"), values.any(axis=0))


def test_masks_of_one_image_that_differ_in_size_are_refused(tmp_path: Path) -> None:
    paths = [save(tmp_path / "0.png", (8, 9)), save(tmp_path / "1.png", (9, 8))]
    with pytest.raises(DataError, match=r"0\.png: masks of one image differ in size"):
        load_mask(paths, 8, 8, "nearest")


def test_a_jpeg_mask_does_not_bleed(tmp_path: Path) -> None:
    values = np.zeros((32, 32), dtype=np.uint8)
    values[9:21, 11:23] = 255
    path = saved_mask(tmp_path, values, "mask.jpg")
    assert (np.asarray(Image.open(path)) > 0).sum() > (values > 0).sum()
    np.testing.assert_array_equal(load_mask([path], 32, 32, "nearest"), values > 0)


@settings(deadline=None, max_examples=40)
@given(width=st.integers(8, 70), height=st.integers(8, 70), resize=st.integers(8, 32))
def test_masks_are_what_torchvision_makes_of_them(
    tmp_path_factory: pytest.TempPathFactory, width: int, height: int, resize: int
) -> None:
    transforms = pytest.importorskip("torchvision.transforms")
    values = np.zeros((height, width), dtype=np.uint8)
    values[height // 4 : height // 2 + 2, width // 3 : width // 2 + 3] = 255
    path = saved_mask(tmp_path_factory.mktemp("mask"), values)
    crop = transforms.CenterCrop(resize - 1)
    nearest = transforms.Resize(resize, transforms.InterpolationMode.NEAREST)
    expected = np.asarray(crop(nearest(Image.open(path)))) > 0
    np.testing.assert_array_equal(load_mask([path], resize, resize - 1, "nearest"), expected)
    steps = [transforms.Resize(resize), crop, transforms.ToTensor()]  # as the official code
    official = transforms.Compose(steps)(Image.open(path)).int()[0].numpy() > 0
    np.testing.assert_array_equal(load_mask([path], resize, resize - 1, "official"), official)


def test_the_official_way_erodes_defects(tmp_path: Path) -> None:
    values = np.zeros((64, 64), dtype=np.uint8)
    values[21:42, 21:42] = 255
    path = saved_mask(tmp_path, values)
    nearest, official = (load_mask([path], 28, 28, method) for method in ("nearest", "official"))  # type: ignore[arg-type]
    assert (official <= nearest).all()
    assert 0 < official.sum() < nearest.sum()


def test_a_sample_of_a_good_folder_is_nominal() -> None:
    path = Path("x.png")
    assert Sample(path, "test/good/x.png", "good").label == 0
    assert Sample(path, "test/goods/x.png", "goods", (path,)).label == 1


# --- real data -------------------------------------------------------------------------------


def test_real_screw_images_are_complete_and_every_defect_has_pixels() -> None:
    real = os.environ.get("MVTEC_AD_ROOT")
    if not real or not (Path(real) / "screw").is_dir():
        pytest.skip("MVTEC_AD_ROOT is not set to a folder with the screw category")
    dataset = index(Path(real), ["screw"])
    (screw,) = dataset.categories
    defects = [sample for sample in screw.test if sample.label]
    assert (len(screw.train), len(screw.test) - len(defects), len(defects)) == (320, 41, 119)
    assert (dataset.name, dataset.warnings, dataset.synthetic) == ("mvtec_ad", (), False)
    assert all(load_mask(sample.masks, 256, 256, "nearest").any() for sample in defects)
    assert load_image(screw.train[0].path, 256, 224).std() > 0
