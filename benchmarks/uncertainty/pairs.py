"""All pairs of a run's methods, tested over categories and within them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import astuple, fields
from typing import TYPE_CHECKING, Any

from benchmarks.metrics.definitions import METRICS
from benchmarks.results import ResultSet
from benchmarks.results.metrics_csv import MEAN
from benchmarks.statistics.pairs import Pair
from benchmarks.tables.marks import table_pairs
from benchmarks.tables.rendering import captioned_table

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
        for metric in filter(results.has, METRICS)
        for row, pairs in table_pairs(results, results.table(metric)).items()
        for pair in pairs
    ]
    names = (field.name for field in fields(Pair))
    return pd.DataFrame(records, columns=["metric", "test", "category", *names, "differ"])


def pairs_markdown(
    results: ResultSet, frame: pd.DataFrame, metric: str, tests: Collection[str] = TESTS
) -> str:
    """Return one metric's pairs of methods as Markdown.

    Args:
        results: the cells.
        frame: of `all_pairs`.
        metric: which.
        tests: those that are shown; p values are corrected for all.
    """
    import pandas as pd

    pairs = frame[frame["metric"] == metric]
    scale = 100 if METRICS[metric].unit == "fraction" else 1
    rows = []
    row: Any
    for row in pairs[pairs["test"].isin(tests)].itertuples():
        p_values = ["–" if pd.isna(p) else f"{p:.2g}" for p in (row.p_value, row.holm)]
        rows.append([row.category, row.first, row.second, f"{scale * row.difference:+.1f}"])
        rows[-1] += [f"{row.effect:+.2f}", *p_values, row.differ]
    header = ["category", "first", "second", "difference", "effect", "p", "Holm p", "differ"]
    unit = "%" if scale == 100 else "images"
    subject = f"{METRICS[metric].label} in {unit}: pairs of methods, first − second,"
    explanation = (
        "all: median difference over categories, rank-biserial correlation, Wilcoxon's test; "
        "within a category: difference of the first seed's AUROCs, paired test. "
        f"{_family(pairs)} A positive effect speaks for the first."
    )
    return captioned_table(f"{results.caption(subject)} {explanation}", header, rows)


def _family(pairs: pd.DataFrame) -> str:
    """Say for how many pairs a metric's p values are corrected, and why some have none."""
    family = pairs[(pairs["test"] == WITHIN) | pairs["holm"].notna()]
    if family.empty:
        return "No verdict: too few categories for so many methods."
    tested = int(family["holm"].notna().sum())
    none = "too few categories, or a difference without variance over images"
    return (
        f"Holm corrects over all pairs of this metric, which are {len(family)}, {tested} of them "
        f"with a verdict (none: {none})."
    )
