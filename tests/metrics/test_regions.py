"""AUPRO of regions that are labelled before masks are resized, against its plain definition."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.ndimage import label

from benchmarks.datasets.masks import frame_mask, frame_regions, label_regions
from benchmarks.datasets.seen import see, sum_up
from benchmarks.metrics.pixel import measure_pixels, pixel_metrics, resampled_pixel_bounds
from benchmarks.specs import BackboneSpec, EvaluationProtocol
from benchmarks.statistics.bootstrap import multiplicities
from benchmarks.statistics.intervals import metric_intervals

Maps = np.ndarray[Any, Any]

EXACT = 1e-12
BACKBONE = BackboneSpec("", "", "", {})


def carried(defect: Maps, protocol: EvaluationProtocol) -> Maps:
    """Return the labels at the image's own size, sampled where each pixel of the square lies."""
    labels, _ = label(defect, np.ones((3, 3)))
    height, width = defect.shape
    side, fit = protocol.image_size, protocol.fit
    if fit == "crop":
        short = min(width, height)
        wide, high = (
            protocol.resize if n == short else int(protocol.resize * max(width, height) / short)
            for n in (width, height)
        )
        left, top = round((wide - side) / 2.0), round((high - side) / 2.0)
    elif fit == "stretch":
        wide, high, left, top = side, side, 0, 0
    else:
        wide, high = (max(1, round(side * n / max(width, height))) for n in (width, height))
        left, top = -((side - wide) // 2), -((side - high) // 2)
    numbers = np.zeros((side, side), int)
    for row in range(side):
        for column in range(side):
            y, x = row + top, column + left
            if 0 <= y < high and 0 <= x < wide:
                down, across = (2 * y + 1) * height, (2 * x + 1) * width
                # a centre that lies on the edge itself may fall on either side for rounding
                assume(down % (2 * high) and across % (2 * wide))
                numbers[row, column] = labels[down // (2 * high), across // (2 * wide)]
    return numbers


def plain_aupro(maps: Maps, regions: Maps, limit: float = 0.3) -> float:
    """The area under the curve of every distinct score, in double precision, region by region."""
    every = [regions == number for number in np.unique(regions[regions > 0])]
    free, points = regions == 0, [(0.0, 0.0)]
    for threshold in sorted(set(maps.ravel().tolist()), reverse=True):
        called = maps >= threshold
        overlap = float(np.mean([called[region].mean() for region in every]))
        points.append((float(called[free].mean()), overlap))
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 < limit and x1 > x0:
            end = min(x1, limit)
            area += (end - x0) * (y0 + y0 + (y1 - y0) * (end - x0) / (x1 - x0)) / 2
    return area / limit


def distinct(regions: Maps) -> Maps:
    """Return numbers of regions that no two images share."""
    return np.where(regions > 0, regions + 1000 * np.arange(len(regions))[:, None, None], 0)


def ragged(dice: np.random.Generator, height: int, width: int) -> Maps:
    """Return a mask with pinholes, hairlines and blobs."""
    defect = dice.random((height, width)) < 0.04
    defect[dice.integers(height)] |= dice.random(width) < 0.7
    defect[height // 3 : height // 2, width // 4 : width // 2] = True
    return defect


@settings(deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 10_000),
    height=st.integers(4, 40),
    width=st.integers(4, 40),
    fit=st.sampled_from(["crop", "stretch", "pad"]),
)
def test_the_value_is_the_definitions(seed: int, height: int, width: int, fit: Any) -> None:
    dice = np.random.default_rng(seed)
    protocol = EvaluationProtocol(BACKBONE, 16, fit=fit, regions="original")
    defects = [ragged(dice, height, width) for _ in range(3)]
    regions = np.stack([see(defect, protocol)[0] for defect in defects])
    expected = np.stack([carried(defect, protocol) for defect in defects])
    np.testing.assert_array_equal(regions, expected)
    assume((regions > 0).any() and not (regions > 0).all())
    maps = dice.integers(0, 9, regions.shape).astype(np.float32)
    values, (fpr, pro) = measure_pixels(maps, regions > 0, None, regions)
    assert values["aupro_30"] == pytest.approx(plain_aupro(maps, distinct(expected)), abs=EXACT)
    assert np.trapezoid(pro, fpr) / 0.3 == pytest.approx(values["aupro_30"], abs=EXACT)
    as_usual = pixel_metrics(maps, regions > 0)
    for name in ("pixel_auroc", "pixel_ap"):
        assert values[name] == as_usual[name]


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), side=st.integers(4, 30))
def test_nothing_changes_where_masks_need_no_resizing(seed: int, side: int) -> None:
    dice = np.random.default_rng(seed)
    defect = ragged(dice, side, side)
    assume(not defect.all())
    usual = EvaluationProtocol(BACKBONE, side, resize=side)
    original = EvaluationProtocol(BACKBONE, side, resize=side, regions="original")
    (resized, seen), (regions, as_seen) = see(defect, usual), see(defect, original)
    np.testing.assert_array_equal(resized, regions)
    assert seen == as_seen
    assert (seen.vanished, seen.torn, seen.measured) == (0, 0, seen.regions)
    maps = dice.random((1, side, side))
    assert pixel_metrics(maps, defect[None], None, regions[None]) == pixel_metrics(
        maps, defect[None]
    )


@settings(deadline=None, max_examples=200)
@given(
    seed=st.integers(0, 10_000),
    fit=st.sampled_from(["crop", "stretch", "pad"]),
    how=st.sampled_from(["nearest", "official"]),
    blobs=st.integers(1, 4),
)
def test_whole_regions_that_stay_apart_measure_alike(
    seed: int, fit: Any, how: Any, blobs: int
) -> None:
    dice = np.random.default_rng(seed)
    defect = np.zeros((50, 60), bool)
    for _ in range(blobs):
        top, left = dice.integers(0, 40, 2)
        defect[top : top + dice.integers(1, 10), left : left + dice.integers(1, 10)] = True
    protocol = EvaluationProtocol(BACKBONE, 20, fit=fit, mask_resize=how)
    resized, seen = see(defect, protocol)
    regions, _ = see(defect, replace(protocol, regions="original"))
    np.testing.assert_array_equal(resized > 0, regions > 0)
    assume(seen.left)
    maps = dice.integers(0, 20, (1, 20, 20))
    ours = pixel_metrics(maps, regions[None] > 0, None, regions[None])["aupro_30"]
    assert ours == pytest.approx(plain_aupro(maps, regions[None]), abs=EXACT)
    if seen.torn == 0 and seen.measured == seen.regions - seen.vanished:
        usual = pixel_metrics(maps, regions[None] > 0)["aupro_30"]
        assert ours == pytest.approx(usual, abs=EXACT)


def test_a_torn_region_counts_once_and_another_images_never_joins_it() -> None:
    regions = np.zeros((2, 4, 6), np.int32)
    regions[0, 0, :2] = regions[0, 0, 4:] = 3  # torn; its number is larger than those of image 1
    regions[0, 3, 0], regions[1, 1, 1], regions[1, 3, 3] = 1, 1, 3
    maps = np.zeros(regions.shape)
    maps[0, 0, :2] = 1  # half of the torn region, and nothing else
    value = pixel_metrics(maps, regions > 0, None, regions)["aupro_30"]
    # From the overlap 1/8 in a straight line to 1 at the rate 1: at 0.3 it is 1/8 + 0.3 * 7/8.
    assert value == pytest.approx(1 / 8 + 0.15 * 7 / 8, abs=EXACT)
    # Torn, these are two regions of 5, one of which is covered.
    usual = pixel_metrics(maps, regions > 0)["aupro_30"]
    assert usual == pytest.approx(1 / 5 + 0.15 * 4 / 5, abs=EXACT)


def test_an_interval_is_of_these_regions() -> None:
    dice = np.random.default_rng(0)
    regions = np.zeros((8, 12, 12), np.int32)
    regions[:4, 2, 2:10:2] = 1  # four dots that were a line
    regions[:4, 8:10, 3:6] = 2
    labels = (regions > 0).any(axis=(1, 2)).astype(int)
    maps = dice.random(regions.shape) + 0.6 * (regions == 2)
    value = pixel_metrics(maps, regions > 0, None, regions)["aupro_30"]
    assert value == pytest.approx(plain_aupro(maps, distinct(regions)), abs=EXACT)
    given = maps, regions > 0
    low, high = metric_intervals(labels, labels, *given, regions=regions)["aupro_30"]
    assert low <= value <= high
    assert (low, high) != metric_intervals(labels, labels, *given)["aupro_30"]
    drawn = multiplicities(labels)[:20]
    least, greatest = resampled_pixel_bounds(*given, drawn, None, regions)["aupro_30"]
    for number, row in enumerate(drawn):
        again = np.repeat(np.arange(len(row)), row)
        exact = pixel_metrics(maps[again], regions[again] > 0, None, regions[again])["aupro_30"]
        assert least[number] - EXACT <= exact <= greatest[number] + EXACT


@pytest.mark.parametrize("wrong", ["a pixel more", "a pixel fewer", "another shape"])
def test_regions_are_those_of_the_masks(wrong: str) -> None:
    masks = np.zeros((1, 3, 3), bool)
    masks[0, 1, 1] = True
    regions = masks.astype(np.int32)
    if wrong == "another shape":
        regions = regions[:, :2]
    else:
        regions[0, 0, 0], regions[0, 1, 1] = (1, 1) if wrong == "a pixel more" else (0, 0)
    with pytest.raises(ValueError, match="not those of the masks"):
        pixel_metrics(np.zeros((1, 3, 3)), masks, None, regions)


# --- what is counted -------------------------------------------------------------------------


def holed_line() -> Maps:
    """Return a mask of which each third row and column from the second on is sampled."""
    defect = np.zeros((24, 24), bool)
    defect[0, 0] = True  # a pinhole, which vanishes
    defect[13, :10] = defect[14, 10:13] = defect[13, 13:] = True  # a hairline, which breaks
    defect[19, 1] = defect[19, 4] = True  # two dots, which join
    return defect


@pytest.mark.parametrize(("regions", "torn", "measured"), [("resized", 1, 3), ("original", 0, 3)])
def test_what_resizing_does_is_counted(regions: Any, torn: int, measured: int) -> None:
    protocol = EvaluationProtocol(BACKBONE, 8, fit="stretch", regions=regions)
    numbers, seen = see(holed_line(), protocol)
    assert (seen.regions, seen.vanished, seen.torn, seen.measured) == (4, 1, torn, measured)
    assert (seen.shown, seen.pixels, seen.left) == (27, 27, 9)
    assert np.unique(numbers).tolist() == ([0, 2, 3, 4] if regions == "original" else [0, 1, 2, 3])


def test_what_the_crop_hides_is_not_what_resizing_swallows() -> None:
    defect = np.zeros((24, 72), bool)
    defect[1, 1] = defect[0, 30] = True  # one beyond the crop, one in it that isn't sampled
    _, seen = see(defect, EvaluationProtocol(BACKBONE, 8, resize=8))
    assert (seen.shown, seen.pixels, seen.left) == (1, 2, 0)
    assert (seen.regions, seen.vanished) == (1, 1)
    lost = sum_up([seen])
    assert lost is not None
    assert (lost.unseen_defects, lost.vanished_defects, lost.changed) == (0, 1, 1)


def test_what_the_crop_cuts_in_two_is_not_torn_by_resizing() -> None:
    defect = np.zeros((24, 24), bool)
    defect[1:, 7] = defect[1:, 17] = defect[1, 7:18] = True  # the crop leaves two posts
    _, seen = see(defect, EvaluationProtocol(BACKBONE, 12, resize=24))
    assert (seen.regions, seen.vanished, seen.torn, seen.measured) == (1, 0, 0, 2)
    _, seen = see(defect, EvaluationProtocol(BACKBONE, 6, resize=12))
    assert (seen.regions, seen.vanished, seen.torn, seen.measured) == (1, 0, 0, 2)
    defect[10:14, 16], defect[10:14, 17] = True, False  # of halved columns the odd ones remain
    _, seen = see(defect, EvaluationProtocol(BACKBONE, 6, resize=12))
    assert (seen.regions, seen.vanished, seen.torn, seen.measured) == (1, 0, 1, 3)


def test_a_hole_that_resizing_closes_is_of_the_region_around_it() -> None:
    defect = np.ones((600, 600), bool)
    defect[15::30, 15::30] = False  # just where the nearest pixels are
    framed = frame_mask(defect, 20, 20, "official")
    assert framed.all()
    numbers = frame_regions(label_regions(defect), framed, 20, 20)
    assert (numbers == 1).all()
