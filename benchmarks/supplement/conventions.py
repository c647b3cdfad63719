"""What each choice in which tools differ changes, measured against one base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.metrics import MAIN, METRICS, PRO_LIMIT
from benchmarks.results.maps import read_maps
from benchmarks.results.metrics_csv import MEAN
from benchmarks.supplement.material import Material
from benchmarks.supplement.trials import BASE_METHOD, difference_trials
from benchmarks.tables import Sheet
from benchmarks.tables.sheet import Row, Value

if TYPE_CHECKING:
    from benchmarks.array_types import Floats, Masks


CONVENTIONS = {
    "AUPRO from 100 thresholds": (100, True),
    "AUPRO from 200 thresholds, divided by the last rate below 0.3": (200, False),
}
"""Other ways to take the same area: the number of equispaced thresholds, and whether the curve is
interpolated at 0.3, or else ends at the last threshold before and is divided by its rate."""

Values = Mapping[str, Mapping[str, float | None]]
"""Choice → metric → value of one category."""


def differences(material: Material) -> list[Sheet]:
    """Return one sheet: choices × metrics, each value and how far it is from the base's.

    AUPRO is also taken in other ways, from the base's maps.

    Raises:
        BenchmarkError: the maps can't be read.
    """
    found = {category: _values(material, category) for category in material.categories}
    if material.complete:
        found = {MEAN: _mean(list(found.values())), **found}
    title = f"What each choice changes, in percentage points, against {BASE_METHOD}"
    columns = tuple(text for metric in MAIN for text in (METRICS[metric].label, "change"))
    groups = tuple(
        tuple(_row(category, choice, values) for choice in values)
        for category, values in found.items()
    )
    line = material.caption(title)
    return [Sheet("differences", line, ("category", "choice"), columns, groups)]


def _values(material: Material, category: str) -> Values:
    trials = difference_trials(material.settings)
    found = {name: material.stored(trial).get(category) for name, trial in trials.items()}
    values: dict[str, Mapping[str, float | None]] = {
        name: cell.metrics if cell else {} for name, cell in found.items()
    }
    base = next(iter(found.values()))
    maps = base.maps if base else None
    for name, (thresholds, interpolated) in CONVENTIONS.items():
        values[name] = {}
        if maps is not None:
            stored = read_maps(material.run / maps)
            area = approximate_aupro(
                stored.maps, stored.masks, thresholds, interpolated=interpolated
            )
            values[name] = {"aupro_30": area}
    return values


def _mean(categories: Sequence[Values]) -> Values:
    """Return the means over all categories, None where one lacks a value."""

    def mean(choice: str, metric: str) -> float | None:
        values = [values[choice].get(metric) for values in categories]
        known = [value for value in values if value is not None]
        return fmean(known) if len(known) == len(values) else None

    return {choice: {metric: mean(choice, metric) for metric in MAIN} for choice in categories[0]}


def _row(category: str, choice: str, values: Values) -> Row:
    base = next(iter(values.values()))
    shown = []
    for metric in MAIN:
        ours, reference = values[choice].get(metric), base.get(metric)
        shown.append(Value(None if ours is None else 100 * ours))
        changes = values[choice] is not base and ours is not None and reference is not None
        shown.append(Value(100 * (ours - reference) if changes else None))  # type: ignore[operator]
    return Row((category, choice), tuple(shown))


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
    for one, mask in zip(maps, masks, strict=True):
        regions, count = label(mask, np.ones((3, 3)))
        overlaps += [_share_above(one[regions == region + 1], levels) for region in range(count)]
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
