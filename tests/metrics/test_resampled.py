"""Metrics of resampled images and maps are those of the resample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.metrics import METRICS, image_metrics, pixel_metrics
from benchmarks.metrics import resampled as uncertainty
from benchmarks.metrics.resampled import resampled_image_metrics, resampled_pixel_bounds
from benchmarks.statistics.bootstrap import multiplicities
from tests.statistics.drawing import LABELS, SEEDS, drawn_scores


@settings(max_examples=20)
@given(SEEDS, st.integers(0, 2))
def test_resampled_metrics_are_those_of_the_resampled_images(seed: int, digits: int) -> None:
    scores = drawn_scores(seed, digits)
    drawn = multiplicities(LABELS, 20, seed)
    values = resampled_image_metrics(LABELS, scores, drawn)
    assert {*values} == {name for name, metric in METRICS.items() if metric.level == "image"}
    for row, times in enumerate(drawn):
        expected = image_metrics(LABELS.repeat(times), scores.repeat(times))
        assert {name: value[row] for name, value in values.items()} == pytest.approx(expected)


def pixels() -> tuple[Any, Any, Any]:
    """Return maps, masks and labels of 7 images, one of them anomalous without a defect pixel."""
    random = np.random.default_rng(3)
    masks = np.zeros((7, 16, 16), bool)
    masks[3, 2:6, 3:9] = masks[4, 8:12, 8:12] = masks[5, 1:3, 1:3] = masks[5, 10:15, 4:6] = True
    maps = (random.normal(size=masks.shape) + 1.5 * masks).astype(np.float32)
    return maps, masks, np.repeat([0, 1], [3, 4])


@pytest.mark.parametrize(("thresholds", "width"), [(32, 0.2), (4096, 0.02)])
def test_pixel_bounds_hold_the_metrics_of_the_resampled_maps(
    thresholds: int, width: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uncertainty, "THRESHOLDS", thresholds)
    maps, masks, labels = pixels()
    drawn = multiplicities(labels, 130)  # more than one part
    drawn = drawn[(drawn @ masks.any(axis=(1, 2))) > 0]
    bounds = resampled_pixel_bounds(maps, masks, drawn)
    assert {*bounds} == {name for name, metric in METRICS.items() if metric.level == "pixel"}
    for row, times in enumerate(drawn):
        exact = pixel_metrics(maps.repeat(times, axis=0), masks.repeat(times, axis=0))
        for name, (lower, upper) in bounds.items():
            assert lower[row] - 1e-12 <= exact[name] <= upper[row] + 1e-12
    for lower, upper in bounds.values():
        assert np.median(upper - lower) < width


def test_resamples_without_a_defect_pixel_are_left_out() -> None:
    maps, masks, _ = pixels()
    drawn = np.array([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0, 4]])
    assert [part.shape for part in resampled_pixel_bounds(maps, masks, drawn)["pixel_ap"]] == [
        (1,),
        (1,),
    ]
    assert resampled_pixel_bounds(maps, masks, drawn[1:]) == {}
    assert resampled_pixel_bounds(maps, masks & False, drawn) == {}
