"""What looks wrong with a data set as a whole is said; nothing is left out in silence."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.datasets import __main__ as command
from benchmarks.datasets import index
from benchmarks.datasets.masks import MaskFacts, mask_facts
from benchmarks.errors import DataError
from tests.helpers.data_sets import SIDE, save, write_category


@pytest.fixture
def cup(tmp_path: Path) -> Path:
    return write_category(tmp_path / "data" / "cup")


def warnings(cup: Path) -> tuple[str, ...]:
    return index(cup.parent).warnings


def only(cup: Path) -> str:
    (warning,) = warnings(cup)
    return warning


def test_a_sound_set_has_no_warning(cup: Path) -> None:
    (category,) = index(cup.parent).categories
    assert (warnings(cup), category.left_out, category.shapes) == ((), (), ((SIDE, SIDE),))


# --- left out --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("test/spot/second batch/000.png", "it lies in a folder inside test/spot; move it up"),
        ("test/000.png", "it lies beside the folders in test"),
        ("train/000.png", "it lies beside the folders in train"),
        ("train/spot/000.png", "training images are those in train/good"),
        ("train/good/more/000.png", "it lies in a folder inside train/good"),
        ("ground_truth/spot/900_mask.png", "it is no test image's mask"),
        ("ground_truth/spot/000.png", "it is no test image's mask"),
        ("images/000.png", "only train, test and ground_truth are read"),
        ("000.png", "only train, test and ground_truth are read"),
        ("test/spot/900.gif", "PNG, JPEG, BMP, TIFF and WebP are read, .gif isn't"),
        ("test/spot/900.npy", "PNG, JPEG, BMP, TIFF and WebP are read, .npy isn't"),
        ("test/spot/900.dat", "an image by its content"),
        ("test/spot/900", "an image by its content"),
        ("test/spot/900.txt", "an image by its content"),
    ],
)
def test_what_is_not_read_is_named(cup: Path, name: str, says: str) -> None:
    path = cup / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in {".gif", ".npy"}:
        path.write_bytes(b"GIF89a or an array")
    else:
        Image.fromarray(np.eye(SIDE, dtype=np.uint8)).save(path, "PNG")
    assert only(cup).startswith(f"cup: {name} left out: ")
    assert says in only(cup)


def test_files_of_one_reason_are_one_line(cup: Path) -> None:
    for number in range(3):
        save(np.eye(SIDE, dtype=np.uint8), cup / f"test/spot/in/{number}.png")
    assert only(cup).startswith("cup: 3 files, as test/spot/in/0.png, left out: ")


def test_what_is_no_image_is_noted_but_no_warning(cup: Path) -> None:
    (cup / "license.txt").write_text("free")
    (cup / ".DS_Store").write_text("hidden")
    save(np.zeros((SIDE, SIDE), np.uint8), cup / "ground_truth/good/000_mask.png")
    (category,) = index(cup.parent).categories
    assert (warnings(cup), category.left_out) == (
        (),
        (
            "license.txt left out: not images",
            "ground_truth/good/000_mask.png left out: a nominal image needs no mask",
        ),
    )


def test_a_nominal_image_whose_mask_marks_a_defect_is_named(cup: Path) -> None:
    save(np.eye(SIDE, dtype=np.uint8), cup / "ground_truth/good/000_mask.png")
    assert "1 masks of nominal images (as ground_truth/good/000_mask.png) mark a def" in only(cup)


def test_a_folder_of_images_that_is_no_category_is_named(cup: Path) -> None:
    save(np.eye(SIDE, dtype=np.uint8), cup.parent / "plate" / "good" / "000.png")
    assert only(cup) == "plate: left out: it holds images, but is no category"
    assert index(cup.parent, ["cup"]).warnings == ()


def test_webp_is_read(cup: Path) -> None:
    image = cup / "test/spot/000.png"
    Image.open(image).save(image.with_suffix(".webp"), lossless=True)
    image.unlink()
    (category,) = index(cup.parent).categories
    assert category.counts == (6, 3, 4)


# --- duplicates ------------------------------------------------------------------------------


def test_training_images_in_the_test_set_are_counted_and_named(cup: Path) -> None:
    for number in range(2):
        shutil.copy(cup / f"train/good/00{number}.png", cup / f"test/good/00{number}.png")
    assert only(cup).startswith(
        "cup: 2 of 7 test images are the same as training images "
        "(test/good/000.png is train/good/000.png)"
    )


def test_an_image_that_is_nominal_and_a_defect_is_named(cup: Path) -> None:
    shutil.copy(cup / "test/spot/000.png", cup / "test/good/000.png")
    assert "1 test images are both nominal and a defect" in warnings(cup)[0]
    assert "(test/good/000.png is test/spot/000.png)" in warnings(cup)[0]


def test_repeated_images_are_counted(cup: Path) -> None:
    for name in ("a", "b"):
        shutil.copy(cup / "train/good/000.png", cup / f"train/good/{name}.png")
    assert only(cup).startswith("cup: 2 of 8 training images repeat another one")


# --- masks -----------------------------------------------------------------------------------


def rewrite(cup: Path, change: object, count: int = 4) -> list[np.ndarray]:
    """Replace masks by what `change` makes of them; return what they showed."""
    found = []
    for path in sorted((cup / "ground_truth" / "spot").iterdir())[:count]:
        found.append(np.asarray(Image.open(path)) > 0)
        change(found[-1]).save(path)  # type: ignore[operator]
    return found


def inverted(mask: np.ndarray) -> Image.Image:
    return Image.fromarray(np.where(mask, 0, 255).astype(np.uint8))


def framed(mask: np.ndarray) -> Image.Image:
    return Image.fromarray((np.pad(mask[1:-1, 1:-1], 1, constant_values=True) * 255).astype("u1"))


def antialiased(mask: np.ndarray) -> Image.Image:
    large = Image.fromarray(mask.astype(np.uint8) * 255)
    return large.resize((SIDE * 3, SIDE * 3), Image.Resampling.BICUBIC).resize((SIDE, SIDE))


def classes(mask: np.ndarray) -> Image.Image:
    values = mask * 255
    values[:12][mask[:12]] = 3
    values[16:][mask[16:]] = 60
    return Image.fromarray(values.astype(np.uint8))


def black(mask: np.ndarray) -> Image.Image:
    return Image.fromarray(np.zeros_like(mask, np.uint8))


@pytest.mark.parametrize(
    ("change", "count", "says"),
    [
        (inverted, 4, "4 of 4 masks (as of test/spot/000.png) cover more than half"),
        (inverted, 1, "1 of 4 masks (as of test/spot/000.png) cover more than half"),
        (framed, 4, "4 of 4 masks (as of test/spot/000.png) mark the whole border"),
        (antialiased, 4, "hold many greys"),
        (classes, 2, "2 of 4 masks (as of test/spot/000.png) hold greys besides white"),
        (black, 4, "4 of 4 masks (as of test/spot/000.png) are all black: there are no pixel"),
        (black, 1, "1 of 4 masks (as of test/spot/000.png) are all black: pixel-level metrics"),
    ],
)
def test_odd_masks_are_named(cup: Path, change: object, count: int, says: str) -> None:
    rewrite(cup, change, count)
    assert says in only(cup)


def test_the_share_of_image_and_border_by_hand(tmp_path: Path) -> None:
    pixels = np.zeros((4, 5), np.uint8)
    pixels[0, :3] = pixels[2, 2] = 255  # 4 of 20 pixels, 3 of the 14 at the border
    save(pixels, tmp_path / "mask.png")
    assert mask_facts([tmp_path / "mask.png"]) == MaskFacts(4 / 20, 3 / 14)


def masked(cup: Path) -> list[np.ndarray]:
    from benchmarks.datasets.masks import read_mask

    (category,) = index(cup.parent).categories
    return [read_mask(sample.masks).defect for sample in category.test if sample.label]


def transparent(mask: np.ndarray) -> Image.Image:
    white = np.full((SIDE, SIDE, 4), 255, np.uint8)
    white[..., 3] = mask * 255
    return Image.fromarray(white)


def black_on_nothing(mask: np.ndarray) -> Image.Image:
    return Image.fromarray(np.asarray(transparent(mask)) * np.array([0, 0, 0, 1], np.uint8))


def white_on_nothing(mask: np.ndarray) -> Image.Image:
    return Image.fromarray(np.repeat(mask[..., None] * 255, 4, axis=2).astype(np.uint8))


def grey_and_alpha(mask: np.ndarray) -> Image.Image:
    return transparent(mask).convert("LA")


@pytest.mark.parametrize(
    "change", [transparent, black_on_nothing, white_on_nothing, grey_and_alpha]
)
def test_a_shape_in_the_transparency_is_read_and_said(cup: Path, change: object) -> None:
    expected = rewrite(cup, change)
    np.testing.assert_array_equal(masked(cup), expected)
    assert "4 of 4 masks (as of test/spot/000.png) have their shape in the transp" in only(cup)


def test_two_shapes_in_one_mask_have_no_sensible_reading(cup: Path) -> None:
    def both(mask: np.ndarray) -> Image.Image:
        values = np.array(transparent(mask))
        values[:3, :3, :3] = 0
        return Image.fromarray(values)

    rewrite(cup, both, 1)
    with pytest.raises(DataError, match=r"000_mask\.png: the mask's colour and its transparency"):
        index(cup.parent)


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_a_jpegs_noise_is_no_defect_whatever_the_file_is_called(cup: Path, suffix: str) -> None:
    expected = []
    for path in sorted((cup / "ground_truth" / "spot").iterdir()):
        mask = Image.open(path).copy()
        expected.append(np.asarray(mask) > 0)
        path.unlink()
        mask.save(path.with_suffix(f".{suffix}"), "JPEG", quality=75)
    np.testing.assert_array_equal(masked(cup), expected)
    assert "4 of 4 masks (as of test/spot/000.png) hold many greys" in only(cup)


def test_a_jpegs_noise_is_no_defect_in_a_png_or_tiff_either(cup: Path) -> None:
    def noisy(mask: np.ndarray) -> Image.Image:
        path = cup.parent.parent / "noisy.jpg"
        Image.fromarray(mask.astype(np.uint8) * 255).save(path, quality=75)
        return Image.open(path).copy()

    expected = rewrite(cup, noisy)
    np.testing.assert_array_equal(masked(cup), expected)


# --- sizes, orientation, classes -------------------------------------------------------------


def test_sizes_that_tell_the_classes_apart_are_named(cup: Path) -> None:
    for path in (*cup.glob("test/spot/*"), *cup.glob("ground_truth/spot/*")):
        Image.open(path).resize((30, 20), Image.Resampling.NEAREST).save(path)
    assert "no defect has the size of a nominal image (30×20 against 40×40)" in only(cup)


@pytest.mark.parametrize("turned", ["image", "mask"])
def test_an_orientation_that_only_one_has_is_in_the_message(cup: Path, turned: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image, mask = cup / "test/spot/000.png", cup / "ground_truth/spot/000_mask.png"
    for path in (image, mask):
        wide = Image.open(path).resize((50, 40), Image.Resampling.NEAREST)
        own = exif if path == (image if turned == "image" else mask) else None
        wide.save(path, exif=own)
    with pytest.raises(DataError, match=f"turned as the {turned}'s EXIF orientation says"):
        index(cup.parent)


def test_an_orientation_that_leaves_the_size_is_a_warning(cup: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    path = cup / "test/spot/000.png"
    Image.open(path).save(path, exif=exif)
    assert "1 defects (as test/spot/000.png) are turned by an EXIF orientation" in only(cup)


def test_a_missing_class_is_said(cup: Path) -> None:
    shutil.rmtree(cup / "test/good")
    assert only(cup) == "cup: no nominal test image: image-level metrics can't be measured"


def test_several_pictures_in_a_file_are_said(cup: Path) -> None:
    page = Image.open(cup / "train/good/000.png").copy()
    page.save(cup / "train/good/900.tif", save_all=True, append_images=[page])
    assert "1 files (as train/good/900.tif) hold several pictures; the first counts" in only(cup)


# --- other names for nominal images -----------------------------------------------------------


def test_a_folder_without_masks_may_hold_nominal_images(cup: Path) -> None:
    (cup / "test/good").rename(cup / "test/ok")
    with pytest.raises(DataError, match="or call test/ok test/good if it holds nominal images"):
        index(cup.parent)
    with pytest.raises(DataError, match="without masks nothing says that test/ok holds defects"):
        index(cup.parent, masks=False)


def test_training_images_elsewhere_are_named(cup: Path) -> None:
    (cup / "train/good").rename(cup / "train/ok")
    with pytest.raises(DataError, match=r"train/good: no images; .*train/ok has 6 images"):
        index(cup.parent)


def test_without_masks_none_is_asked_for_and_none_counts(cup: Path) -> None:
    with_masks = index(cup.parent).categories[0]
    before = index(cup.parent, masks=False).categories[0]
    shutil.rmtree(cup / "ground_truth")
    after = index(cup.parent, masks=False).categories[0]
    assert before.fingerprint == after.fingerprint != with_masks.fingerprint
    assert not any(sample.masks for sample in after.test)
    assert (after.counts, after.warnings) == ((6, 3, 4), ())


# --- the command -----------------------------------------------------------------------------


def test_the_command_writes_a_picture_of_every_kind(
    cup: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "look.png"
    assert command.main([str(cup.parent), "--picture", str(file)]) == 0
    assert capsys.readouterr().out.endswith(f"with their masks: {file}\n")
    with Image.open(file) as picture:
        pixels = np.asarray(picture).astype(int)
    red = (pixels[..., 0] - pixels[..., 1] > 80).sum(axis=1) > 0
    rows = red.reshape(-1)[4:].reshape(3, -1).any(axis=1)  # train, good, spot
    assert rows.tolist() == [False, False, True]


def test_the_command_says_what_it_left_out_and_what_looks_wrong(
    cup: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(cup, inverted)
    (cup / "readme.md").touch()
    assert command.main([str(cup.parent), "--picture", str(tmp_path / "a.png")]) == 1
    shown = capsys.readouterr().out
    assert "\ncup: readme.md left out: not images\nwarning: cup: 4 of 4 masks" in shown
    assert f"{SIDE}×{SIDE}" in shown


def test_a_picture_that_cannot_be_written_is_one_line(
    cup: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([str(cup.parent), "--picture", str(tmp_path / "no" / "a.png")]) == 2
    assert "the picture can't be written" in capsys.readouterr().err
