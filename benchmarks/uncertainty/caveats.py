"""What every table says of its intervals: how often they were seen to cover, and what they hold."""

from __future__ import annotations

from benchmarks.metrics import METRICS

LEAST = {
    "image_auroc": 84,
    "image_ap": 85,
    "pixel_auroc": 100,
    "pixel_ap": 92,
    "aupro_30": 96,
    "error_at_full_recall": 4,
    "false_positives_at_full_recall": 4,
    "false_positive_rate_at_full_recall": 4,
    "error_at_f1_optimal": 95,
    "false_positives_at_f1_optimal": 93,
    "false_negatives_at_f1_optimal": 94,
    "f1_max": 95,
}
"""Metric → the least coverage that `tests.coverage` measured, in per cent.

Of metrics at 100 % recall over other anomalous images. A test compares docs/uncertainty.md.
"""

SHORT = 89
"""Less than this, in per cent, is no chance: the least of 80 cases of 200 rounds each at 95 %."""

HELD = (
    "The interval holds the anomalous images: it is exact for the threshold that they gave. Over "
    "others it is too low at its upper end, and covered as little as {}% in simulations."
)

COVERED = "In simulations these intervals covered at least {}%"


def caveat(metric: str) -> str:
    """Return what to know of a metric's intervals, a sentence or two; see docs/uncertainty.md."""
    if metric not in LEAST:
        return "How often these intervals cover was not measured."
    least = LEAST[metric]
    if METRICS[metric].extreme:
        return HELD.format(least)
    return f"{COVERED.format(least)}{', LESS THAN THEY SAY' if least < SHORT else ''}."
