"""Categories × methods, one table a metric, as Markdown, CSV, LaTeX and text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path

from benchmarks.files import write_file
from benchmarks.metrics.definitions import MAIN, METRICS
from benchmarks.results import ResultSet
from benchmarks.results.result_set import Table, distinctions
from benchmarks.tables.latex import latex
from benchmarks.tables.marks import Marks, marks_note, tested_marks
from benchmarks.tables.rendering import (
    Column,
    TextTable,
    Value,
    best_places,
    comma_separated,
    markdown,
    terminal,
    transposed,
)

MOST_COLUMNS = 12
"""Methods that people read side by side; of more than these, and than categories, each is a row."""


def _columns(table: Table, per_fraction: int = 100) -> list[Column]:
    """Return a column a method; counts in one category, over one seed, have no decimals.

    Args:
        table: the values.
        per_fraction: what a fraction of 1 is shown as.
    """
    scale = per_fraction if table.metric.unit == "fraction" else 1
    whole = table.metric.unit == "images"
    columns = []
    for method in table.values:
        parts = (frame[method].tolist() for frame in (table.values, table.deviations, table.failed))
        values = []
        for row, (number, deviation, failed) in enumerate(zip(*parts, strict=True)):
            if failed or isnan(number):
                values.append(Value("failed" if failed else None))
            elif isnan(deviation):
                decimals = 0 if whole and row < len(table.values) - 1 else 1
                values.append(Value(scale * number, decimals=decimals))
            else:
                values.append(Value(scale * number, scale * deviation))
        columns.append(Column(str(method), values))
    return columns


def marked_methods(table: Table, marks: Marks) -> list[frozenset[str]]:
    """Return the methods that each row marks, the mean's last.

    They are those that a test names; where it judged none the best of those shown, if there are
    others, ties sharing the mark.

    Args:
        table: the values.
        marks: what a test judged, as `tested_marks` returns.
    """
    choose = max if table.metric.higher_is_better else min
    columns = _columns(table)
    marked = []
    for row, name in enumerate(table.values.index):
        shown = {column.title: column.values[row].rounded for column in columns}
        numbers = {method: number for method, number in shown.items() if number is not None}
        by_value = best_places(numbers if len(columns) > 1 else {}, choose)
        marked.append(marks.rows.get(str(name), by_value))
    return marked


def _text_table(
    results: ResultSet,
    metric: str,
    *,
    exact: bool = False,
    settings: Mapping[str, str] | None = None,
) -> TextTable:
    """Return the table of a metric as it is shown, or on its own scale and without marks.

    Args:
        results: the cells.
        metric: the metric's name.
        exact: whether its values are on its own scale, and none is marked.
        settings: title → text of further labels, in front of every category's.
    """
    table = results.table(metric)
    kind, methods = table.metric, list(results.methods)
    unit = ("fractions" if exact else "%") if kind.unit == "fraction" else kind.unit
    direction = "higher" if kind.higher_is_better else "lower"
    subject = f"{kind.label} in {unit} ({direction} is better){results.unmarked(metric)}"
    caption = results.caption(subject)
    marked = [frozenset[int]()] * len(table.values)
    if not exact and len(methods) > 1:
        marks = tested_marks(results, table)
        caption = f"{caption} {marks_note(marks)}"
        marked = [frozenset(map(methods.index, row)) for row in marked_methods(table, marks)]
    settings = settings or {}
    *categories, mean = [(*settings.values(), str(name)) for name in table.values.index]
    columns = _columns(table, 1 if exact else 100)
    index, groups = (*settings, "category"), [categories, [mean]]
    shown = TextTable(caption, index, groups, columns, marked, metric)
    many = len(methods) > max(MOST_COLUMNS, len(categories))
    return shown if exact or not many else transposed(shown, "method")


def write_tables(sets: Sequence[ResultSet]) -> list[Path]:
    """Write tables/<metric>.md, .csv and .tex for every metric present; return their paths.

    Args:
        sets: a run's result sets.

    Raises:
        BenchmarkError: a score file is unreadable.
        StorageError: the tables can't be written.
    """
    paths = []
    for metric in filter(sets[0].has, METRICS):
        shown = [_text_table(results, metric) for results in sets]
        exact = [
            _text_table(results, metric, exact=True, settings=settings)
            for results, settings in zip(sets, distinctions(sets), strict=True)
        ]
        for suffix, text in (
            ("md", "\n".join(map(markdown, shown))),
            ("csv", comma_separated(*exact)),
            ("tex", "\n".join(map(latex, shown))),
        ):
            path = sets[0].run / "tables" / f"{metric}.{suffix}"
            write_file(path, text.encode())
            paths.append(path)
    return paths


def terminal_tables(sets: Sequence[ResultSet], metrics: Sequence[str] = ()) -> str:
    """Return a run's main tables as text, the best of each row marked *; raises as `write_tables`.

    Args:
        sets: a run's result sets.
        metrics: those of these metrics, whether or not any cell has them; none for the main ones.
    """
    return "\n".join(
        terminal(_text_table(results, metric))
        for metric in metrics or filter(sets[0].has, MAIN)
        for results in sets
    )
