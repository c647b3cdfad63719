"""Images and masks are what the papers' code makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.datasets import load_image, load_mask
from benchmarks.errors import DataError
from benchmarks.specs import Interpolation
from tests.datasets.plain import encoded, save

# --- images ----------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    resize=st.integers(8, 40),
    data=st.data(),
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
    interpolation = data.draw(st.sampled_from(get_args(Interpolation)), "interpolation")
    pixels = np.random.default_rng(width * 100 + height).integers(0, 256, (height, width, 3))
    image = Image.fromarray(pixels.astype(np.uint8))
    path = tmp_path_factory.mktemp("image") / "image.png"
    image.save(path)
    resized = transforms.Resize(resize, transforms.InterpolationMode(interpolation))(image)
    expected = np.asarray(transforms.CenterCrop(crop)(resized))
    loaded = load_image(path, resize, crop, interpolation=interpolation)
    np.testing.assert_array_equal(loaded, expected)
    if interpolation == "bilinear":
        plain = transforms.CenterCrop(crop)(transforms.Resize(resize)(image))
        np.testing.assert_array_equal(load_image(path, resize, crop), np.asarray(plain))


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_a_box_is_the_mean_of_the_area_where_the_side_divides(tmp_path: Path, factor: int) -> None:
    side = 16
    pixels = np.random.default_rng(factor).integers(0, 256, (side * factor, side * factor, 3))
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "image.png")
    rows = np.floor(pixels.reshape(side * factor, side, factor, 3).mean(axis=2) + 0.5)
    areas = np.floor(rows.reshape(side, factor, side, 3).mean(axis=1) + 0.5)  # rounded twice
    loaded = load_image(tmp_path / "image.png", side, side, interpolation="box")
    np.testing.assert_array_equal(loaded, areas)


def test_elsewhere_a_box_weighs_whole_pixels(tmp_path: Path) -> None:
    row = np.array([0, 90, 0], np.uint8)
    Image.fromarray(np.tile(row, (3, 1))).save(tmp_path / "image.png")
    loaded = load_image(tmp_path / "image.png", 2, 2, interpolation="box")
    # by shares of area both would be (0 + 90 / 2) / 1.5 = 30; of two whole pixels the mean is 45
    assert loaded[..., 0].tolist() == [[45, 0], [45, 0]]


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


@settings(max_examples=40)
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
