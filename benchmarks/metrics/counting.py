"""Counts how many scores lie above each threshold, compiled: only thresholds are sorted."""

from __future__ import annotations

from typing import Any

import numpy as np

from methods.components.compiled import compiled

INTERVALS = 1 << 16
"""Equal intervals between the outermost thresholds, each of which knows its first threshold."""

Array = np.ndarray[Any, Any]


@compiled()
def _interval(score: Any, lowest: Any, scale: float) -> Any:
    """Return a score's interval; rounding is the same for thresholds and scores, so order stays."""
    place = (np.float64(score) - np.float64(lowest)) * scale
    return np.int64(place) if place < INTERVALS else INTERVALS - 1


@compiled()
def first_thresholds(thresholds: Array, scale: float) -> Array:
    """Return the number of the first threshold in or beyond each interval, (INTERVALS + 1,).

    Args:
        thresholds: (D,) distinct, ascending.
        scale: intervals to a unit of score.
    """
    first = np.full(INTERVALS + 1, len(thresholds), np.int32)
    for number in range(len(thresholds) - 1, -1, -1):
        first[_interval(thresholds[number], thresholds[0], scale)] = number
    for interval in range(INTERVALS - 1, -1, -1):
        first[interval] = min(first[interval], first[interval + 1])
    return first


@compiled()
def count(
    scores: Array, left_out: Array, thresholds: Array, first: Array, scale: float
) -> tuple[Array, Array]:
    """Return how many scores lie between thresholds, and at them.

    Args:
        scores: (N,).
        left_out: (N,) which of them are not counted.
        thresholds: (D,) distinct, ascending.
        first: from `first_thresholds`.
        scale: as there.

    Returns:
        above: (D,) scores above each threshold and below the next one.
        tied: (D,) scores equal to each threshold.
    """
    between = np.zeros(len(thresholds) + 1, np.int64)
    tied = np.zeros(len(thresholds), np.int64)
    for i in range(len(scores)):
        score = scores[i]
        if left_out[i] or score < thresholds[0]:
            continue
        interval = _interval(score, thresholds[0], scale)
        low, high = first[interval], first[interval + 1]
        while low < high:  # the first threshold at or above the score
            middle = (low + high) >> 1
            if thresholds[middle] < score:
                low = middle + 1
            else:
                high = middle
        if low < len(thresholds) and thresholds[low] == score:
            tied[low] += 1
        else:
            between[low] += 1
    return between[1:], tied
