"""AUPIMO against its definition, numbers worked by hand, and whatever must not change it."""

from __future__ import annotations

from math import isnan, log10, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks.metrics import pimo
from benchmarks.metrics.pixel import measure_pixels, pixel_metrics, resampled_pixel_bounds
from benchmarks.statistics.bootstrap import multiplicities
from benchmarks.statistics.intervals import metric_intervals
from tests.metrics import references
from tests.metrics.inputs import maps_and_masks

EXACT = 1e-12
WIDE = (0.05, 0.6)
"""False-positive rates that a few pixels reach."""


def aupimo(*given: Any, **named: Any) -> float:
    return pixel_metrics(*given, **named)["aupimo"]


@pytest.fixture
def wide_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pimo, "RATES", WIDE)


def worked_example() -> tuple[Any, Any]:
    """Two nominal images of 100,000 pixels in all, and two with 4 and 2 defect pixels."""
    maps, masks = np.zeros((4, 200, 250)), np.zeros((4, 200, 250), bool)
    maps[0, 0, :3] = 9, 7, 5
    maps[1, 0, :3] = 7, 3, 1
    maps[2, 0, :4], maps[3, 0, :2] = (10, 9, 8, 5), (6, 0.5)
    masks[2, 0, :4], masks[3, 0, :2] = True, True
    return maps, masks


def test_a_worked_example() -> None:
    # Nominal pixels at or above 9: 1 of 10⁵, above 1e-5 by nothing; 8: 1; 7: 3; 6: 3; 5: 4; 0.5: 6.
    # The first image's TPR over x: from 1e-5 3/4 (scores above 7), from 3e-5 as well, as nothing
    # lies between 7 and 5 but 6 of another, from 4e-5 on 1. The second's: 1/2 from 3e-5, until 0.5
    # is found from 6e-5 on.
    first = 3 / 4 * log10(4) + log10(10 / 4)
    second = 1 / 2 * log10(6 / 3) + log10(10 / 6)
    assert aupimo(*worked_example()) == pytest.approx((first + second) / 2, abs=EXACT)


def test_a_nominal_pixel_that_ties_with_a_defect_counts_at_its_score() -> None:
    maps, masks = worked_example()
    maps[0, 0, 3] = 10  # ties with the defect's highest: found from 1e-5 on, as it was
    maps[0, 0, 0] = 0  # and the 9 falls away
    before = aupimo(*worked_example())
    assert aupimo(maps, masks) == pytest.approx(before, abs=EXACT)
    maps[2, 0, 0] = 9.5  # below it instead of beside it, of all thresholds the same
    assert aupimo(maps, masks) == pytest.approx(before, abs=EXACT)


def test_it_is_undefined_with_fewer_than_100_000_nominal_pixels() -> None:
    maps, masks = worked_example()
    ignored = np.zeros_like(masks)
    ignored[0, 199, 249] = True  # one pixel is no image's
    values = pixel_metrics(maps, masks, ignored)
    assert isnan(values.pop("aupimo"))
    assert not any(map(isnan, values.values()))
    assert not isnan(aupimo(maps, masks))
    with pytest.raises(KeyError):
        metric_intervals([0, 0, 1, 1], [0, 0, 1, 1], maps, masks, ignored)["aupimo"]
    assert "aupimo" in metric_intervals([0, 0, 1, 1], [0, 0, 1, 1], maps, masks)


def test_it_is_undefined_without_a_nominal_image() -> None:
    maps, masks = worked_example()
    assert isnan(aupimo(maps[2:], masks[2:]))
    assert isnan(aupimo(maps, masks, nominal=np.zeros(4, bool)))


def test_a_defect_without_mask_pixels_is_left_out_and_no_nominal_image() -> None:
    maps, masks = worked_example()
    more = np.concatenate((maps, maps[:1] + 100)), np.concatenate((masks, masks[:1]))
    nominal = np.array([True, True, False, False, False])
    assert aupimo(*more, nominal=nominal) == aupimo(maps, masks)
    assert aupimo(*more) == 0  # taken for nominal it would be a false alarm everywhere


@pytest.mark.parametrize("wrong", [np.ones(3, bool), np.ones(4, int)])
def test_wrong_nominal_images_are_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="nominal images are"):
        measure_pixels(*worked_example(), nominal=wrong)


@pytest.mark.usefixtures("wide_rates")
class TestFewPixels:
    @given(maps_and_masks(), st.data())
    def test_it_is_its_definition(self, pixels: Any, data: st.DataObject) -> None:
        maps, masks = pixels
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pimo, "RATES", data.draw(st.sampled_from([(0.05, 0.6), (0.2, 0.25)])))
            nominal = ~masks.any(axis=(1, 2)) & data.draw(arrays(bool, len(maps)))
            ignored = data.draw(arrays(bool, maps.shape)) & ~masks
            ignored[nominal, 0, 0] = False  # no image is padding alone
            if (ignored | masks).all():
                return
            value = aupimo(maps, masks, ignored, nominal=nominal)
            expected = references.aupimo(maps, masks, nominal, ignored)
            assert value == pytest.approx(expected, abs=EXACT, nan_ok=True)

    @given(maps_and_masks())
    def test_a_strictly_increasing_transform_leaves_all_pixel_metrics(self, pixels: Any) -> None:
        maps, masks = pixels
        expected = pixel_metrics(maps, masks)
        for transform in (lambda m: 3 * m - 7, lambda m: np.exp(m.astype(float)), np.cbrt):
            np.testing.assert_equal(pixel_metrics(transform(maps), masks), expected)

    @given(maps_and_masks(), st.randoms(use_true_random=False))
    def test_the_order_of_images_changes_nothing(self, pixels: Any, chance: Any) -> None:
        maps, masks = pixels
        order = [*range(len(maps))]
        chance.shuffle(order)
        value = aupimo(maps[order], masks[order])
        assert value == pytest.approx(aupimo(maps, masks), abs=EXACT, nan_ok=True)


def padded_images() -> tuple[Any, ...]:
    """Maps, masks, ignored and labels: 9 images, each with a border of its own width, one unmasked.

    Scores are whole, so that many tie.
    """
    random = np.random.default_rng(7)
    masks, ignored = np.zeros((2, 9, 24, 24), bool)
    masks[5:8, 6:12, 6:14] = True
    for number in range(9):
        ignored[number, : number % 4] = True
    maps = (20 * (random.normal(size=masks.shape) + 2 * masks)).round()
    return maps, masks, ignored, np.repeat([0, 1], [5, 4])


@pytest.mark.parametrize(("depth", "thresholds"), [(10, 4096), (1, 4096), (10, 8), (1, 3)])
@pytest.mark.parametrize("rates", [(0.002, 0.02), (0.01, 0.3)])
def test_bounds_hold_the_value_of_resamples_of_images_of_unlike_sizes(
    depth: int, thresholds: int, rates: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("RATES", rates), ("DEPTH", depth), ("THRESHOLDS", thresholds)):
        monkeypatch.setattr(pimo, name, value)
    maps, masks, ignored, labels = padded_images()
    drawn = multiplicities(labels, 60)
    drawn = drawn[(drawn @ masks.any(axis=(1, 2))) > 0]
    bounds = resampled_pixel_bounds(maps, masks, drawn, ignored, nominal=labels == 0)
    lower, upper = bounds["aupimo"]
    exact = []
    for times in drawn:
        parts = (part.repeat(times, axis=0) for part in (maps, masks, ignored))
        exact.append(aupimo(*parts, nominal=(labels == 0).repeat(times)))
    assert (lower - EXACT <= exact).all()
    assert (exact <= upper + EXACT).all()
    if (depth, thresholds) == (10, 4096):
        np.testing.assert_allclose(upper, lower, atol=EXACT)


def test_ties_of_nominal_pixels_are_all_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pimo, "RATES", (0.1, 0.3))
    maps = np.array([[[1, 1, 1, 2, 1, 1, 1, 1, 1, 1]], [[0, 0, 0, 0, 0, 0, 0, 0, 1, 3]]], float)
    masks = np.zeros(maps.shape, bool)
    masks[1, 0, 8:] = True
    tail = pimo.nominal_tail(maps, np.array([True, False]), None)
    assert tail is not None
    assert tail.scores.tolist() == [1] * 9 + [2]
    assert tail.rates(np.array([0.5, 1, 1.5, 2, 3])).tolist() == pytest.approx([1, 1, 0.1, 0.1, 0])
    assert aupimo(maps, masks) == 1 / 2
    assert references.aupimo(maps, masks) == pytest.approx(1 / 2)


def test_the_reference_says_nan_as_well() -> None:
    maps, masks = worked_example()
    np.testing.assert_equal(references.aupimo(maps[:, :2], masks[:, :2]), nan)
