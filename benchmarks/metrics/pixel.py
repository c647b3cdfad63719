"""Pixel-level metrics and the per-region overlap curve."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.array_types import Counts, Curve, Floats, Masks, RegionNumbers
from benchmarks.metrics.definitions import PRO_LIMIT, level_metrics, level_values
from benchmarks.metrics.pimo import aupimo, count_overlaps, nominal_tail
from benchmarks.metrics.resampled import count_pixels, pixel_orders
from benchmarks.metrics.tally import Tally, make_tally, real_numbers

RESAMPLES_TOGETHER = 100
"""Resamples that are weighed together, so that a matrix of them × thresholds stays small."""

Bounds = tuple["Floats", "Floats"]
"""What each resample's value is at least and at most, (B,) each."""


@dataclass(frozen=True)
class PixelTally(Tally):
    """A tally of pixels that knows their regions.

    Attributes:
        shares: each defect pixel's share of its region, (P,); those of a region add up to 1.
        aupimo: the mean over images of the overlap at `pimo.RATES`; nan where it is undefined.
    """

    shares: Floats
    aupimo: float

    @cached_property
    def pro(self) -> Curve:
        """The PRO curve up to `PRO_LIMIT`."""
        return _pro_curve(self, PRO_LIMIT)

    def aupro(self, limit: float) -> float:
        """Return the area under the PRO curve up to a false-positive rate, divided by that rate."""
        fpr, pro = self.pro if limit == PRO_LIMIT else _pro_curve(self, limit)
        return float(np.trapezoid(pro, fpr)) / limit


def pixel_metrics(
    maps: ArrayLike,
    masks: ArrayLike,
    ignored: Masks | None = None,
    regions: RegionNumbers | None = None,
    nominal: Masks | None = None,
) -> dict[str, float]:
    """Return every pixel-level metric of METRICS; arguments and errors as `measure_pixels`."""
    return measure_pixels(maps, masks, ignored, regions, nominal)[0]


def measure_pixels(
    maps: ArrayLike,
    masks: ArrayLike,
    ignored: Masks | None = None,
    regions: RegionNumbers | None = None,
    nominal: Masks | None = None,
) -> tuple[dict[str, float], Curve]:
    """Return every pixel-level metric of METRICS, and the PRO curve up to `PRO_LIMIT`.

    Without both defect and defect-free pixels metrics are nan, and the curve is empty. AUPIMO is
    nan, too, where nominal images have too few pixels for its false-positive rates.

    Args:
        maps: anomaly maps of all test images, (N, H, W), higher is more anomalous, on any scale.
        masks: defect pixels, (N, H, W), bool.
        ignored: pixels that count as nothing, (N, H, W), bool, none of them a defect.
        regions: the number of each defect pixel's region within its image, from 1, 0 elsewhere,
            (N, H, W); None where regions are the masks' own, 8-connected.
        nominal: which images are nominal, (N,), bool; None for those without a defect pixel, which
            defects are, too, whose mask has vanished.

    Raises:
        ValueError: shapes differ, masks, `ignored` or `nominal` aren't bool, maps are no real
            numbers of at most 64 bits, or hold NaN or infinite values; `regions` aren't those of
            the masks.
    """
    tally = _tally_pixels(maps, masks, ignored, regions, nominal)
    values = level_values("pixel", tally)
    return values, (np.empty(0), np.empty(0)) if tally is None else tally.pro


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
    tally = _tally_pixels(maps, masks, ignored, None, None)
    return (np.empty(0), np.empty(0)) if tally is None else _pro_curve(tally, limit)


def resampled_pixel_bounds(
    maps: ArrayLike,
    masks: ArrayLike,
    drawn: Counts,
    ignored: Masks | None = None,
    regions: RegionNumbers | None = None,
    *,
    nominal: Masks | None = None,
) -> dict[str, Bounds]:
    """Return between which bounds every pixel-level metric of each resample lies.

    Exact are the counts of pixels at or above each of `resampled.THRESHOLDS` scores. Between two of
    them the pixels' order is left open, and the bounds are what the worst and the best order give:
    the exact metric (`pixel_metrics` of the resampled maps) lies within them; AUPIMO is counted
    likewise at scores of its own. Resamples without both defect and defect-free pixels are left
    out, and metrics without an interval. Bounds are nan where the metric is.

    Arguments and errors as `measure_pixels`, and

    Args:
        drawn: how often each resample holds each image, (B, N).
    """
    maps, masks, nominal = _check_pixels(maps, masks, nominal)
    free = ~masks if ignored is None else ~(masks | ignored)
    counts = count_pixels(maps, masks, free, _region_shares(masks, regions))
    complete = np.logical_and(*((drawn @ part.sum(axis=1)) > 0 for part in counts[:2]))
    if not complete.any():
        return {}
    overlaps = count_overlaps(maps, masks, nominal, ignored)
    metrics = [metric for metric in level_metrics("pixel") if metric.interval]
    weights = drawn[complete].astype(float)
    values = []
    for batch in np.array_split(weights, ceil(len(weights) / RESAMPLES_TOGETHER)):
        undefined = np.full(len(batch), np.nan)
        aupimo = overlaps.bounds(batch) if overlaps else (undefined, undefined)
        normal, defect, share = (batch @ part for part in counts)
        orders = pixel_orders(normal, defect, share, aupimo)
        values.append([[metric.value(order) for order in orders] for metric in metrics])
    bounds = np.concatenate(values, axis=2)  # (metrics, 2, B)
    return {metric.name: (low, high) for metric, (low, high) in zip(metrics, bounds, strict=True)}


def _check_pixels(
    maps: ArrayLike, masks: ArrayLike, nominal: Masks | None
) -> tuple[Floats, Masks, Masks]:
    maps, masks = real_numbers(maps, "maps"), np.asarray(masks)
    if maps.ndim != 3 or maps.shape != masks.shape:
        raise ValueError(f"maps {maps.shape} and masks {masks.shape} are not both (N, H, W)")
    if masks.dtype != bool:
        raise ValueError(f"masks are {masks.dtype}, not bool")
    images = np.asarray(~masks.any(axis=(1, 2)) if nominal is None else nominal)
    if images.shape != maps.shape[:1] or images.dtype != bool:
        raise ValueError(f"nominal images are {images.dtype} {images.shape}, not bool (N,)")
    return maps, masks, images


def _tally_pixels(
    maps: ArrayLike,
    masks: ArrayLike,
    ignored: Masks | None,
    regions: RegionNumbers | None,
    nominal: Masks | None,
) -> PixelTally | None:
    maps, masks, nominal = _check_pixels(maps, masks, nominal)
    kept: Any = ...
    if ignored is not None:
        if ignored.shape != masks.shape or ignored.dtype != bool or (ignored & masks).any():
            raise ValueError("ignored pixels are not bool, not those of the masks, or hold defects")
        kept = ~ignored
    tally = make_tally(maps[kept].ravel(), masks[kept].ravel())
    if tally is None:
        return None
    tail = nominal_tail(maps, nominal, ignored)
    pixels = np.count_nonzero(masks, axis=(1, 2))
    return PixelTally(
        **vars(tally),
        shares=_region_shares(masks, regions),
        aupimo=aupimo(tail, tally.thresholds, tally.rank, pixels),
    )


def _pro_curve(tally: PixelTally, limit: float) -> Curve:
    """Return the PRO curve's vertices up to `limit`."""
    gain = np.bincount(tally.rank, weights=tally.shares)[::-1]
    pro = np.concatenate(([0.0], gain.cumsum())).repeat(2)
    pro /= pro[-1]
    # Each threshold is one straight piece, slanted where defect-free pixels tie with it; level
    # ones join them, and the last of these leads to (1, 1).
    fpr = np.column_stack((tally.above, tally.at_or_above))[::-1].ravel() / tally.normals
    fpr = np.concatenate(([0.0], fpr, [1.0]))
    inside = fpr <= limit
    end = np.interp(limit, fpr, pro)
    return np.append(fpr[inside], limit), np.append(pro[inside], end)


def _region_shares(masks: Masks, regions: RegionNumbers | None) -> Floats:
    """Return each defect pixel's share of its region, (P,); arguments as `measure_pixels`."""
    from scipy.ndimage import label

    if regions is None:
        within_an_image = np.zeros((3, 3, 3), bool)
        within_an_image[1] = True
        masks = masks[masks.any(axis=(1, 2))]
        region = label(masks, within_an_image)[0][masks]
    else:
        if regions.shape != masks.shape or not np.array_equal(regions > 0, masks):
            raise ValueError("regions are not those of the masks: numbers from 1 on defects alone")
        last = regions.max(axis=(1, 2))
        before = last.cumsum() - last  # so that numbers differ between images
        region = regions[masks] + before.repeat(masks.sum(axis=(1, 2)))
    return 1 / np.bincount(region)[region]


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
