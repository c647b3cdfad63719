"""What every table says of its intervals: how often they were seen to cover, and what they hold."""

from __future__ import annotations

from benchmarks.metrics.calibrated import CALIBRATED
from benchmarks.metrics.definitions import METRICS

SIGNIFICANTLY_LOW = 89
"""Coverage below this, in per cent, is significantly under 95: the least to expect of 80 cases."""

HELD = (
    "The interval holds the anomalous images: it is exact for the threshold that they gave. Over "
    "others it is too low at its upper end, and covered as little as {}% in simulations."
)

GIVEN = (
    "The interval is exact for these thresholds (Clopper & Pearson): other held-out images would "
    "set others. Over several seeds, which share the test images, there is none."
)


def caveat(metric: str) -> str:
    """Return what to know of a metric's intervals, a sentence or two; see docs/uncertainty.md."""
    if metric in CALIBRATED:
        return GIVEN
    coverage = METRICS[metric].coverage
    if coverage is None:
        return "How often these intervals cover was not measured."
    if METRICS[metric].interval == "binomial":
        return HELD.format(coverage)
    warning = ", LESS THAN THEY SAY" if coverage < SIGNIFICANTLY_LOW else ""
    return f"In simulations these intervals covered at least {coverage}%{warning}."
