"""Pairs of a run's methods as Markdown."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from benchmarks.metrics.calibrated import KNOWN
from benchmarks.results import ResultSet
from benchmarks.results.pairs import TESTS, WITHIN
from benchmarks.tables.rendering import captioned_table

if TYPE_CHECKING:
    import pandas as pd


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
    scale = 100 if KNOWN[metric].unit == "fraction" else 1
    rows = []
    row: Any
    for row in pairs[pairs["test"].isin(tests)].itertuples():
        p_values = ["–" if pd.isna(p) else f"{p:.2g}" for p in (row.p_value, row.holm)]
        rows.append([row.category, row.first, row.second, f"{scale * row.difference:+.1f}"])
        rows[-1] += [f"{row.effect:+.2f}", *p_values, row.differ]
    header = ["category", "first", "second", "difference", "effect", "p", "Holm p", "differ"]
    unit = "%" if scale == 100 else "images"
    subject = f"{KNOWN[metric].label} in {unit}: pairs of methods, first − second,"
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
