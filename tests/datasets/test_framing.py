"""How an image becomes a square, what of it is seen, and that its ground truth goes along."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.datasets import index, load_image, load_mask
from benchmarks.datasets.framing import padded_box, padding
from benchmarks.datasets.losses import DefectsLost
from benchmarks.datasets.masks import frame_mask
from benchmarks.datasets.seen import Seen, defects_lost, shown_part, sum_up
from benchmarks.specs import BackboneSpec, EvaluationProtocol
from tests.helpers.data_sets import save, write_category


def noise(path: Path, height: int, width: int) -> Image.Image:
    save(np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8), path)
    return Image.open(path).copy()


@pytest.mark.parametrize(("height", "width"), [(30, 50), (50, 30), (20, 20), (1, 9)])
def test_stretching_is_pillows_resize_of_the_whole(tmp_path: Path, height: int, width: int) -> None:
    image = noise(tmp_path / "a.png", height, width)
    expected = np.asarray(image.resize((24, 24), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(load_image(tmp_path / "a.png", 24, 24, "stretch"), expected)


@pytest.mark.parametrize(
    ("height", "width", "box"),
    [
        (30, 60, (0, 6, 24, 18)),
        (60, 30, (6, 0, 18, 24)),
        (20, 20, (0, 0, 24, 24)),
        (1, 200, (0, 11, 24, 12)),
    ],
)
def test_padding_keeps_proportions_and_repeats_the_border(
    tmp_path: Path, height: int, width: int, box: tuple[int, int, int, int]
) -> None:
    image = noise(tmp_path / "a.png", height, width)
    left, top, right, bottom = padded_box(width, height, 24)
    assert (left, top, right, bottom) == box
    square = load_image(tmp_path / "a.png", 24, 24, "pad")
    inside = np.asarray(image.resize((right - left, bottom - top), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(square[top:bottom, left:right], inside)
    for row in range(24):
        for column in range(24):
            nearest = inside[
                min(max(row - top, 0), bottom - top - 1),
                min(max(column - left, 0), right - left - 1),
            ]
            assert (square[row, column] == nearest).all()
    outside = padding(width, height, 24)
    assert (~outside).sum() == (right - left) * (bottom - top)
    assert not outside[top:bottom, left:right].any()


def test_a_square_image_is_the_same_in_every_way_that_shows_the_whole(tmp_path: Path) -> None:
    noise(tmp_path / "a.png", 40, 40)
    whole = load_image(tmp_path / "a.png", 24, 24)
    for fit in ("stretch", "pad"):
        np.testing.assert_array_equal(load_image(tmp_path / "a.png", 24, 24, fit), whole)  # type: ignore[arg-type]


def test_a_padded_mask_marks_nothing_in_the_border(tmp_path: Path) -> None:
    save(np.full((10, 20), 255, np.uint8), tmp_path / "mask.png")
    mask = load_mask([tmp_path / "mask.png"], 16, 16, fit="pad")
    np.testing.assert_array_equal(mask, ~padding(20, 10, 16))
    assert load_mask([tmp_path / "mask.png"], 16, 16, fit="stretch").all()


@settings(deadline=None, max_examples=80)
@given(
    width=st.integers(1, 60),
    height=st.integers(1, 60),
    crop=st.integers(1, 30),
    more=st.integers(0, 10),
)
def test_what_is_seen_is_what_the_crop_shows(width: int, height: int, crop: int, more: int) -> None:
    resize = crop + more
    everything = np.ones((height, width), bool)
    seen, every = shown_part(everything, resize, crop, "crop").sum(), everything.sum()
    # by the definition: a pixel is seen whose centre, scaled, lies in the cut-out square
    short = min(width, height)
    new = [resize if n == short else int(resize * n / short) for n in (width, height)]
    starts = [round((n - crop) / 2.0) for n in new]
    columns, rows = (
        sum(start <= (i + 0.5) * after / before < start + crop for i in range(before))
        for before, after, start in zip((width, height), new, starts, strict=True)
    )
    assert every == width * height
    # a centre that lies on the edge itself may fall on either side for rounding
    assert abs(seen - rows * columns) <= rows + columns + 1
    if more == 0 and width == height:
        assert seen == every


def test_the_loss_by_hand() -> None:
    unseen, half = Seen(0, 10, 0, 0, 0, 0, 0), Seen(5, 10, 0, 3, 3, 0, 0)
    whole, unmarked = Seen(20, 20, 9, 4, 1, 2, 6), Seen(*[0] * 7)
    assert sum_up([unseen, half, whole, unmarked]) == DefectsLost(1, 15 / 40, 1, 7, 4, 2, 6)
    assert sum_up([]) is sum_up([unmarked]) is None


def test_the_loss_of_a_category_whose_defects_lie_at_the_ends(tmp_path: Path) -> None:
    cup = write_category(tmp_path / "data" / "cup", defect=2)
    for number in range(2):
        defect = np.zeros((20, 60), np.uint8)
        defect[5:10, 0:10] = 255  # far left of a wide image: never in its centre
        if number:
            defect[5:10, 30:40] = 255
        save(defect, cup / f"ground_truth/spot/{number:03}_mask.png")
        save(np.full((20, 60, 3), 10 + number, np.uint8), cup / f"test/spot/{number:03}.png")
    (category,) = index(cup.parent).categories
    crop = EvaluationProtocol(BackboneSpec("", "", "", {}), 20, resize=20)
    assert defects_lost(category, crop) == DefectsLost(1, 100 / 150, 0, 1, 0, 0, 1)
    assert (
        defects_lost(category, replace(crop, fit="stretch"))
        == defects_lost(category, replace(crop, fit="pad"))
        == DefectsLost(0, 0.0, 0, 3, 0, 0, 3)
    )


def test_no_defect_of_a_region_is_lost_by_stretching() -> None:
    defect = np.zeros((30, 90), bool)
    defect[10:20, 0:9] = True
    assert not frame_mask(defect, 34, 30, "nearest").any()
    assert frame_mask(defect, 30, 30, "nearest", "stretch").sum() == 10 * 3
    assert frame_mask(defect, 30, 30, "nearest", "pad").sum() == 4 * 3  # rows 10, 13, 16, 19
