"""What is measured: exact metrics of scores against ground truth, with direction, unit and label.

Every metric follows from integer counts: how many anomalous and how many normal samples lie at or
above each distinct anomalous score. No other threshold matters: between two of them only normal
samples are added, which neither finds a defect nor ends a curve's straight piece. Scores are only
ever compared, so ranks survive on any scale and no score is rescaled or rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.floating[Any]]
    Counts = NDArray[np.int64]
    Curve = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[Any]]

PRO_LIMIT = 0.3
"""The false-positive rate up to which the area under the PRO curve is taken."""

PART = 2**20
"""Scores that one thread counts at a time."""


@dataclass(frozen=True)
class Metric:
    """What a metric's value means and how to show it.

    Attributes:
        name: the key in `metrics.csv`.
        label: the name in tables and figures.
        level: whether it judges image scores or anomaly maps.
        unit: "fraction" lies in [0, 1] and is shown in per cent; "images" is a count.
        higher_is_better: the direction of improvement.
        description: one sentence that defines it.
    """

    name: str
    label: str
    level: Literal["image", "pixel"]
    unit: Literal["fraction", "images"]
    higher_is_better: bool
    description: str


# fmt: off
METRICS: dict[str, Metric] = {metric.name: metric for metric in (
    Metric("image_auroc", "Image AUROC",
           "image", "fraction", True,
           "Probability that an anomalous image scores above a normal one, ties counted half."),
    Metric("image_ap", "Image AP",
           "image", "fraction", True,
           "Average precision over images: precision summed over the steps of recall."),
    Metric("pixel_auroc", "Pixel AUROC",
           "pixel", "fraction", True,
           "Probability that a defect pixel scores above a defect-free one, over all test images."),
    Metric("pixel_ap", "Pixel AP",
           "pixel", "fraction", True,
           "Average precision over the pixels of all test images."),
    Metric("aupro_30", "AUPRO (FPR ≤ 0.3)",
           "pixel", "fraction", True,
           "Mean share of a defect region that is found, averaged over pixel FPRs from 0 to 0.3."),
    Metric("error_at_full_recall", "Error at 100% recall",
           "image", "fraction", False,
           "Share of test images misclassified when every anomalous image is found."),
    Metric("false_positives_at_full_recall", "False positives at 100% recall",
           "image", "images", False,
           "Normal images called anomalous when every anomalous image is found."),
    Metric("false_positive_rate_at_full_recall", "False-positive rate at 100% recall",
           "image", "fraction", False,
           "Share of normal images called anomalous when every anomalous image is found."),
    Metric("error_at_f1_optimal", "Error at optimal F1",
           "image", "fraction", False,
           "Share of test images misclassified at the threshold that maximises F1."),
    Metric("false_positives_at_f1_optimal", "False positives at optimal F1",
           "image", "images", False,
           "Normal images called anomalous at the threshold that maximises F1."),
    Metric("false_negatives_at_f1_optimal", "False negatives at optimal F1",
           "image", "images", False,
           "Anomalous images called normal at the threshold that maximises F1."),
    Metric("f1_max", "Maximal F1",
           "image", "fraction", True,
           "The highest F1 of any threshold, anomalous images being the positives."),
)}
# fmt: on


@dataclass(frozen=True)
class WorkingPoint:
    """What a threshold makes of the test set: score ≥ threshold is called anomalous."""

    threshold: float
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @property
    def errors(self) -> int:
        """Misclassified samples."""
        return self.false_positives + self.false_negatives

    @property
    def error(self) -> float:
        """Misclassified samples over all samples."""
        return self.errors / (self.errors + self.true_positives + self.true_negatives)

    @property
    def false_positive_rate(self) -> float:
        """Normal samples called anomalous, over all normal samples."""
        return self.false_positives / (self.false_positives + self.true_negatives)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.true_positives / (2 * self.true_positives + self.errors)


def image_metrics(labels: ArrayLike, scores: ArrayLike) -> dict[str, float]:
    """Return every image-level metric of METRICS, nan where one class is missing.

    Args:
        labels: (N,), 0 or False normal, 1 or True anomalous.
        scores: (N,), higher is more anomalous, on any scale.

    Raises:
        ValueError: shapes differ, a label is neither 0 nor 1, a score is NaN or infinite.
    """
    tally = _tally_images(labels, scores)
    if tally is None:
        return {name: nan for name, metric in METRICS.items() if metric.level == "image"}
    full, best = tally.working_point(0), tally.f1_optimal()
    return {
        "image_auroc": tally.auroc(),
        "image_ap": tally.average_precision(),
        "error_at_full_recall": full.error,
        "false_positives_at_full_recall": float(full.false_positives),
        "false_positive_rate_at_full_recall": full.false_positive_rate,
        "error_at_f1_optimal": best.error,
        "false_positives_at_f1_optimal": float(best.false_positives),
        "false_negatives_at_f1_optimal": float(best.false_negatives),
        "f1_max": best.f1,
    }


def pixel_metrics(maps: ArrayLike, masks: ArrayLike) -> dict[str, float]:
    """Return every pixel-level metric of METRICS, nan without both defect and defect-free pixels.

    Args:
        maps: anomaly maps of all test images, (N, H, W), higher is more anomalous, on any scale.
        masks: defect pixels, (N, H, W), bool.

    Raises:
        ValueError: shapes differ, masks aren't bool, a map holds NaN or infinite values.
    """
    maps, masks = _check_pixels(maps, masks)
    tally = _tally(maps.ravel(), masks.ravel())
    if tally is None:
        return {name: nan for name, metric in METRICS.items() if metric.level == "pixel"}
    fpr, pro = _pro_curve(tally, masks, PRO_LIMIT)
    return {
        "pixel_auroc": tally.auroc(),
        "pixel_ap": tally.average_precision(),
        "aupro_30": float(np.trapezoid(pro, fpr)) / PRO_LIMIT,
    }


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the ROC curve, ties counted half; nan where one class is missing.

    Arguments and errors as `image_metrics`.
    """
    tally = _tally_images(labels, scores)
    return nan if tally is None else tally.auroc()


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return Σ (recall step · precision), not interpolated; nan where one class is missing.

    Arguments and errors as `image_metrics`.
    """
    tally = _tally_images(labels, scores)
    return nan if tally is None else tally.average_precision()


def full_recall(labels: ArrayLike, scores: ArrayLike) -> WorkingPoint | None:
    """Return the working point at the lowest anomalous score; None where one class is missing.

    It is the highest threshold that misses nothing; a normal image that ties with it is an error.
    Arguments and errors as `image_metrics`.
    """
    tally = _tally_images(labels, scores)
    return None if tally is None else tally.working_point(0)


def f1_optimal(labels: ArrayLike, scores: ArrayLike) -> WorkingPoint | None:
    """Return the working point of maximal F1; None where one class is missing.

    Candidates are the distinct scores; of several with exactly the same F1 it is the lowest, as in
    the official PatchCore code. Arguments and errors as `image_metrics`.
    """
    tally = _tally_images(labels, scores)
    return None if tally is None else tally.f1_optimal()


def roc_curve(labels: ArrayLike, scores: ArrayLike) -> Curve:
    """Return scikit-learn's (fpr, tpr, thresholds), all empty where one class is missing.

    Arguments and errors as `image_metrics`.
    """
    from sklearn.metrics import roc_curve as curve

    return _curve(curve, labels, scores)


def precision_recall_curve(labels: ArrayLike, scores: ArrayLike) -> Curve:
    """Return scikit-learn's (precision, recall, thresholds), all empty where one class is missing.

    Arguments and errors as `image_metrics`.
    """
    from sklearn.metrics import precision_recall_curve as curve

    return _curve(curve, labels, scores)


def pro_curve(
    maps: ArrayLike, masks: ArrayLike, limit: float = PRO_LIMIT
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the per-region overlap curve (fpr, pro) from (0, 0) to exactly fpr = `limit`.

    PRO(t) is the share of a region's pixels with score ≥ t, averaged over the ground-truth regions
    (8-connected, per image); FPR(t) the share of all defect-free pixels with score ≥ t. Every
    distinct score is a threshold; vertices inside a straight piece are left out.
    (Bergmann et al., "The MVTec Anomaly Detection Dataset", IJCV 2021.)

    Args:
        maps: (N, H, W), as `pixel_metrics`.
        masks: (N, H, W), as `pixel_metrics`.
        limit: the last false-positive rate, in (0, 1].

    Returns:
        Two equally long ascending arrays; both empty without both defect and defect-free pixels.

    Raises:
        ValueError: as `pixel_metrics`, and where `limit` lies outside (0, 1].
    """
    if not 0 < limit <= 1:
        raise ValueError(f"limit is a false-positive rate in (0, 1], not {limit}")
    maps, masks = _check_pixels(maps, masks)
    tally = _tally(maps.ravel(), masks.ravel())
    return (np.empty(0), np.empty(0)) if tally is None else _pro_curve(tally, masks, limit)


@dataclass(frozen=True)
class _Tally:
    """Where D distinct anomalous scores (the thresholds, ascending) stand among all scores.

    Attributes:
        thresholds: the distinct scores of the P anomalous samples, (D,).
        rank: index into `thresholds` of each anomalous sample, in the input's order, (P,).
        above: normal samples with score > threshold, (D,).
        at_or_above: normal samples with score ≥ threshold, (D,).
        normals: all normal samples.
    """

    thresholds: Floats
    rank: Counts
    above: Counts
    at_or_above: Counts
    normals: int

    def auroc(self) -> float:
        doubled = 2 * self.normals - self.above - self.at_or_above
        return int(doubled[self.rank].sum()) / (2 * self.normals * self.rank.size)

    def average_precision(self) -> float:
        found = self.found()
        precision = found / (found + self.at_or_above)
        return float(precision[self.rank].mean())

    def found(self) -> Counts:
        """Return the anomalous samples with score ≥ threshold, (D,)."""
        return np.bincount(self.rank)[::-1].cumsum()[::-1]

    def working_point(self, index: int) -> WorkingPoint:
        found, false_positives = int(self.found()[index]), int(self.at_or_above[index])
        return WorkingPoint(
            threshold=float(self.thresholds[index]),
            true_positives=found,
            false_positives=false_positives,
            false_negatives=self.rank.size - found,
            true_negatives=self.normals - false_positives,
        )

    def f1_optimal(self) -> WorkingPoint:
        # One rounded division of integers: below 2**25 samples equal F1 values are equal floats and
        # different ones differ, which the usual 2·precision·recall / (precision + recall) spoils.
        f1 = 2 * self.found() / (self.found() + self.at_or_above + self.rank.size)
        return self.working_point(int(f1.argmax()))


def _tally(scores: Floats, anomalous: NDArray[np.bool_]) -> _Tally | None:
    """Count over scores (N,) and their labels (N,); None where one class is missing."""
    positives = scores[anomalous]
    normals = scores.size - positives.size
    if positives.size == 0 or normals == 0:
        return None
    from benchmarks import counting

    if scores.dtype == np.float16:  # which compiled loops don't know
        return _tally(scores.astype(np.float32), anomalous)
    thresholds, rank = np.unique(positives, return_inverse=True)
    extent = float(thresholds[-1]) - float(thresholds[0])
    scale = counting.INTERVALS / extent if extent > np.finfo(float).tiny else 0.0
    first = counting.first_thresholds(thresholds, scale)

    def count(part: Floats, anomalous: NDArray[np.bool_]) -> Sequence[Counts]:
        return counting.count(part, anomalous, thresholds, first, scale)

    parts = 1 + scores.size // PART
    with ThreadPoolExecutor() as pool:
        counts = pool.map(count, np.array_split(scores, parts), np.array_split(anomalous, parts))
        between, tied = np.sum(list(counts), axis=0)
    # above a threshold is what lies beyond it before the next, and all from the next one on
    at_or_above = (between + tied)[::-1].cumsum()[::-1]
    return _Tally(thresholds, rank, at_or_above - tied, at_or_above, normals)


def _tally_images(labels: ArrayLike, scores: ArrayLike) -> _Tally | None:
    return _tally(*_check_images(labels, scores)[::-1])


def _check_images(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    labels, scores = np.asarray(labels), np.asarray(scores)
    if labels.ndim != 1 or labels.shape != scores.shape:
        raise ValueError(f"labels {labels.shape} and scores {scores.shape} are not both (N,)")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("labels hold something else than 0 (normal) and 1 (anomalous)")
    if not np.isfinite(scores).all():
        raise ValueError("scores hold NaN or infinite values")
    return labels.astype(bool), scores


def _check_pixels(maps: ArrayLike, masks: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    maps, masks = np.asarray(maps), np.asarray(masks)
    if maps.ndim != 3 or maps.shape != masks.shape:
        raise ValueError(f"maps {maps.shape} and masks {masks.shape} are not both (N, H, W)")
    if masks.dtype != bool:
        raise ValueError(f"masks are {masks.dtype}, not bool")
    if not np.isfinite(maps).all():
        raise ValueError("maps hold NaN or infinite values")
    return maps, masks


def _curve(curve: Callable[..., Curve], labels: ArrayLike, scores: ArrayLike) -> Curve:
    anomalous, scores = _check_images(labels, scores)
    if anomalous.all() or not anomalous.any():
        return np.empty(0), np.empty(0), np.empty(0)
    return curve(anomalous, scores)


def _pro_curve(
    tally: _Tally, masks: NDArray[np.bool_], limit: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
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


def _region_sizes(masks: NDArray[np.bool_]) -> Counts:
    """Return how many pixels the region of each defect pixel has, (P,)."""
    from scipy.ndimage import label

    within_an_image = np.zeros((3, 3, 3), bool)
    within_an_image[1] = True
    masks = masks[masks.any(axis=(1, 2))]
    regions, _ = label(masks, within_an_image)
    region = regions[masks]
    return np.bincount(region)[region]
