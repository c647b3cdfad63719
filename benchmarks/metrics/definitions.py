"""Which metrics there are: an entry holds all that the project knows of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import nan
from typing import Any, Literal

import numpy as np

HEADLINE = ("image_auroc", "pixel_auroc", "aupro_30")

PRO_LIMIT = 0.3
"""The false-positive rate up to which the area under the PRO curve is taken."""

Level = Literal["image", "pixel"]


@dataclass(frozen=True)
class Metric:
    """How a metric is computed, what its value means, and how to show it.

    Attributes:
        name: the key in `metrics.csv`.
        label: the name in tables and figures.
        level: whether it judges image scores or anomaly maps.
        unit: "fraction" lies in [0, 1] and is shown in per cent; "images" is a count.
        higher_is_better: the direction of improvement.
        description: one sentence that defines it.
        value: computes it, from a `Tally`; for its interval from `resampled.Resampled`, too, whose
            counts have a row a resample, (B, D): then it returns (B,).
        undefined: the value where one class is missing, for which `value` is not asked.
        interval: how its 95 % interval follows: "bootstrap" from the values of resamples; "delong"
            from DeLong's variance; "binomial" over the normal images, for what depends on the
            lowest anomalous score, which resamples can only raise; None where there is none.
        images_per_defect: of how many images, for each anomalous one, a bootstrap interval takes
            the value to be a proportion at most: the more, the narrower it may get.
        coverage: the least share of its intervals that held the true value in the simulations of
            `docs/uncertainty.md`, in per cent; None where that was not measured.
        counted_images: of a count of test images, or a fraction of them, which cells' counts these
            are: "n_test_good", "n_test_defect", or both; a baseline then tolerates whole images.
    """

    name: str
    label: str
    level: Level
    unit: Literal["fraction", "images"]
    higher_is_better: bool
    description: str
    value: Callable[[Any], Any]
    undefined: float = nan
    interval: Literal["bootstrap", "delong", "binomial"] | None = "bootstrap"
    images_per_defect: int = 1
    coverage: int | None = None
    counted_images: tuple[Literal["n_test_good", "n_test_defect"], ...] = ()


def _false_positive_rate(points: Any, recall: int) -> Any:
    """Return the least rate of all thresholds, (..., D), that reach a recall in per cent."""
    positives = points.true_positives + points.false_negatives
    reached = 100 * points.true_positives >= recall * positives  # exact in integers
    return np.where(reached, points.false_positive_rate, 1).min(axis=-1)


# fmt: off
METRICS: dict[str, Metric] = {metric.name: metric for metric in (
    Metric("image_auroc", "Image AUROC", "image", "fraction", True,
           "Probability that an anomalous image scores above a normal one, ties counted half.",
           lambda counts: counts.auroc(), interval="delong", coverage=84),
    Metric("image_ap", "Image AP", "image", "fraction", True,
           "Average precision over images: precision summed over the steps of recall.",
           lambda counts: counts.average_precision(), coverage=85),
    Metric("pixel_auroc", "Pixel AUROC", "pixel", "fraction", True,
           "Probability that a defect pixel scores above a defect-free one, over all test images.",
           lambda counts: counts.auroc(), images_per_defect=2, coverage=100),
    Metric("pixel_ap", "Pixel AP", "pixel", "fraction", True,
           "Average precision over the pixels of all test images.",
           lambda counts: counts.average_precision(), images_per_defect=2, coverage=92),
    Metric("aupro_30", "AUPRO (FPR ≤ 0.3)", "pixel", "fraction", True,
           "Mean share of a defect region that is found, averaged over pixel FPRs from 0 to 0.3.",
           lambda counts: counts.aupro(PRO_LIMIT), images_per_defect=2, coverage=96),
    Metric("error_at_full_recall", "Error at 100% recall", "image", "fraction", False,
           "Share of test images misclassified when every anomalous image is found.",
           lambda counts: counts.full_recall.error,
           interval="binomial", coverage=4, counted_images=("n_test_good", "n_test_defect")),
    Metric("false_positives_at_full_recall", "False positives at 100% recall",
           "image", "images", False,
           "Normal images called anomalous when every anomalous image is found.",
           lambda counts: counts.full_recall.false_positives,
           interval="binomial", coverage=4, counted_images=("n_test_good",)),
    Metric("false_positive_rate_at_full_recall", "False-positive rate at 100% recall",
           "image", "fraction", False,
           "Share of normal images called anomalous when every anomalous image is found.",
           lambda counts: counts.full_recall.false_positive_rate,
           interval="binomial", coverage=4, counted_images=("n_test_good",)),
    Metric("error_at_f1_optimal", "Error at optimal F1", "image", "fraction", False,
           "Share of test images misclassified at the threshold that maximises F1.",
           lambda counts: counts.f1_optimal.error,
           coverage=95, counted_images=("n_test_good", "n_test_defect")),
    Metric("false_positives_at_f1_optimal", "False positives at optimal F1",
           "image", "images", False,
           "Normal images called anomalous at the threshold that maximises F1.",
           lambda counts: counts.f1_optimal.false_positives,
           coverage=93, counted_images=("n_test_good",)),
    Metric("false_negatives_at_f1_optimal", "False negatives at optimal F1",
           "image", "images", False,
           "Anomalous images called normal at the threshold that maximises F1.",
           lambda counts: counts.f1_optimal.false_negatives,
           coverage=94, counted_images=("n_test_defect",)),
    Metric("f1_max", "Maximal F1", "image", "fraction", True,
           "The highest F1 of any threshold, anomalous images being the positives.",
           lambda counts: counts.f1_optimal.f1, images_per_defect=2, coverage=95),
    Metric("aupro_05", "AUPRO (FPR ≤ 0.05)", "pixel", "fraction", True,
           "Mean share of a defect region that is found, averaged over pixel FPRs from 0 to 0.05.",
           lambda counts: counts.aupro(0.05), images_per_defect=2, coverage=96),
    Metric("aupimo", "AUPIMO", "pixel", "fraction", True,
           "Mean share of an image's defect that is found, averaged over the logarithm of normal "
           "images' mean FPR from 1e-5 to 1e-4.",
           lambda counts: counts.aupimo, coverage=92),
    Metric("pixel_f1_max", "Maximal pixel F1", "pixel", "fraction", True,
           "The highest F1 of any threshold over the pixels of all test images.",
           lambda counts: counts.f1_optimal.f1, images_per_defect=2, coverage=97),
    Metric("false_positive_rate_at_95_recall", "False-positive rate at 95% recall",
           "image", "fraction", False,
           "Share of normal images called anomalous when 95% of the anomalous ones are found.",
           lambda counts: _false_positive_rate(counts.points, 95),
           coverage=88, counted_images=("n_test_good",)),
)}
# fmt: on

MAIN = ("image_auroc", "pixel_auroc", "aupro_30", "error_at_full_recall")
"""What the terminal shows; every metric gets its files."""


def level_metrics(level: Level) -> list[Metric]:
    """Return the metrics of image scores, or those of anomaly maps, in order."""
    return [metric for metric in METRICS.values() if metric.level == level]


def level_values(level: Level, tally: Any) -> dict[str, float]:
    """Return every metric of a level, `undefined` without a tally: where one class is missing."""
    return {
        metric.name: metric.undefined if tally is None else float(metric.value(tally))
        for metric in level_metrics(level)
    }
