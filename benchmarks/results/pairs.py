"""All pairs of a run's methods, tested over categories and within them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from itertools import combinations
from typing import TYPE_CHECKING

from benchmarks.errors import BenchmarkError
from benchmarks.metrics.calibrated import KNOWN
from benchmarks.results.cell import AGAIN
from benchmarks.results.metrics_csv import MEAN
from benchmarks.results.result_set import Files, ResultSet
from benchmarks.results.scores import read_image_scores
from benchmarks.results.table import Table
from benchmarks.statistics.paired import compare_images
from benchmarks.statistics.pairs import Pair, correct_table
from benchmarks.statistics.ranks import compare_categories

if TYPE_CHECKING:
    import pandas as pd


OVER, WITHIN = TESTS = ("wilcoxon", "paired")
"""The tests over categories, and within each."""


def all_pairs(results: ResultSet) -> pd.DataFrame:
    """Return the pairs of methods, long: every metric over categories, the AUROC within each.

    Columns: metric, test, category ("all" for a test over them), the fields of `Pair`, and
    "differ": yes, no or no verdict. Holm corrects over a metric's pairs.

    Raises:
        BenchmarkError: a score file is unreadable.
    """
    import pandas as pd

    records = [
        (metric, *((OVER, "all") if row == MEAN else (WITHIN, row)), *astuple(pair), pair.verdict)
        for metric in filter(results.has, KNOWN)
        for row, pairs in table_pairs(results, results.table(metric)).items()
        for pair in pairs
    ]
    names = (field.name for field in fields(Pair))
    return pd.DataFrame(records, columns=["metric", "test", "category", *names, "differ"])


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
            common = results.spec.reserve > 0
            rows[category] = category_pairs(results.scores, category, methods, common=common)
    rows[MEAN] = compare_categories(table.complete_values(), table.metric.higher_is_better)
    family = {row: pairs for row, pairs in rows.items() if corrected(row, pairs)}
    return {MEAN: rows[MEAN], **correct_table(family)}


def category_pairs(
    files: Files, category: str, methods: Iterable[str], *, common: bool = False
) -> tuple[Pair, ...]:
    """Compare methods pairwise by image AUROC in one category, not corrected; empty if a
    class is missing.

    Args:
        files: (category, method) → scores, as `ResultSet.scores` has them.
        category: where they are compared.
        methods: which of those that have a file.
        common: whether two methods may have judged different images, as contamination leaves for
            each seed; they are compared over those that both did.

    Raises:
        BenchmarkError: a file is unreadable, or two hold different images that mayn't.
    """
    stored = {method: read_image_scores(files[category, method]) for method in methods}
    pairs: list[Pair] = []
    for names in combinations(stored, 2):
        first, second = (stored[name] for name in names)
        both = first.merge(second, on=["path", "label"])
        if not common and not len(first) == len(second) == len(both):
            raise BenchmarkError(
                f"the scores of {category} are of different images ({', '.join(names)}); {AGAIN}"
            )
        if both["label"].nunique() == 2:
            scores = (both[column].to_numpy() for column in ("score_x", "score_y"))
            labels = both["label"].to_numpy()
            pairs += compare_images(labels, dict(zip(names, scores, strict=True)))
    return tuple(pairs)


def corrected(row: str, pairs: Sequence[Pair]) -> bool:
    """Return whether a row's pairs are among those that are corrected for.

    Whether there are enough categories for the mean was known before any score.
    """
    return bool(pairs) and (row != MEAN or any(pair.p_value is not None for pair in pairs))
