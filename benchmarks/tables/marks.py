"""Which entries of a table share its mark: the best, and what a test can't tell from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.errors import BenchmarkError
from benchmarks.results import ResultSet, read_scores
from benchmarks.results.cell import AGAIN
from benchmarks.results.metrics_csv import MEAN
from benchmarks.results.result_set import Files, Table
from benchmarks.statistics import Pair, compare_categories, compare_images
from benchmarks.statistics.pairs import LEVEL

Marks = Mapping[str, frozenset[str]]
"""Row of a table → the methods that share its mark; rows that no test judged are absent."""

_SHARED = f"the best and all not significantly worse ({{}}, Holm, {LEVEL:.0%})"

_IMAGES, _CATEGORIES = "paired DeLong over images", "Wilcoxon over categories"


def tested_marks(results: ResultSet, table: Table) -> Marks:
    """Return the rows that a test can judge.

    Categories: the image AUROC, by paired DeLong tests of the image scores, where every method has
    one seed, saw the same images and stored its scores. The mean: every metric, by Wilcoxon's test
    over the categories, where there are enough.

    Raises:
        BenchmarkError: a score file is unreadable.
    """
    marks: dict[str, frozenset[str]] = {}
    if len(results.methods) < 2:
        return marks
    one_seed = all(len(seeds) == 1 for seeds in results.methods.values())
    if table.metric.name == "image_auroc" and one_seed and results.same_images:
        marks |= _category_marks(results.scores, table)
    pairs = compare_categories(table.complete_values(), table.metric.higher_is_better)
    if _tested(pairs) and table.values.loc[MEAN].notna().any():
        marks[MEAN] = _sharing(_row(table, MEAN), pairs, table.metric.higher_is_better)
    return marks


def note(marks: Marks) -> str:
    """Say in one sentence what a mark means."""
    categories, mean = bool(marks.keys() - {MEAN}), MEAN in marks
    if categories and mean:
        return f"Marked: {_SHARED.format(f'{_IMAGES}; mean: {_CATEGORIES}')}."
    if categories:
        return f"Marked: {_SHARED.format(_IMAGES)}; mean: best by value."
    if mean:
        return f"Marked: best by value; mean: {_SHARED.format(_CATEGORIES)}."
    return "Marked: best by value."


def _category_marks(files: Files, table: Table) -> Marks:
    """Return the marks of all categories, of none where one can't be tested."""
    marks = {}
    for category in map(str, table.values.index[:-1]):
        values = _row(table, category)
        if not all((category, method) in files for method in values):
            return {}
        pairs = category_pairs(files, category, list(values))
        if pairs and not _tested(pairs):
            return {}
        marks[category] = _sharing(values, pairs, table.metric.higher_is_better)
    return marks


def category_pairs(files: Files, category: str, methods: Iterable[str]) -> tuple[Pair, ...]:
    """Compare methods pairwise by image AUROC in one category; empty if a class is missing.

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


def _tested(pairs: Sequence[Pair]) -> bool:
    return bool(pairs) and all(pair.holm is not None for pair in pairs)


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
