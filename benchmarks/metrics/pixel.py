"""Pixel-level metrics and the per-region overlap curve."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.metrics.definitions import METRICS, PRO_LIMIT
from benchmarks.metrics.tally import Tally, make_tally, real_numbers

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from benchmarks.array_types import Counts, Curve, Floats, Masks


def pixel_metrics(
    maps: ArrayLike, masks: ArrayLike, ignored: Masks | None = None
) -> dict[str, float]:
    """Return every pixel-level metric of METRICS; arguments and errors as `measure_pixels`."""
    return measure_pixels(maps, masks, ignored)[0]


def measure_pixels(
    maps: ArrayLike, masks: ArrayLike, ignored: Masks | None = None
) -> tuple[dict[str, float], Curve]:
    """Return every pixel-level metric of METRICS, and the PRO curve up to `PRO_LIMIT`.

    Without both defect and defect-free pixels metrics are nan, and the curve is empty.

    Args:
        maps: anomaly maps of all test images, (N, H, W), higher is more anomalous, on any scale.
        masks: defect pixels, (N, H, W), bool.
        ignored: pixels that count as nothing, (N, H, W), bool, none of them a defect.

    Raises:
        ValueError: shapes differ, masks or `ignored` aren't bool, maps are no real numbers of at
            most 64 bits, or hold NaN or infinite values.
    """
    maps, masks = _check_pixels(maps, masks)
    tally = _tally(maps, masks, ignored)
    if tally is None:
        undefined = {name: nan for name, metric in METRICS.items() if metric.level == "pixel"}
        return undefined, (np.empty(0), np.empty(0))
    fpr, pro = _pro_curve(tally, masks, PRO_LIMIT)
    metrics = {
        "pixel_auroc": tally.auroc(),
        "pixel_ap": tally.average_precision(),
        "aupro_30": float(np.trapezoid(pro, fpr)) / PRO_LIMIT,
    }
    return metrics, (fpr, pro)


def pro_curve(
    maps: ArrayLike,
    masks: ArrayLike,
    limit: float = PRO_LIMIT,
    ignored: Masks | None = None,
) -> Curve:
    """Return the per-region overlap curve (fpr, pro) from (0, 0) to exactly fpr = `limit`.

    PRO(t) is the share of a region's pixels with score ≥ t, averaged over the ground-truth regions
    (8-connected, per image); FPR(t) the share of all defect-free pixels with score ≥ t. Every
    distinct score is a threshold; vertices inside a straight piece are left out.
    (Bergmann et al., "The MVTec Anomaly Detection Dataset", IJCV 2021.)

    Args:
        maps: (N, H, W), as `measure_pixels`.
        masks: (N, H, W), as `measure_pixels`.
        limit: the last false-positive rate, in (0, 1].
        ignored: as `pixel_metrics`.

    Returns:
        Two equally long ascending arrays; both empty without both defect and defect-free pixels.

    Raises:
        ValueError: as `measure_pixels`, and where `limit` lies outside (0, 1].
    """
    if not 0 < limit <= 1:
        raise ValueError(f"limit is a false-positive rate in (0, 1], not {limit}")
    maps, masks = _check_pixels(maps, masks)
    tally = _tally(maps, masks, ignored)
    return (np.empty(0), np.empty(0)) if tally is None else _pro_curve(tally, masks, limit)


def _check_pixels(maps: ArrayLike, masks: ArrayLike) -> tuple[Floats, Masks]:
    maps, masks = real_numbers(maps, "maps"), np.asarray(masks)
    if maps.ndim != 3 or maps.shape != masks.shape:
        raise ValueError(f"maps {maps.shape} and masks {masks.shape} are not both (N, H, W)")
    if masks.dtype != bool:
        raise ValueError(f"masks are {masks.dtype}, not bool")
    return maps, masks


def _tally(maps: Floats, masks: Masks, ignored: Masks | None) -> Tally | None:
    if ignored is None:
        return make_tally(maps.ravel(), masks.ravel())
    if ignored.shape != masks.shape or ignored.dtype != bool or (ignored & masks).any():
        raise ValueError("ignored pixels are not bool, not those of the masks, or hold defects")
    return make_tally(maps[~ignored], masks[~ignored])


def _pro_curve(tally: Tally, masks: Masks, limit: float) -> Curve:
    """Return the PRO curve's vertices up to `limit`, from a tally over the pixels of `masks`."""
    gain = np.bincount(tally.rank, weights=1 / _region_sizes(masks))[::-1]
    pro = np.concatenate(([0.0], gain.cumsum())).repeat(2)
    pro /= pro[-1]
    # Each threshold is one straight piece, slanted where defect-free pixels tie with it; level
    # ones join them, and the last of these leads to (1, 1).
    fpr = np.column_stack((tally.above, tally.at_or_above))[::-1].ravel() / tally.normals
    fpr = np.concatenate(([0.0], fpr, [1.0]))
    inside = fpr <= limit
    end = np.interp(limit, fpr, pro)
    return np.append(fpr[inside], limit), np.append(pro[inside], end)


def _region_sizes(masks: Masks) -> Counts:
    """Return how many pixels the region of each defect pixel has, (P,)."""
    from scipy.ndimage import label

    within_an_image = np.zeros((3, 3, 3), bool)
    within_an_image[1] = True
    masks = masks[masks.any(axis=(1, 2))]
    regions, _ = label(masks, within_an_image)
    region = regions[masks]
    return np.bincount(region)[region]


CURVE_POINTS = 100


def thinned(fpr: NDArray[np.float64], pro: NDArray[np.float64]) -> Curve:
    """Return a PRO curve at `CURVE_POINTS` rates, denser near 0, with the same area below it.

    Each point has the curve's mean between the middles of the two steps beside it, so that the
    trapezoidal rule gives the area of the curve itself.

    Args:
        fpr: ascending false-positive rates from 0 to `PRO_LIMIT`, (V,).
        pro: the overlap at each, (V,).

    Returns:
        Rates and overlaps, both empty where the curve is.
    """
    if fpr.size == 0:
        return fpr, pro
    rates = PRO_LIMIT * np.linspace(0, 1, CURVE_POINTS) ** 2
    ends = np.concatenate(([0.0], (rates[1:] + rates[:-1]) / 2, [PRO_LIMIT]))
    area = np.concatenate(([0.0], (np.diff(fpr) * (pro[1:] + pro[:-1]) / 2).cumsum()))
    before = np.searchsorted(fpr, ends, side="right") - 1
    beyond = (ends - fpr[before]) * (pro[before] + np.interp(ends, fpr, pro)) / 2
    return rates, np.diff(area[before] + beyond) / np.diff(ends)
