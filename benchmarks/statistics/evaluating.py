"""All metrics with their intervals of arrays at hand, as cells have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.metrics.definitions import METRICS
from benchmarks.metrics.image import image_metrics
from benchmarks.metrics.pixel import pixel_metrics
from benchmarks.statistics.intervals import metric_intervals

if TYPE_CHECKING:
    import pandas as pd


def evaluate(
    masks: ArrayLike | None,
    maps: ArrayLike | None,
    scores: ArrayLike,
    labels: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return every metric of test images with its 95 % interval, as a run has them.

    Args:
        masks: ground truth, (N, H, W): 0, or False, where there is no defect; None where there are
            none, for image-level metrics alone.
        maps: anomaly maps, (N, H, W), higher is more anomalous, on any scale; None likewise.
        scores: image scores, (N,), likewise.
        labels: 1 for images with a defect, 0 for nominal ones, (N,); None for 1 where the mask has
            a defect, which an image whose defect a crop cuts off has not.

    Returns:
        By `metric` its value, low and high; NaN where it is undefined, or has no interval.

    Raises:
        ValueError: shapes don't fit, or values aren't finite numbers.
    """
    import pandas as pd

    if (masks is None or maps is None) and labels is None:
        raise ValueError(
            "without masks and maps give labels: 1 for a defect, 0 for a nominal image"
        )
    floats = np.zeros((*np.shape(scores), 1, 1)) if maps is None else np.asarray(maps)
    defects = np.zeros(floats.shape, bool) if masks is None else np.asarray(masks) != 0
    if defects.ndim != 3 or floats.shape != defects.shape:
        raise ValueError(
            f"masks are of shape {defects.shape} and maps of {floats.shape}: give both as (N, H, W)"
        )
    given: Any = defects.any(axis=(1, 2)) if labels is None else labels
    truth = np.asarray(given).astype(int)
    if truth.shape != np.shape(scores) or truth.shape != defects.shape[:1]:
        raise ValueError(
            f"of {len(defects)} masks, labels are of shape {truth.shape} and scores of "
            f"{np.shape(scores)}: give both as (N,)"
        )
    values = {**image_metrics(truth, scores), **pixel_metrics(floats, defects, nominal=truth == 0)}
    intervals = metric_intervals(truth, scores, floats, defects)
    rows = {name: (values[name], *intervals.get(name, (np.nan, np.nan))) for name in METRICS}
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high"])
    return frame.rename_axis("metric")
