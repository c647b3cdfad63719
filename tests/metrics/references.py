"""The definition of every metric, written out naively in exact arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.ndimage import label

Maps = np.ndarray[Any, Any]


def auroc(labels: Any, scores: Any) -> Fraction:
    """The share of pairs in the right order, a tie being half a pair."""
    positives = [s for y, s in zip(labels, scores, strict=True) if y]
    negatives = [s for y, s in zip(labels, scores, strict=True) if not y]
    halves = sum((a > n) + (a >= n) for a in positives for n in negatives)
    return Fraction(halves, 2 * len(positives) * len(negatives))


def average_precision(labels: Any, scores: Any) -> Fraction:
    """The mean over positives of the precision at their own score."""
    total, positives = Fraction(0), [s for y, s in zip(labels, scores, strict=True) if y]
    for threshold in positives:
        tp, fp, _ = confusion(labels, scores, threshold)
        total += Fraction(tp, tp + fp)
    return total / len(positives)


def confusion(labels: Any, scores: Any, threshold: float) -> tuple[int, int, int]:
    """(tp, fp, fn) at score ≥ threshold, in plain loops."""
    pairs = list(zip(labels, scores, strict=True))
    tp = sum(1 for y, s in pairs if y and s >= threshold)
    fp = sum(1 for y, s in pairs if not y and s >= threshold)
    fn = sum(1 for y, s in pairs if y and s < threshold)
    return tp, fp, fn


def full_recall(labels: Any, scores: Any) -> tuple[int, float]:
    """(fp, threshold) at the highest threshold that misses nothing."""
    threshold = max(t for t in scores if confusion(labels, scores, t)[2] == 0)
    return confusion(labels, scores, threshold)[1], threshold


def best_f1(labels: Any, scores: Any) -> tuple[Fraction, float]:
    """(f1, threshold) over all distinct scores, the lowest threshold of equal F1."""
    best = (Fraction(-1), float("nan"))
    for threshold in sorted(set(scores)):
        tp, fp, fn = confusion(labels, scores, threshold)
        f1 = Fraction(2 * tp, 2 * tp + fp + fn)
        if f1 > best[0]:
            best = (f1, threshold)
    return best


def confusion_at_best_f1(labels: Any, scores: Any) -> tuple[int, int, int]:
    """(tp, fp, fn) there."""
    return confusion(labels, scores, best_f1(labels, scores)[1])


def pro_points(maps: Maps, masks: Maps) -> list[tuple[Fraction, Fraction]]:
    """Every distinct score is a threshold: (FPR, PRO) as fractions, starting at (0, 0)."""
    regions = []
    for i, mask in enumerate(masks):
        labelled, number = label(mask, np.ones((3, 3)))
        for region in range(1, number + 1):
            regions.append((i, labelled == region))
    points = [(Fraction(0), Fraction(0))]
    for threshold in sorted(set(maps.ravel().tolist()), reverse=True):
        called = maps >= threshold
        fpr = Fraction(int((called & ~masks).sum()), int((~masks).sum()))
        overlaps = [Fraction(int((called[i] & r).sum()), int(r.sum())) for i, r in regions]
        points.append((fpr, sum(overlaps, Fraction(0)) / len(regions)))
    return points


def aupro(maps: Maps, masks: Maps, limit: Fraction = Fraction(3, 10)) -> Fraction:
    """Trapezoids between the points, the one that crosses the limit cut by linear interpolation."""
    area = Fraction(0)
    points = pro_points(maps, masks)
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 >= limit or x0 == x1:
            continue
        end = min(x1, limit)
        y_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
        area += (end - x0) * (y0 + y_end) / 2
    return area / limit


def of_pixels(reference: Callable[[Any, Any], Fraction]) -> Callable[[Maps, Maps], Fraction]:
    """Return a reference of labels and scores, over all pixels of maps and masks."""
    return lambda maps, masks: reference(masks.ravel().tolist(), maps.ravel().tolist())


REFERENCES: Mapping[str, Callable[[Any, Any], Fraction | int]] = {
    "image_auroc": auroc,
    "image_ap": average_precision,
    "pixel_auroc": of_pixels(auroc),
    "pixel_ap": of_pixels(average_precision),
    "aupro_30": aupro,
    "error_at_full_recall": lambda y, s: Fraction(full_recall(y, s)[0], len(y)),
    "false_positives_at_full_recall": lambda y, s: full_recall(y, s)[0],
    "false_positive_rate_at_full_recall": lambda y, s: Fraction(full_recall(y, s)[0], y.count(0)),
    "error_at_f1_optimal": lambda y, s: Fraction(sum(confusion_at_best_f1(y, s)[1:]), len(y)),
    "false_positives_at_f1_optimal": lambda y, s: confusion_at_best_f1(y, s)[1],
    "false_negatives_at_f1_optimal": lambda y, s: confusion_at_best_f1(y, s)[2],
    "f1_max": lambda y, s: best_f1(y, s)[0],
}
"""Metric → its value of labels and scores (lists), or of maps and masks (arrays)."""
