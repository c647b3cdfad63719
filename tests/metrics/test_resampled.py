"""Resamples that can't be measured are left out."""

from __future__ import annotations

import numpy as np

from benchmarks.metrics.pixel import resampled_pixel_bounds
from tests.metrics.test_every_metric import seven_maps


def test_resamples_without_a_defect_pixel_are_left_out() -> None:
    maps, masks, _ = seven_maps()
    drawn = np.array([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0, 4]])
    assert [part.shape for part in resampled_pixel_bounds(maps, masks, drawn)["pixel_ap"]] == [
        (1,),
        (1,),
    ]
    assert resampled_pixel_bounds(maps, masks, drawn[1:]) == {}
    assert resampled_pixel_bounds(maps, masks & False, drawn) == {}
