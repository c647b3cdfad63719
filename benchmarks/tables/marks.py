"""Which entries of a table share its mark: the best, and what a test can't tell from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from benchmarks.results import ResultSet
from benchmarks.results.metrics_csv import MEAN
from benchmarks.results.pairs import corrected, table_pairs
from benchmarks.results.table import Table
from benchmarks.statistics.pairs import LEVEL, Pair


@dataclass(frozen=True)
class Marks:
    """What tests say of a table.

    Attributes:
        rows: row → the methods that share its mark; rows that no test judged are absent.
        tests: how many pairs of methods were compared in all rows, for which Holm corrects.
    """

    rows: Mapping[str, frozenset[str]] = field(default_factory=dict)
    tests: int = 0


MOST_TESTED = 30
"""Methods of which every pair is tested; corrected for more, few differences would be left."""

_IMAGES, _CATEGORIES = "paired test over images", "Wilcoxon over categories"


def tested_marks(results: ResultSet, table: Table) -> Marks:
    """Return the rows that a test can judge.

    Categories: the image AUROC, by paired tests of the image scores, where every method has one
    seed, saw the same images and stored its scores. The mean: every metric, by Wilcoxon's test over
    the categories, where there are enough.

    Raises:
        BenchmarkError: a score file is unreadable.
    """
    if len(results.methods) > MOST_TESTED:
        return Marks()
    rows = table_pairs(results, table)
    tested = {row for row, pairs in rows.items() if any(pair.holm is not None for pair in pairs)}
    categories = list(map(str, table.values.index[:-1]))
    scored = _scored(results, table) and not tested.isdisjoint(categories)
    judged = categories if scored else []
    if MEAN in tested and table.values.loc[MEAN].notna().any():
        judged = [*judged, MEAN]
    better = table.metric.higher_is_better
    marks = {row: _sharing(_row(table, row), rows.get(row, ()), better) for row in judged}
    return Marks(marks, sum(len(pairs) for row, pairs in rows.items() if corrected(row, pairs)))


def marks_note(marks: Marks, *, with_mean: bool = True) -> str:
    """Say in one sentence what a mark means, in a table with a row of means or without."""
    categories, mean = bool(marks.rows.keys() - {MEAN}), MEAN in marks.rows
    pairs = "the 1 pair" if marks.tests == 1 else f"all {marks.tests} pairs"
    family = f"Holm over {pairs} of the table, {LEVEL:.0%}"
    shared = f"the best and all not significantly worse ({{}}, {family})"
    if categories and mean:
        return f"Marked: {shared.format(f'{_IMAGES}; mean: {_CATEGORIES}')}."
    if categories:
        return f"Marked: {shared.format(_IMAGES)}{'; mean: best by value' * with_mean}."
    if mean:
        return f"Marked: best by value; mean: {shared.format(_CATEGORIES)}."
    return "Marked: best by value."


def _scored(results: ResultSet, table: Table) -> bool:
    """Return whether every value of a category is one seed's, with its scores stored."""
    return all(len(seeds) == 1 for seeds in results.methods.values()) and all(
        (category, method) in results.scores
        for category in map(str, table.values.index[:-1])
        for method in _row(table, category)
    )


def _row(table: Table, name: str) -> dict[str, float]:
    row = table.values.loc[name].dropna()
    return dict(zip(map(str, row.index), row.to_numpy(float), strict=True))


def _sharing(
    values: Mapping[str, float], pairs: Iterable[Pair], higher_is_better: bool
) -> frozenset[str]:
    """Return the best by value, and every method that is not significantly worse than it."""
    if not values:
        return frozenset()
    best = (max if higher_is_better else min)(values, key=values.__getitem__)
    worse = {pair.worse for pair in pairs if best in {pair.first, pair.second}}
    return frozenset(values).difference(worse - {best})
