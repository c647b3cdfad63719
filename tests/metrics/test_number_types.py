"""Scores and maps of any type of real number give the same metrics, or are refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.metrics.image import (
    auroc,
    f1_optimal,
    full_recall,
    image_metrics,
    precision_recall_curve,
    resampled_image_metrics,
    roc_curve,
)
from benchmarks.metrics.pixel import (
    measure_pixels,
    pixel_metrics,
    pro_curve,
    resampled_pixel_bounds,
)
from benchmarks.results.maps import read_maps, write_maps
from benchmarks.statistics.bootstrap import multiplicities
from benchmarks.statistics.intervals import metric_intervals

LABELS = np.repeat([0, 1], [9, 7])
DICE = np.random.default_rng(0)
SCORES = DICE.integers(0, 40, 16) + 4 * LABELS  # small integers: the same in every type
MASKS = np.zeros((5, 8, 8), bool)
MASKS[2:, 2:5, 3:6] = True
MAPS = DICE.integers(0, 90, MASKS.shape) + 20 * MASKS
DRAWN = multiplicities(LABELS, 4)

EVERY: dict[str, Callable[[Any], Any]] = {
    "image_metrics": lambda kind: image_metrics(LABELS, SCORES.astype(kind)),
    "auroc": lambda kind: auroc(LABELS, SCORES.astype(kind)),
    "full_recall": lambda kind: full_recall(LABELS, SCORES.astype(kind)),
    "f1_optimal": lambda kind: f1_optimal(LABELS, SCORES.astype(kind)),
    "roc_curve": lambda kind: roc_curve(LABELS, SCORES.astype(kind)),
    "precision_recall_curve": lambda kind: precision_recall_curve(LABELS, SCORES.astype(kind)),
    "measure_pixels": lambda kind: measure_pixels(MAPS.astype(kind), MASKS),
    "pixel_metrics": lambda kind: pixel_metrics(MAPS.astype(kind), MASKS),
    "pro_curve": lambda kind: pro_curve(MAPS.astype(kind), MASKS),
    "resampled images": lambda kind: resampled_image_metrics(LABELS, SCORES.astype(kind), DRAWN),
    "resampled pixels": lambda kind: resampled_pixel_bounds(
        MAPS.astype(kind), MASKS, DRAWN[:, :5] + 1
    ),
}


KINDS = ("<f2", ">f2", "<f4", ">f4", ">f8", "i1", "u1", "<i2", ">i2", ">i4", ">i8", ">u8")


@pytest.mark.parametrize("name", EVERY)
def test_a_type_changes_no_metric(name: str) -> None:
    expected = EVERY[name](np.float64)
    for kind in KINDS:
        np.testing.assert_equal(EVERY[name](kind), expected, kind)


@pytest.mark.parametrize("kind", [np.longdouble, np.complex64, object, str])
def test_what_cannot_be_compared_is_refused_in_one_line(kind: type) -> None:
    if kind is np.longdouble and np.dtype(kind).itemsize == np.dtype(float).itemsize:
        pytest.skip("long doubles are doubles here")
    for measure in EVERY.values():
        with pytest.raises(ValueError, match="give real numbers of at most 64 bits") as caught:
            measure(kind)
        message = str(caught.value)
        assert message.startswith(("scores are ", "maps are "))
        assert "\n" not in message


@pytest.mark.parametrize("name", EVERY)
def test_the_lowest_bit_counts(name: str) -> None:
    """No type is cut short on its way: neighbours in float64 stay apart, in any order of bytes."""

    def measured(kind: str) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(globals(), "SCORES", 1 + SCORES * 2.0**-52)
            patch.setitem(globals(), "MAPS", 1 + MAPS * 2.0**-52)
            return EVERY[name](kind)

    np.testing.assert_equal(measured(">f8"), measured("<f8"))
    if name not in ("full_recall", "f1_optimal"):  # these name the threshold itself
        np.testing.assert_equal(measured(">f8"), EVERY[name](np.float64))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["<f4", ">f4"])
def test_what_is_no_number_is_refused_in_any_order_of_bytes(value: float, kind: str) -> None:
    scores, maps = SCORES.astype(kind), MAPS.astype(kind)
    scores[3] = maps[1, 2, 3] = value
    with pytest.raises(ValueError, match="scores hold NaN or infinite values"):
        auroc(LABELS, scores)
    with pytest.raises(ValueError, match="maps hold NaN or infinite values"):
        pixel_metrics(maps, MASKS)


def test_ignored_pixels_are_bool() -> None:
    with pytest.raises(ValueError, match="ignored pixels are not bool"):
        pixel_metrics(MAPS, MASKS, np.zeros(MASKS.shape, np.uint8))  # type: ignore[arg-type]


def test_stored_maps_of_another_order_of_bytes_are_read(tmp_path: Path) -> None:
    labels, scores = np.array([0, 0, 1, 1, 1]), SCORES[:5].astype(float)
    found = []
    for kind in ("<f4", ">f4"):
        arrays = {
            "names": np.arange(5).astype(str),
            "images": np.zeros((5, 8, 8, 3), np.uint8),
            "masks": MASKS,
            "maps": MAPS.astype(kind),
            "scores": scores.astype(kind),
        }
        write_maps(tmp_path / "maps.npz", arrays)
        stored = read_maps(tmp_path / "maps.npz")
        found.append(
            (
                pixel_metrics(stored.maps, stored.masks),
                metric_intervals(labels, stored.scores, stored.maps, stored.masks),
            )
        )
    np.testing.assert_equal(found[1], found[0])
