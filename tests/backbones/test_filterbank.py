"""Filter-bank features: what they react to, and what they don't depend on."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.backbones import filterbank
from benchmarks.backbones.filterbank import ORIENTATIONS, WAVELENGTH, FilterBank

LEVELS = (1, 2, 3, 4)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def grating(
    angle: float, wavelength: float, size: int = 128, amplitude: float = 60
) -> torch.Tensor:
    y, x = np.mgrid[:size, :size]
    wave = np.sin(2 * math.pi / wavelength * (x * math.cos(angle) + y * math.sin(angle)))
    grey = torch.from_numpy((128 + amplitude * wave).round().astype(np.uint8))
    return grey.expand(1, 3, -1, -1)


def first_order(image: torch.Tensor, level: int) -> torch.Tensor:
    """Mean over the inner positions, (octaves, orientations)."""
    maps = FilterBank()(image, [level])[level]
    octaves = len(filterbank.octaves(level))
    inner = maps[0, : octaves * ORIENTATIONS, 2:-2, 2:-2]
    return inner.mean((1, 2)).view(octaves, ORIENTATIONS)


@settings(max_examples=15)
@given(height=st.integers(1, 70), width=st.integers(1, 70))
def test_sizes_are_those_of_the_image_over_the_stride_rounded_up(height: int, width: int) -> None:
    maps = FilterBank()(noise(2, 3, height, width), LEVELS)
    for level, channels in {1: 28, 2: 48, 3: 48, 4: 48}.items():
        stride = 2 ** (level + 1)
        expected = (2, channels, math.ceil(height / stride), math.ceil(width / stride))
        assert maps[level].shape == expected
        assert maps[level].dtype == torch.float32
        assert torch.isfinite(maps[level]).all()


def test_same_image_same_features() -> None:
    images = noise(2, 3, 64, 48)
    first, second = FilterBank()(images, LEVELS), FilterBank()(images.clone(), LEVELS)
    assert all(torch.equal(first[level], second[level]) for level in LEVELS)


def test_an_image_does_not_see_its_batch() -> None:
    images = noise(5, 3, 64, 64)
    together, alone = FilterBank()(images, LEVELS), FilterBank()(images[3:4], LEVELS)
    for level in LEVELS:
        torch.testing.assert_close(together[level][3:4], alone[level], rtol=0, atol=5e-5)


@pytest.mark.parametrize("levels", [[1], [4], [2, 3], [1, 4]])
def test_levels_do_not_depend_on_which_others_are_asked_for(levels: list[int]) -> None:
    images = noise(1, 3, 50, 75)
    everything, part = FilterBank()(images, LEVELS), FilterBank()(images, levels)
    assert set(part) == set(levels)
    assert all(torch.equal(part[level], everything[level]) for level in levels)


@pytest.mark.parametrize("value", [0, 1, 128, 255])
def test_constant_images_have_colour_only(value: int) -> None:
    images = torch.full((1, 3, 40, 40), value, dtype=torch.uint8)
    for maps in FilterBank()(images, LEVELS).values():
        assert maps[:, :-4].abs().max() < 1e-3
        assert maps[:, -1].abs().max() < 1e-3
        luminance, red_green, yellow_blue = maps[0, -4:-1].mean((1, 2))
        assert luminance == pytest.approx(5 * value / 255, abs=1e-5)
        assert max(abs(red_green), abs(yellow_blue)) < 1e-5


@pytest.mark.parametrize("orientation", range(ORIENTATIONS))
@pytest.mark.parametrize("level", [2, 3, 4])
def test_a_grating_peaks_in_its_octave_and_orientation(level: int, orientation: int) -> None:
    for position, octave in enumerate(filterbank.octaves(level)):
        image = grating(math.pi * orientation / ORIENTATIONS, WAVELENGTH * 2**octave, size=256)
        energies = first_order(image, level)
        assert divmod(int(energies.argmax()), ORIENTATIONS) == (position, orientation)


def test_a_quarter_turn_of_the_image_turns_maps_and_orientations() -> None:
    image = noise(1, 3, 65, 65)  # odd, so that every grid has the image's centre on it
    turned = FilterBank()(image.rot90(1, (2, 3)), [2])[2]
    expected = FilterBank()(image, [2])[2].rot90(1, (2, 3))
    swap = [2, 3, 0, 1]
    first = [4 * octave + k for octave in range(3) for k in swap]
    second = [12 + 16 * o + 4 * outer + inner for o in range(2) for outer in swap for inner in swap]
    order = [*first, *second, *range(44, 48)]
    torch.testing.assert_close(turned, expected[:, order], rtol=0, atol=1e-4)


def test_a_shift_by_the_stride_shifts_the_maps() -> None:
    image = noise(1, 3, 160, 160)
    before, after = FilterBank()(image, [2])[2], FilterBank()(image.roll(16, 3), [2])[2]
    torch.testing.assert_close(after[..., 10:-6], before[..., 8:-8], rtol=0, atol=1e-4)


def test_second_order_tells_textures_of_equal_energy_apart() -> None:
    """Fine stripes whose contrast comes and goes against even ones of the same mean energy."""
    y, x = np.mgrid[:128, :128]
    envelope = 1 + np.sin(2 * math.pi * y / 14)
    stripes = 128 + 50 * np.sin(2 * math.pi * x / WAVELENGTH) * envelope
    modulated = torch.from_numpy(stripes.round().astype(np.uint8)).expand(1, 3, -1, -1)
    outer, inner = 0, ORIENTATIONS // 2  # vertical stripes, modulated along y
    channel = 3 * ORIENTATIONS + outer * ORIENTATIONS + inner
    maps = {
        k: FilterBank()(v, [2])[2][0, channel, 3:-3, 3:-3]
        for k, v in {"even": grating(0, WAVELENGTH, amplitude=50), "modulated": modulated}.items()
    }
    assert maps["modulated"].mean() > 5 * maps["even"].mean()


def test_a_thin_faint_scratch_is_seen_where_it_is() -> None:
    plain = torch.full((1, 3, 128, 128), 120, dtype=torch.uint8)
    scratched = plain.clone()
    scratched[..., 40:80, 61] = 135
    difference = [FilterBank()(image, [2])[2] for image in (plain, scratched)]
    distance = (difference[1] - difference[0]).norm(dim=1)[0]
    row, column = divmod(int(distance.argmax()), distance.shape[1])
    assert 40 <= 8 * row <= 80
    assert abs(8 * column - 61) <= 8
    assert distance.max() > 1


def test_colour_is_told_apart_at_equal_luminance() -> None:
    grey = torch.full((1, 3, 32, 32), 100, dtype=torch.uint8)
    red = grey.clone()
    red[:, 0], red[:, 1] = 130, 70
    means = [FilterBank()(image, [3])[3][0, -4:-1].mean((1, 2)) for image in (grey, red)]
    luminance, red_green, _ = means[1] - means[0]
    assert luminance == pytest.approx(0, abs=1e-5)
    assert red_green == pytest.approx(5 * 60 / 255, abs=1e-4)


def test_specification_changes_with_any_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    before = filterbank.spec()
    assert (before.name, before.weights) == ("filterbank", "none")
    assert set(before.layers) == set(LEVELS)
    assert filterbank.spec() == before
    for constant, value in {"VERSION": 99, "WAVELENGTH": 4.0, "SCALE": {"first": 1.0}}.items():
        with monkeypatch.context() as changed:
            changed.setattr(filterbank, constant, value)
            assert filterbank.spec().weights_sha256 != before.weights_sha256
