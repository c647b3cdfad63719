"""All pairs of a run's methods, tested over categories and within them."""

from __future__ import annotations

from dataclasses import astuple, fields
from typing import TYPE_CHECKING, Any

from benchmarks.metrics import METRICS
from benchmarks.results import ResultSet
from benchmarks.statistics import Pair, compare_categories
from benchmarks.tables.marks import category_pairs
from benchmarks.tables.rendering import captioned_table

if TYPE_CHECKING:
    import pandas as pd


def all_pairs(results: ResultSet) -> pd.DataFrame:
    """Return the pairs of methods, long: every metric over categories, the AUROC within each.

    Columns: metric, test, category ("all" for a test over them), the fields of `Pair`, significant.

    Raises:
        BenchmarkError: a score file is unreadable.
    """
    import pandas as pd

    families = []
    for metric in filter(results.has, METRICS):
        values = results.table(metric).complete_values()
        found = compare_categories(values, METRICS[metric].higher_is_better)
        families.append(((metric, "wilcoxon", "all"), found))
    for category in results.categories if results.same_images else ():
        methods = [method for method in results.methods if (category, method) in results.scores]
        found = category_pairs(results.scores, category, methods)
        families.append((("image_auroc", "delong", category), found))
    records = [
        (*family, *astuple(pair), pair.significant) for family, found in families for pair in found
    ]
    names = (field.name for field in fields(Pair))
    return pd.DataFrame(records, columns=["metric", "test", "category", *names, "significant"])


def pairs_markdown(results: ResultSet, frame: pd.DataFrame, metric: str) -> str:
    """Return one metric's pairs of methods as Markdown, over categories and within them."""
    import pandas as pd

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
    return captioned_table(f"{results.caption(subject)} {explanation}", header, rows)
