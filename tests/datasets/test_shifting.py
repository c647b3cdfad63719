"""Shifts of test images: what each does, at which severity, and that masks follow."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from benchmarks.datasets.shifting import (
    SEVERITIES,
    check_shift,
    is_geometric,
    moved_mask,
    shifted,
    value_of,
)
from benchmarks.errors import BenchmarkError


def picture(seed: int = 0, side: int = 48) -> Image.Image:
    dice = np.random.default_rng(seed)
    smooth = gaussian_filter(dice.uniform(0, 255, (side, side, 3)), (1, 1, 0))
    return Image.fromarray((3 * smooth - 255).clip(0, 255).astype(np.uint8))


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(float)


def after(shift: str, scale: float = 1.0, name: str = "test/good/0.png") -> np.ndarray:
    return pixels(shifted(picture(), shift, (scale, scale), name))


@pytest.mark.parametrize("name", SEVERITIES)
def test_a_higher_severity_changes_more(name: str) -> None:
    image, plane = picture(), np.add.outer(np.arange(48), 2 * np.arange(48))
    if is_geometric(name):  # noise is as different from itself however far it has moved
        image = Image.fromarray(np.repeat(plane[..., None], 3, axis=2).astype(np.uint8))
    moved = [pixels(shifted(image, f"{name}={n}", (1, 1), "")) for n in range(1, 6)]
    changes = [np.abs(after - pixels(image)).mean() for after in moved]
    assert changes == sorted(changes)
    assert changes[0] > 0
    assert moved[2].shape == (48, 48, 3)


def test_each_shift_is_what_it_is_called() -> None:
    before = pixels(picture())
    np.testing.assert_allclose(after("brightness=5"), 0.5 * before, atol=1)
    grey = before @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(after("contrast=4"), 0.4 * before + 0.6 * grey.mean(), atol=2)
    tinted = (before * [1.12, 1, 0.88]).clip(0, 255)
    np.testing.assert_allclose(after("colour_temperature=3"), tinted, atol=1)
    noise = after("gaussian_noise=3") - before
    assert noise[(before > 40) & (before < 215)].std() == pytest.approx(12, rel=0.05)
    blurred = gaussian_filter(before, (2, 2, 0), mode="nearest")
    assert np.abs(after("gaussian_blur=4")[12:-12, 12:-12] - blurred[12:-12, 12:-12]).mean() < 1
    dragged = np.mean([np.roll(before, n, axis=1) for n in range(-2, 3)], axis=0)
    np.testing.assert_allclose(after("motion_blur=2")[:, 4:-4], dragged[:, 4:-4], atol=1)
    right = after("translation=3")
    np.testing.assert_array_equal(right[:, 8:], before[:, :-8])
    np.testing.assert_array_equal(right[:, :8], before[:, 7::-1])  # mirrored at its border


def test_lengths_are_in_pixels_of_the_resized_image() -> None:
    """Of an image twice as large as resized, 4 pixels are 8 of its own."""
    np.testing.assert_array_equal(after("translation=2", scale=2.0), after("translation=3"))
    radius = value_of("gaussian_blur=2")
    assert 2 * radius == value_of("gaussian_blur=4")
    np.testing.assert_array_equal(
        after("gaussian_blur=2", scale=2.0), after("gaussian_blur=4", scale=1.0)
    )


def test_noise_is_an_images_own_and_always_the_same() -> None:
    assert (after("gaussian_noise=2") == after("gaussian_noise=2")).all()
    assert (after("gaussian_noise=2") != after("gaussian_noise=2", name="test/good/1.png")).any()


@pytest.mark.parametrize("shift", ["translation=4", "rotation=4"])
def test_masks_follow_and_what_is_uncovered_is_known(shift: str) -> None:
    defect = np.zeros((60, 60), np.bool_)
    defect[20:30, 25:40] = True
    image = Image.fromarray(np.repeat(255 * defect[..., None], 3, axis=2).astype(np.uint8))
    bright = pixels(shifted(image, shift, (1, 1), ""))[..., 0] > 127
    moved = moved_mask(defect, shift, (1, 1))
    assert (moved != defect).any()
    assert (bright != moved).mean() < 0.01  # but for the border, which one interpolates
    shown = moved_mask(np.ones_like(defect), shift, (1, 1))
    if shift.startswith("translation"):
        assert shown.tolist() == [[False] * 12 + [True] * 48] * 60
    else:
        assert shown[30, 30]
        assert not shown[0, 0]


@pytest.mark.parametrize("text", ["fog=1", "brightness", "brightness=0", "brightness=6", "jpeg=a"])
def test_others_are_refused(text: str) -> None:
    with pytest.raises(BenchmarkError, match=r"--shift .*: (give a severity|the shifts are)"):
        check_shift(text)
