"""What is wrong with a data set is said at once, each fault in one line that names it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.datasets.images import load_image
from benchmarks.datasets.indexing import index
from benchmarks.errors import DataError
from tests.datasets.plain import SIDE, encoded, save
from tests.datasets.reading import problem

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


@settings(max_examples=60)
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
