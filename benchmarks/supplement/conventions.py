"""What each choice in which tools differ changes, measured against one base."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.array_types import Floats, Masks
from benchmarks.metrics.definitions import MAIN, METRICS, PRO_LIMIT
from benchmarks.results.maps import read_maps
from benchmarks.supplement.evaluated_trials import EvaluatedTrials, complete_mean
from benchmarks.supplement.trials import BASE_METHOD, Trial, difference_trials
from benchmarks.tables.comparison import ComparedValue, comparison_table
from benchmarks.tables.rendering import TextTable

CONVENTIONS = {
    "AUPRO from 100 thresholds": (100, True),
    "AUPRO from 200 thresholds, divided by the last rate below 0.3": (200, False),
}
"""Other ways to take the same area: the number of equispaced thresholds, and whether the curve is
interpolated at 0.3, or else ends at the last threshold before and is divided by its rate."""


def differences(evaluated: EvaluatedTrials) -> list[TextTable]:
    """Return one table: choices × metrics, each value and how far it is from the base's.

    AUPRO is also taken in other ways, from the base's maps.

    Raises:
        BenchmarkError: the maps can't be read.
    """
    trials = difference_trials(evaluated.settings)
    base = next(iter(trials))
    areas = {name: _areas(evaluated, trials[base], name) for name in evaluated.categories}

    def known(choice: str, label: str, metric: str) -> float | None:
        if choice in trials:
            return evaluated.value(trials[choice], label, metric)
        ways = [areas[name] for name in evaluated.members(label)]
        return complete_mean(of.get((choice, metric)) for of in ways)

    def row(choice: str, label: str) -> list[ComparedValue]:
        shown = []
        for metric in MAIN:
            ours, reference = known(choice, label, metric), known(base, label, metric)
            change = None
            if ours is not None and reference is not None and choice != base:
                change = 100 * (ours - reference)
            shown += [ComparedValue(None if ours is None else 100 * ours), ComparedValue(change)]
        return shown

    title = f"What each choice changes, in percentage points, against {BASE_METHOD}"
    columns = [text for metric in MAIN for text in (METRICS[metric].label, "change")]
    groups = [
        [((label, choice), row(choice, label)) for choice in (*trials, *CONVENTIONS)]
        for label in (*evaluated.mean, *evaluated.categories)
    ]
    text = evaluated.caption(title)
    return [comparison_table("differences", text, ("category", "choice"), columns, groups)]


def _areas(
    evaluated: EvaluatedTrials, trial: Trial, category: str
) -> Mapping[tuple[str, str], float]:
    """Return (convention, metric) → AUPRO taken so from a trial's maps; empty without maps."""
    cell = evaluated.stored(trial).get(category)
    if cell is None or cell.maps is None:
        return {}
    stored = read_maps(evaluated.run / cell.maps)
    return {
        (name, "aupro_30"): approximate_aupro(stored.maps, stored.masks, count, interpolated=exact)
        for name, (count, exact) in CONVENTIONS.items()
    }


def approximate_aupro(maps: Floats, masks: Masks, thresholds: int, *, interpolated: bool) -> float:
    """Return the area under the PRO curve as tools take it that look at a few thresholds only.

    Args:
        maps: (N, H, W).
        masks: (N, H, W), true on defects; regions are 8-connected.
        thresholds: how many, equispaced from the greatest score to the least.
        interpolated: whether the curve is cut exactly at a false-positive rate of 0.3 and divided
            by 0.3, as it should be; else it ends at the last rate below 0.3, and is divided by it.
    """
    from scipy.ndimage import label

    levels = np.linspace(maps.max(), maps.min(), thresholds)
    overlaps = []
    for scores, mask in zip(maps, masks, strict=True):
        regions, count = label(mask, np.ones((3, 3)))
        overlaps += [_share_above(scores[regions == n], levels) for n in range(1, count + 1)]
    rates, overlap = _share_above(maps[~masks], levels), np.mean(overlaps, axis=0)
    inside = rates < PRO_LIMIT
    if interpolated:
        rates_to_limit = np.append(rates[inside], PRO_LIMIT)
        overlap_to_limit = np.append(overlap[inside], np.interp(PRO_LIMIT, rates, overlap))
        return float(np.trapezoid(overlap_to_limit, rates_to_limit) / PRO_LIMIT)
    return float(np.trapezoid(overlap[inside], rates[inside]) / rates[inside].max())


def _share_above(scores: Floats, levels: Floats) -> Floats:
    """Return the share of scores at or above each level, (thresholds,)."""
    below = np.searchsorted(np.sort(scores), levels, side="left")
    return 1 - below / len(scores)
