"""Image-level metrics, exact."""

from __future__ import annotations

from collections.abc import Callable
from math import nan
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.array_types import Counts, Curve, Floats, Masks
from benchmarks.metrics.definitions import level_metrics, level_values
from benchmarks.metrics.resampled import count_images
from benchmarks.metrics.tally import Tally, WorkingPoint, make_tally, real_numbers


def image_metrics(labels: ArrayLike, scores: ArrayLike) -> dict[str, float]:
    """Return every image-level metric of METRICS, undefined (NaN) where one class is missing.

    Args:
        labels: (N,), 0 or False normal, 1 or True anomalous.
        scores: (N,), higher is more anomalous, on any scale.

    Raises:
        ValueError: shapes differ, a label is neither 0 nor 1, scores are no real numbers of at most
            64 bits, or NaN or infinite.
    """
    return level_values("image", _tally_images(labels, scores))


def resampled_image_metrics(
    labels: ArrayLike, scores: ArrayLike, drawn: Counts
) -> dict[str, Floats]:
    """Return every image-level metric that has an interval of each resample, (B,).

    Arguments and errors as `image_metrics`, of both classes some; and

    Args:
        drawn: how often each resample holds each image, (B, N), of both classes some.
    """
    counts = count_images(*_check_images(labels, scores), drawn)
    metrics = level_metrics("image")
    return {metric.name: metric.value(counts) for metric in metrics if metric.interval}


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the ROC curve, ties counted half; nan where one class is missing.

    Arguments and errors as `image_metrics`.
    """
    tally = _tally_images(labels, scores)
    return nan if tally is None else tally.auroc()


def full_recall(labels: ArrayLike, scores: ArrayLike) -> WorkingPoint | None:
    """Return the working point at the lowest anomalous score; None where one class is missing.

    It is the highest threshold that misses nothing; a normal image that ties with it is an error.
    Arguments and errors as `image_metrics`.
    """
    tally = _tally_images(labels, scores)
    return None if tally is None else tally.full_recall


def f1_optimal(labels: ArrayLike, scores: ArrayLike) -> WorkingPoint | None:
    """Return the working point of maximal F1; None where one class is missing.

    Candidates are the distinct scores; of several with exactly the same F1 it is the lowest, as in
    the official PatchCore code. Arguments and errors as `image_metrics`.
    """
    tally = _tally_images(labels, scores)
    return None if tally is None else tally.f1_optimal


def roc_curve(labels: ArrayLike, scores: ArrayLike) -> Curve:
    """Return false- and true-positive rates, ascending, both empty where one class is missing.

    scikit-learn's, which leaves vertices inside a straight piece out. Arguments and errors as
    `image_metrics`.
    """
    from sklearn.metrics import roc_curve as curve

    return _curve(curve, labels, scores)


def precision_recall_curve(labels: ArrayLike, scores: ArrayLike) -> Curve:
    """Return recalls, descending to 0, and precisions, both empty where one class is missing.

    scikit-learn's. Arguments and errors as `image_metrics`.
    """
    from sklearn.metrics import precision_recall_curve as curve

    precision, recall = _curve(curve, labels, scores)
    return recall, precision


def _curve(curve: Callable[..., Any], labels: ArrayLike, scores: ArrayLike) -> Curve:
    """Return the first two of what scikit-learn's curve gives, empty where a class is missing."""
    anomalous, scores = _check_images(labels, scores)
    if anomalous.all() or not anomalous.any():
        return np.empty(0), np.empty(0)
    first, second, _ = curve(anomalous, scores)
    return first, second


def _tally_images(labels: ArrayLike, scores: ArrayLike) -> Tally | None:
    return make_tally(*_check_images(labels, scores)[::-1])


def _check_images(labels: ArrayLike, scores: ArrayLike) -> tuple[Masks, Floats]:
    labels, scores = np.asarray(labels), real_numbers(scores, "scores")
    if labels.ndim != 1 or labels.shape != scores.shape:
        raise ValueError(f"labels {labels.shape} and scores {scores.shape} are not both (N,)")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("labels hold something else than 0 (normal) and 1 (anomalous)")
    return labels.astype(bool), scores
