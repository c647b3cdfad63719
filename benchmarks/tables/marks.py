"""Which entries of a table share its mark: the best, and what a test can't tell from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.errors import BenchmarkError
from benchmarks.results import ResultSet
from benchmarks.results.cell import AGAIN
from benchmarks.results.metrics_csv import MEAN
from benchmarks.results.result_set import Files, Table
from benchmarks.results.scores import read_scores
from benchmarks.statistics.paired import compare_images
from benchmarks.statistics.pairs import LEVEL, Pair, correct_table
from benchmarks.statistics.ranks import compare_categories


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
    return Marks(marks, sum(len(pairs) for row, pairs in rows.items() if _corrected(row, pairs)))


def table_pairs(results: ResultSet, table: Table) -> dict[str, tuple[Pair, ...]]:
    """Return row → its pairs of methods, corrected over all rows by Holm's method.

    Within categories there are pairs of the image AUROC, of each method's first seed, where the
    methods saw the same images. Those of the mean count only where there are enough categories.

    Raises:
        BenchmarkError: a score file is unreadable.
    """
    rows: dict[str, tuple[Pair, ...]] = {}
    if table.metric.name == "image_auroc" and results.same_images:
        for category in results.categories:
            methods = [method for method in results.methods if (category, method) in results.scores]
            rows[category] = category_pairs(results.scores, category, methods)
    rows[MEAN] = compare_categories(table.complete_values(), table.metric.higher_is_better)
    family = {row: pairs for row, pairs in rows.items() if _corrected(row, pairs)}
    return {MEAN: rows[MEAN], **correct_table(family)}


def marks_note(marks: Marks) -> str:
    """Say in one sentence what a mark means."""
    categories, mean = bool(marks.rows.keys() - {MEAN}), MEAN in marks.rows
    pairs = "the 1 pair" if marks.tests == 1 else f"all {marks.tests} pairs"
    family = f"Holm over {pairs} of the table, {LEVEL:.0%}"
    shared = f"the best and all not significantly worse ({{}}, {family})"
    if categories and mean:
        return f"Marked: {shared.format(f'{_IMAGES}; mean: {_CATEGORIES}')}."
    if categories:
        return f"Marked: {shared.format(_IMAGES)}; mean: best by value."
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


def category_pairs(files: Files, category: str, methods: Iterable[str]) -> tuple[Pair, ...]:
    """Compare methods pairwise by image AUROC in one category, not corrected; empty if a
    class is missing.

    Args:
        files: (category, method) → scores, as `ResultSet.scores` has them.
        category: where they are compared.
        methods: which of those that have a file.

    Raises:
        BenchmarkError: a file is unreadable, or two hold different images.
    """
    stored = {method: read_scores(files[category, method]) for method in methods}
    every = [labels for labels, _ in stored.values()]
    if any(labels.tolist() != every[0].tolist() for labels in every):
        raise BenchmarkError(
            f"the scores of {category} are of different images ({', '.join(stored)}); {AGAIN}"
        )
    if len(stored) < 2 or len({*every[0].tolist()}) < 2:
        return ()
    return compare_images(every[0], {method: scores for method, (_, scores) in stored.items()})


def _corrected(row: str, pairs: Sequence[Pair]) -> bool:
    """Return whether a row's pairs are among those that are corrected for.

    Whether there are enough categories for the mean was known before any score.
    """
    return bool(pairs) and (row != MEAN or any(pair.p_value is not None for pair in pairs))


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
