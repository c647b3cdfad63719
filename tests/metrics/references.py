"""The definition of every metric, written out naively in exact arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import pairwise
from math import log, nan
from typing import Any

import numpy as np
from scipy.ndimage import label

from benchmarks.metrics import pimo

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


def false_positive_rate(labels: Any, scores: Any, recall: Fraction) -> Fraction:
    """The rate at the highest threshold whose recall reaches that one."""
    for threshold in sorted(set(scores), reverse=True):
        tp, fp, fn = confusion(labels, scores, threshold)
        if Fraction(tp, tp + fn) >= recall:
            return Fraction(fp, labels.count(0))
    raise AssertionError("the lowest threshold finds all")


def pimo_points(
    maps: Maps, masks: Maps, nominal: Any, ignored: Maps
) -> list[tuple[float, list[float]]]:
    """Every distinct score is a threshold: shared FPR and each marked image's TPR, from (0, 0)."""
    marked = [i for i, mask in enumerate(masks) if mask.any()]
    points = [(0.0, [0.0] * len(marked))]
    for threshold in sorted(set(maps[~ignored].tolist()), reverse=True):
        called = maps >= threshold
        rates = [float(called[i][~ignored[i]].mean()) for i in np.flatnonzero(nominal)]
        points.append((float(np.mean(rates)), [float(called[i][masks[i]].mean()) for i in marked]))
    return points


def aupimo(
    maps: Maps, masks: Maps, nominal: Any = None, ignored: Any = None, rates: Any = None
) -> float:
    """Each image's largest TPR of thresholds whose shared FPR is at most x, integrated over ln x.

    The steps are taken at each FPR that occurs; nan where no image is nominal, or none of their
    pixels could be above the lowest rate without exceeding it.
    """
    nominal = ~masks.any(axis=(1, 2)) if nominal is None else nominal
    ignored = np.zeros_like(masks) if ignored is None else ignored
    low, high = pimo.RATES if rates is None else rates
    if (~ignored[nominal]).sum() < 1 / low:
        return nan
    points = pimo_points(maps, masks, nominal, ignored)
    ends = sorted({low, high, *(fpr for fpr, _ in points if low < fpr < high)})
    total = 0.0
    for start, end in pairwise(ends):
        best = np.max([tpr for fpr, tpr in points if fpr <= start], axis=0)
        total += float(np.mean(best)) * log(end / start)
    return total / log(high / low)


def of_pixels(reference: Callable[[Any, Any], Fraction]) -> Callable[[Maps, Maps], Fraction]:
    """Return a reference of labels and scores, over all pixels of maps and masks."""
    return lambda maps, masks: reference(masks.ravel().tolist(), maps.ravel().tolist())


REFERENCES: Mapping[str, Callable[[Any, Any], Fraction | int | float]] = {
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
    "aupro_05": lambda maps, masks: aupro(maps, masks, Fraction(1, 20)),
    "aupimo": aupimo,
    "pixel_f1_max": of_pixels(lambda y, s: best_f1(y, s)[0]),
    "false_positive_rate_at_95_recall": lambda y, s: false_positive_rate(y, s, Fraction(95, 100)),
}
"""Metric → its value of labels and scores (lists), or of maps and masks (arrays)."""
