"""What every table says of its intervals: how often they were seen to cover, and what they hold."""

from __future__ import annotations

from benchmarks.metrics import METRICS

LEAST: dict[str, int] = {}
"""Metric → the least coverage that `benchmarks.uncertainty.coverage` measured, in per cent.

Of metrics at 100 % recall over other anomalous images. A test compares docs/uncertainty.md.
"""

HELD = (
    "The interval holds the anomalous images: it is exact for the threshold that they gave. Over "
    "others it is too low at its upper end, and covered as little as {}% in simulations."
)

COVERED = "In simulations these intervals covered at least {}%"


def caveat(metric: str) -> str:
    """Return what to know of a metric's intervals, a sentence or two; see docs/uncertainty.md."""
    if METRICS[metric].extreme:
        return HELD.format(LEAST[metric])
    if metric not in LEAST:
        return "How often these intervals cover was not measured."
    least = LEAST[metric]
    return f"{COVERED.format(least)}{', LESS THAN THEY SAY' if least < 93 else ''}."
