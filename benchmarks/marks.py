"""What paired tests say of a comparison: which entries share a table's mark, and every pair."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.comparison import MEAN, Comparison, Files, Table, stored_files
from benchmarks.errors import BenchmarkError
from benchmarks.figures import read_scores
from benchmarks.metrics import METRICS
from benchmarks.significance import (
    LEVEL,
    Pair,
    compare_categories,
    compare_images,
    complete_values,
)

if TYPE_CHECKING:
    import pandas as pd

Marks = Mapping[str, frozenset[str]]
"""Row of a table → the methods that share its mark; rows that no test judged are absent."""

_SHARED = f"the best and all not significantly worse ({{}}, Holm, {LEVEL:.0%})"
_IMAGES, _CATEGORIES = "paired DeLong over images", "Wilcoxon over categories"


def tested_marks(run: Path, comparison: Comparison, table: Table) -> Marks:
    """Return the rows that a test can judge.

    Categories: the image AUROC, by paired DeLong tests of the image scores, where every method has
    one seed, saw the same images and stored its scores. The mean: every metric, by Wilcoxon's test
    over the categories, where there are enough.

    Raises:
        BenchmarkError: a score file is unreadable.
    """
    marks: dict[str, frozenset[str]] = {}
    if len(comparison.methods) < 2:
        return marks
    one_seed = all(len(seeds) == 1 for seeds in comparison.methods.values())
    if table.metric.name == "image_auroc" and one_seed and same_images(comparison):
        marks |= _category_marks(stored_files(run, comparison, "scores"), table)
    pairs = compare_categories(complete_values(table), table.metric.higher_is_better)
    if _tested(pairs) and table.values.loc[MEAN].notna().any():
        marks[MEAN] = _sharing(_row(table, MEAN), pairs, table.metric.higher_is_better)
    return marks


def same_images(comparison: Comparison) -> bool:
    """Whether the methods of every category saw the same data, so that they can be paired."""
    seen = comparison.rows.groupby("category")["dataset_fingerprint"].nunique()
    return bool((seen == 1).all())


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
    """Return the pairs of `methods` by their AUROC on one category's images, none of one class.

    Args:
        files: (category, method) → scores, as `benchmarks.comparison.stored_files` returns.
        category: where they are compared.
        methods: which of those that have a file.

    Raises:
        BenchmarkError: a file is unreadable, or two hold different images.
    """
    stored = {method: read_scores(files[category, method]) for method in methods}
    every = [labels for labels, _ in stored.values()]
    if any(labels.tolist() != every[0].tolist() for labels in every):
        raise BenchmarkError(
            f"the scores of {category} are of different images ({', '.join(stored)}); run these "
            "cells again on the same data"
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


def all_pairs(run: Path, comparison: Comparison) -> pd.DataFrame:
    """Return the pairs of methods, long: every metric over categories, the AUROC within each.

    Columns: metric, test, category ("all" for a test over them), the fields of `Pair`, significant.

    Raises:
        BenchmarkError: a score file is unreadable.
    """
    import pandas as pd

    families = []
    for metric in filter(comparison.has, METRICS):
        values = complete_values(comparison.table(metric))
        found = compare_categories(values, METRICS[metric].higher_is_better)
        families.append(((metric, "wilcoxon", "all"), found))
    files = stored_files(run, comparison, "scores")
    for category in comparison.categories if same_images(comparison) else ():
        methods = [method for method in comparison.methods if (category, method) in files]
        found = category_pairs(files, category, methods)
        families.append((("image_auroc", "delong", category), found))
    records = [
        (*family, *astuple(pair), pair.significant) for family, found in families for pair in found
    ]
    names = (field.name for field in fields(Pair))
    return pd.DataFrame(records, columns=["metric", "test", "category", *names, "significant"])


def pairs_markdown(comparison: Comparison, frame: pd.DataFrame, metric: str) -> str:
    """Return one metric's pairs of methods as Markdown, over categories and within them."""
    import pandas as pd
    from tabulate import tabulate

    scale = 100 if METRICS[metric].unit == "fraction" else 1
    rows = []
    row: Any
    for row in frame[frame["metric"] == metric].itertuples():
        known = not pd.isna(row.holm)
        p_values = (f"{row.p_value:.2g}", f"{row.holm:.2g}") if known else ("–", "–")
        verdict = ("yes" if row.significant else "no") if known else "can't tell"
        rows.append([row.category, row.first, row.second, f"{scale * row.difference:+.1f}"])
        rows[-1] += [f"{row.effect:+.2f}", *p_values, verdict]
    header = ["category", "first", "second", "difference", "effect", "p", "Holm p", "differ"]
    unit = "%" if scale == 100 else "images"
    subject = f"{METRICS[metric].label} in {unit}: pairs of methods, first − second,"
    explanation = (
        "all: median difference over categories, rank-biserial correlation, Wilcoxon's test (can't "
        "tell: too few categories for so many methods); within a category: paired DeLong test of "
        "the first seed. A positive effect speaks for the first."
    )
    table = tabulate(rows, headers=header, tablefmt="pipe", disable_numparse=True)
    return f"{comparison.caption(subject)} {explanation}\n\n{table}\n"
