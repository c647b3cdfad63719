"""Thresholds set by held-out nominal images, and what they are worth on test images."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import nan
from typing import Any

import numpy as np

from benchmarks.array_types import Counts, Floats, Masks
from benchmarks.metrics.definitions import METRICS, Metric
from benchmarks.metrics.tally import Confusion, confusion

PER_CENT = (1, 5, 10)
"""The false-alarm rates that are promised, α."""


def images_needed(per_cent: int) -> int:
    """Return how many held-out images a false-alarm rate takes: 99 for 1 %."""
    return -(-100 // per_cent) - 1


def threshold(scores: Floats, per_cent: int) -> float | None:
    """Return the threshold of a false-alarm rate α; None where the images are too few.

    It is the ⌊α (n + 1)⌋-th highest score (split conformal prediction). A score above it is an
    alarm: of a further image, exchangeable with these, with a chance of α at most.

    Args:
        scores: of n held-out images, (n,).
        per_cent: α in per cent.
    """
    rank = per_cent * (len(scores) + 1) // 100
    return float(np.sort(scores)[-rank]) if rank else None


@dataclass(frozen=True)
class HeldOut:
    """Nominal training images that a method wasn't fitted to, and what it says of them.

    Attributes:
        names: their paths in the category's folder, n of them.
        images: image scores, (n,).
        maxima: of the finished maps over the images' pixels, (n,); None where they aren't known.
    """

    names: Sequence[str]
    images: Floats
    maxima: Floats | None

    @cached_property
    def thresholds(self) -> dict[str, float | None]:
        """`image_01` → the threshold at 1 %, and so on; `pixel_01` that of maps' pixels.

        None where the images are too few; no pixel thresholds where no maxima are known.
        """
        levels = {"image": self.images, "pixel": self.maxima}
        return {
            f"{level}_{per_cent:02}": threshold(scores, per_cent)
            for level, scores in levels.items()
            if scores is not None
            for per_cent in PER_CENT
        }


def calibrated_metrics(
    held_out: HeldOut,
    images: tuple[Counts, Floats],
    pixels: tuple[Masks, Floats],
    ignored: Masks | None = None,
) -> dict[str, float]:
    """Return every metric of `CALIBRATED`; NaN where it is undefined, or has no threshold.

    Args:
        held_out: the images that set the thresholds.
        images: labels of N test images, (N,), 0 nominal and 1 anomalous; and their scores, (N,).
        pixels: which of their pixels are anomalous, (N, H, W); and their maps, (N, H, W).
        ignored: pixels that don't count, (N, H, W); None for none.
    """
    labels, scores = images
    unpadded = [np.True_] * len(labels) if ignored is None else ~ignored
    parts: dict[str, list[tuple[Any, ...]]] = {
        "image": [(labels == 1, scores, np.True_)],
        "pixel": [*zip(*pixels, unpadded, strict=True)],
    }
    values = dict.fromkeys(CALIBRATED, nan)
    for metric in CALIBRATED.values():
        limit = held_out.thresholds.get(threshold_name(metric))
        if limit is not None:
            with np.errstate(invalid="ignore"):  # 0 / 0 without samples of its class
                values[metric.name] = float(metric.value(_count(parts[metric.level], limit)))
    return values


def threshold_name(metric: Metric) -> str:
    """Return which of a cell's thresholds a metric of `CALIBRATED` is measured at."""
    return f"{metric.level}_{metric.name[-2:]}"


def _count(parts: Iterable[tuple[Any, ...]], limit: float) -> Confusion:
    """Count alarms, which are scores above the limit, compared in float64: it holds both exactly.

    Args:
        parts: of some samples which are anomalous, their scores, and which count.
        limit: the threshold.
    """
    counts = np.zeros(4, np.int64)
    for anomalous, scores, counted in parts:
        alarm, normal = scores > np.float64(limit), ~anomalous & counted
        counts += [*map(np.count_nonzero, (alarm & anomalous, alarm & normal, anomalous, normal))]
    return confusion(*counts)


# fmt: off
def _metrics(per_cent: int) -> Iterator[Metric]:
    at = f"at a threshold that held-out images set for {per_cent} % of false alarms."
    alpha = f"(α = {per_cent}%)"
    yield Metric(f"calibrated_false_alarm_rate_{per_cent:02}", f"False alarms {alpha}",
                 "image", "fraction", False, f"Share of normal images called anomalous {at}",
                 lambda counts: counts.false_positive_rate,
                 interval=None, counted_images=("n_test_good",))
    yield Metric(f"calibrated_recall_{per_cent:02}", f"Recall {alpha}",
                 "image", "fraction", True, f"Share of anomalous images called so {at}",
                 lambda counts: counts.recall, interval=None, counted_images=("n_test_defect",))
    yield Metric(f"calibrated_seg_f1_{per_cent:02}", f"Segmentation F1 {alpha}",
                 "pixel", "fraction", True, f"F1 of all test pixels {at}",
                 lambda counts: counts.f1 / bool(counts.positives), interval=None)
# fmt: on


CALIBRATED: dict[str, Metric] = {
    metric.name: metric for per_cent in PER_CENT for metric in _metrics(per_cent)
}
"""Metrics of cells whose thresholds are set by held-out images (`--calibrate`)."""

SHOWN = ("calibrated_false_alarm_rate_05", "calibrated_recall_05")
"""Those that the terminal shows, where there are any."""

KNOWN: Mapping[str, Metric] = ChainMap(CALIBRATED, METRICS)
"""All metrics that a cell may have, those of METRICS first."""
