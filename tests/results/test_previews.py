"""Previews hold every test image in its place, every defect, and the PRO curve's own area."""

from __future__ import annotations

import csv
import io
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.backbones.filterbank import NAME
from benchmarks.errors import BenchmarkError
from benchmarks.evaluation import category as evaluate
from benchmarks.figures import writing as figures
from benchmarks.metrics import pixel
from benchmarks.metrics.definitions import PRO_LIMIT
from benchmarks.metrics.pixel import pixel_metrics, pro_curve, thinned
from benchmarks.results import Store, previews
from benchmarks.run import __main__ as run
from tests.helpers.data_sets import write_dataset
from tests.helpers.runs import previews_of

LOSS = 6
"""Levels of 255 by which WebP moves a plain tile at most."""

NO_CURVE = (np.empty(0), np.empty(0))


def tiles(sheet: bytes, count: int) -> np.ndarray:
    """Return a sheet's tiles, (count, side, side[, 3]), cut out one after the other."""
    pixels = np.asarray(Image.open(io.BytesIO(sheet)))
    across = next(n for n in range(1, count + 1) if n * n >= count)
    side = pixels.shape[1] // across
    assert pixels.shape[:2] == (-(-count // across) * side, across * side)
    places = [(n // across * side, n % across * side) for n in range(count)]
    return np.stack([pixels[top : top + side, left : left + side] for top, left in places])


def plain(levels: list[int], size: int) -> np.ndarray:
    """Return images of one colour each: its level, half of it, and its complement."""
    colours = np.array([[level, level // 2, 255 - level] for level in levels], np.uint8)
    return np.broadcast_to(colours[:, None, None], (len(levels), size, size, 3))


@pytest.mark.parametrize(("size", "side"), [(224, 128), (146, 128), (128, 128), (40, 40)])
def test_every_image_is_in_its_place(size: int, side: int) -> None:
    images = plain([0, 40, 80, 120, 160, 200, 240], size)
    stored = previews.picture_sheets(images, np.zeros((7, size, size), bool))
    shown = tiles(stored["preview_images"].tobytes(), 7)
    assert shown.shape == (7, side, side, 3)
    middles = shown[:, 8:-8, 8:-8].astype(int)  # colours bleed across a tile's edge
    expected = images[:, :1, :1].astype(int)
    assert np.abs(middles - expected).max() <= LOSS


def test_a_tile_is_antialiased() -> None:
    image = np.zeros((1, 224, 224, 3), np.uint8)
    image[:, ::2] = 200  # every other line: half as bright, and no pattern left
    stored = previews.picture_sheets(image, np.zeros((1, 224, 224), bool))
    (tile,) = tiles(stored["preview_images"].tobytes(), 1)
    assert np.abs(tile[4:-4].astype(int) - 100).max() <= LOSS + 4


@settings(max_examples=30)
@given(st.integers(1, 7), st.integers(5, 260), st.integers(0, 2**32 - 1))
def test_a_mask_is_set_where_any_defect_pixel_falls(count: int, size: int, seed: int) -> None:
    masks = np.random.default_rng(seed).random((count, size, size)) < 3 / size**2
    stored = previews.picture_sheets(np.zeros((count, size, size, 3), np.uint8), masks)
    shown = tiles(stored["preview_masks"].tobytes(), count)
    side = min(128, size)
    expected = np.zeros((count, side, side), bool)
    for number, row, column in np.argwhere(masks):
        down, across = ((2 * at + 1) * side // (2 * size) for at in (row, column))
        expected[number, down, across] = True
    np.testing.assert_array_equal(shown, expected)


def test_maps_run_from_the_least_to_the_greatest_value_of_all() -> None:
    values = np.array([-3.0, 0.0, 1.0, 5.0], np.float32)
    maps = np.broadcast_to(values[:, None, None], (4, 112, 112))
    stored = previews.map_sheet(maps, NO_CURVE)
    shown = tiles(stored["preview_maps"].tobytes(), 4)
    assert shown.shape[:3] == (4, 56, 56)
    expected = 255 * (values + 3) / 8
    for tile, level in zip(shown, expected, strict=True):
        assert np.abs(tile[8:-8, 8:-8] - level).max() <= LOSS
    assert stored["preview_range"].tolist() == [-3, 5]


def test_maps_without_any_range_are_black() -> None:
    stored = previews.map_sheet(np.full((2, 8, 8), 0.5, np.float32), NO_CURVE)
    assert tiles(stored["preview_maps"].tobytes(), 2).max() <= LOSS


def test_tiles_shrink_where_a_sheet_would_be_too_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews, "WIDEST", 100)
    stored = previews_of(
        np.zeros((5, 64, 64, 3), np.uint8),
        np.zeros((5, 64, 64), bool),
        np.zeros((5, 64, 64), np.float32),
    )
    for name in ("preview_images", "preview_masks", "preview_maps"):
        assert previews.tile_side(stored[name].tobytes(), 5) == 33


@st.composite
def curves(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Return staircases and slopes from (0, 0) to the limit, as PRO curves are."""
    count = draw(st.integers(1, 400))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    steps = random.random((2, count)) ** draw(st.sampled_from([1, 4, 20]))
    if draw(st.booleans()):  # a staircase: either across or up
        steps[0, ::2] = 0
        steps[1, 1::2] = 0
    steps[0, -1] += 1e-9
    fpr, pro = np.concatenate((np.zeros((2, 1)), steps.cumsum(axis=1)), axis=1)
    fpr *= PRO_LIMIT / fpr[-1]
    fpr[-1] = PRO_LIMIT
    return fpr, pro / max(pro[-1], 1)


@settings(max_examples=100)
@given(curves())
def test_a_thinned_curve_keeps_the_area(curve: tuple[np.ndarray, np.ndarray]) -> None:
    fpr, pro = curve
    rates, overlaps = pixel.thinned(fpr, pro)
    assert 2 <= rates.size <= 200
    assert rates[0] == 0
    assert rates[-1] == pytest.approx(PRO_LIMIT)
    steps = np.diff(rates)
    assert (np.diff(steps) > 0).all()  # denser near 0
    assert (np.diff(overlaps) >= -1e-9).all()
    assert overlaps.min() >= -1e-9
    assert overlaps.max() <= pro[-1] + 1e-9
    assert np.trapezoid(overlaps, rates) == pytest.approx(np.trapezoid(pro, fpr), abs=1e-12)


@settings(max_examples=20)
@given(curves())
def test_each_point_of_a_thinned_curve_is_a_mean_nearby(
    curve: tuple[np.ndarray, np.ndarray],
) -> None:
    rates, overlaps = pixel.thinned(*curve)
    for place in (0, 1, 50, rates.size - 2, rates.size - 1):
        low = (rates[place] + rates[max(0, place - 1)]) / 2
        high = (rates[place] + rates[min(rates.size - 1, place + 1)]) / 2
        at = low + (high - low) * (np.arange(20000) + 0.5) / 20000
        assert overlaps[place] == pytest.approx(np.interp(at, *curve).mean(), abs=2e-3)


def test_the_stored_curve_has_the_area_of_the_metric() -> None:
    random = np.random.default_rng(3)
    masks = np.zeros((4, 60, 60), bool)
    masks[1, 5:20, 8:30] = masks[2, 40:43, 40:44] = masks[2, 5:9, 5:9] = True
    maps = (random.normal(size=masks.shape) + 1.5 * masks).astype(np.float32)
    fpr, pro = previews.map_sheet(maps, thinned(*pro_curve(maps, masks)))["pro_curve"]
    assert fpr.size < pro_curve(maps, masks)[0].size
    assert np.trapezoid(pro, fpr) / PRO_LIMIT == pytest.approx(
        pixel_metrics(maps, masks)["aupro_30"], abs=1e-9
    )


def test_without_defects_there_is_no_curve() -> None:
    stored = previews.map_sheet(
        np.zeros((2, 8, 8), np.float32),
        thinned(*pro_curve(np.zeros((2, 8, 8)), np.zeros((2, 8, 8), bool))),
    )
    assert stored["pro_curve"].shape == (2, 0)


def test_halving_keeps_tiles_in_place() -> None:
    masks = np.random.default_rng(0).random((5, 64, 64)) < 0.01
    stored = previews.picture_sheets(plain([0, 60, 120, 180, 240], 64), masks)
    shown = tiles(previews.halve(stored["preview_masks"].tobytes(), 5), 5)
    np.testing.assert_array_equal(shown, masks.reshape(5, 32, 2, 32, 2).any(axis=(2, 4)))
    images = tiles(previews.halve(stored["preview_images"].tobytes(), 5), 5)
    assert images.shape == (5, 32, 32, 3)
    levels = images[:, 10:-10, 10:-10, 0].mean(axis=(1, 2))
    np.testing.assert_allclose(levels, [0, 60, 120, 180, 240], atol=LOSS)


def test_what_is_stored_is_read_back(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    masks = random.random((3, 20, 20)) < 0.1
    images = random.integers(0, 255, (3, 20, 20, 3)).astype(np.uint8)
    stored = previews_of(images, masks, random.random((3, 20, 20)).astype(np.float32))
    np.savez_compressed(tmp_path / "maps.npz", names=np.array(["a"]), **stored)
    found = previews.read_previews(tmp_path / "maps.npz")
    assert found is not None
    assert (found.images, found.masks, found.maps) == tuple(
        stored[f"preview_{name}"].tobytes() for name in ("images", "masks", "maps")
    )
    assert list(found.span) == stored["preview_range"].tolist()
    np.testing.assert_array_equal(found.pro, stored["pro_curve"])


def test_files_without_previews_have_none_and_damaged_ones_are_named(tmp_path: Path) -> None:
    path = tmp_path / "maps.npz"
    np.savez(path, names=np.array(["a"]))
    assert previews.read_previews(path) is None
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(BenchmarkError, match=r"can't read the maps in .*maps\.npz; run its"):
        previews.read_previews(path)


def test_a_run_stores_them_and_reads_each_image_once_for_all_methods(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(figures, "write_figures", lambda *_, **__: [])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    write_dataset(Path("data"), "cup")
    taken: list[Any] = []
    original = evaluate.picture_sheets

    def counted(images: Any, masks: Any) -> Any:
        taken.append(len(masks))
        return original(images, masks)

    monkeypatch.setattr(evaluate, "picture_sheets", counted)
    arguments = ["--data", "data", "--cache", "cache", "--backbone", NAME, "--image-size", "32"]
    assert run.main([*arguments, "--out", "out", "--methods", "padim,patchcore-25"]) == 0
    assert taken == [7]
    for cell in Store(Path("out")).cells():
        found = previews.read_previews(Path("out") / (cell.maps or ""))
        assert found is not None
        with (Path("out") / (cell.scores or "")).open(newline="") as file:
            labels = [int(row["label"]) for row in csv.DictReader(file)]
        defects = tiles(found.masks, 7).any(axis=(1, 2))
        assert defects.tolist() == [label == 1 for label in labels]
        area = np.trapezoid(found.pro[1], found.pro[0]) / PRO_LIMIT
        assert area == pytest.approx(cell.metrics["aupro_30"], abs=1e-9)
