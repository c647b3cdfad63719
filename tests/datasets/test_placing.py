"""Maps lie where masks lie, and come back bit by bit from the images' own size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional as F

from benchmarks.datasets.framing import frame, padding, seen_box
from benchmarks.datasets.placing import Placing
from benchmarks.specs import BackboneSpec, EvaluationProtocol, Fit

FITS = st.sampled_from(("crop", "stretch", "pad"))
LENGTHS = st.integers(1, 90)


def protocol(size: int, fit: Fit, resize: int = 0) -> EvaluationProtocol:
    return EvaluationProtocol(
        BackboneSpec("imported", "", "", {}), image_size=size, resize=resize, fit=fit
    )


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


@given(LENGTHS, LENGTHS, st.integers(1, 40), FITS)
def test_a_map_at_its_images_size_is_sampled_where_masks_are(
    width: int, height: int, size: int, fit: Fit
) -> None:
    p = protocol(size, fit)
    placing = Placing.of(width, height, p)
    assume(placing.exact)
    values = noise(height, width)
    nearest = Image.Resampling.NEAREST
    expected = frame(Image.fromarray(values), p.resize, size, nearest, fit)
    found = placing.into_square(values)
    own = ~padding(width, height, size) if fit == "pad" else np.ones((size, size), bool)
    np.testing.assert_array_equal(found[own], expected[own])
    assert (found[~own] == values.min()).all()


@given(LENGTHS, LENGTHS, st.integers(1, 40), FITS)
def test_export_and_import_give_the_same_numbers(
    width: int, height: int, size: int, fit: Fit
) -> None:
    placing = Placing.of(width, height, protocol(size, fit))
    square = noise(size, size)
    own = ~padding(width, height, size) if fit == "pad" else np.ones((size, size), bool)
    whole = placing.into_image(square)
    assert whole.shape == (height, width)
    assert square[own].min() <= whole.min() <= whole.max() <= square[own].max()
    if placing.exact:
        np.testing.assert_array_equal(placing.into_square(whole)[own], square[own])
        assert whole.max() == square[own].max()


@given(LENGTHS, LENGTHS, st.integers(1, 40))
def test_beyond_the_crop_there_is_the_least_value(width: int, height: int, size: int) -> None:
    p = protocol(size, "crop")
    placing = Placing.of(width, height, p)
    square = noise(size, size)
    whole = placing.into_image(square)
    left, top, right, bottom = seen_box(width, height, p.resize, size, "crop")
    x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
    inside = ((y >= top) & (y < bottom))[:, None] & ((x >= left) & (x < right))
    assert (whole[~inside] == square.min()).all()
    assert placing.cut == (not inside.all())


def test_between_sampled_pixels_values_are_interpolated() -> None:
    # 6 pixels become 3: the nearest pixels are 1, 3 and 5.
    placing = Placing.of(6, 6, protocol(3, "crop", resize=3))
    row = np.array([2, 4, 10], np.float32)
    whole = placing.into_image(np.tile(row, (3, 1)))
    np.testing.assert_array_equal(whole, np.tile(np.array([2, 2, 3, 4, 7, 10], np.float32), (6, 1)))


@pytest.mark.parametrize("side", [1, 3, 7, 14])
def test_a_coarse_map_is_enlarged_as_torch_enlarges_it(side: int) -> None:
    values = noise(side, side)
    found = Placing.of(64, 64, protocol(28, "crop", resize=32)).into_square(values)
    large = F.interpolate(torch.from_numpy(values)[None, None].double(), size=32, mode="bilinear")
    np.testing.assert_allclose(found, large[0, 0, 2:30, 2:30].numpy(), rtol=0, atol=2e-7)


@given(LENGTHS, LENGTHS, LENGTHS, LENGTHS, FITS)
def test_a_map_of_one_value_stays_one(
    width: int, height: int, across: int, down: int, fit: Fit
) -> None:
    placing = Placing.of(width, height, protocol(16, fit))
    values = np.full((down, across), 0.1, np.float32)
    np.testing.assert_allclose(placing.into_square(values), 0.1, rtol=2**-23)


def test_what_can_not_be_exact_is_known() -> None:
    assert Placing.of(256, 256, protocol(224, "crop")).exact
    assert not Placing.of(255, 256, protocol(224, "stretch", resize=224)).cut
    assert not Placing.of(200, 200, protocol(224, "stretch")).exact
    assert not Placing.of(300, 100, protocol(128, "stretch")).exact  # its height is enlarged
    assert Placing.of(300, 100, protocol(128, "pad")).exact
