"""Categories × methods, one table a metric, as Markdown, CSV, LaTeX and text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.files import atomic_file
from benchmarks.metrics import MAIN, METRICS
from benchmarks.results import ResultSet
from benchmarks.results.result_set import Table
from benchmarks.tables.latex import escape, latex_row
from benchmarks.tables.marks import Marks, note, tested_marks
from benchmarks.tables.rendering import best_places, captioned_table


@dataclass(frozen=True)
class _Shown:
    """One metric of a results, and the rows whose marks a test decided."""

    results: ResultSet
    table: Table
    marks: Marks

    def caption(self, fraction: str = "%", *, marked: bool = True) -> str:
        metric = self.table.metric
        unit = fraction if metric.unit == "fraction" else metric.unit
        direction = "higher" if metric.higher_is_better else "lower"
        caption = self.results.caption(f"{metric.label} in {unit} ({direction} is better)")
        several = len(self.results.methods) > 1
        return f"{caption} {note(self.marks)}" if marked and several else caption


@dataclass(frozen=True)
class _Entry:
    """A value as it is shown, and as a number, None where there is none."""

    text: str
    number: float | None = None


def _entry(value: float, deviation: float, failed: bool, unit: str, decimals: int) -> _Entry:
    if failed or math.isnan(value):
        return _Entry("failed" if failed else "–")
    scale = 100 if unit == "fraction" else 1
    if math.isnan(deviation):
        return _Entry(f"{scale * value:.{decimals}f}", round(scale * value, decimals))
    return _Entry(f"{scale * value:.1f} ± {scale * deviation:.1f}", round(scale * value, 1))


def _entries(table: Table) -> list[dict[str, _Entry]]:
    """Return each row, method → value as shown: per cent with one decimal, counts as integers."""
    unit = table.metric.unit
    parts = (part.to_numpy().tolist() for part in (table.values, table.deviations, table.failed))
    rows = []
    for row, of_row in enumerate(zip(*parts, strict=True), start=1):
        decimals = 0 if unit == "images" and row < len(table.values) else 1
        entries = [
            _entry(value, deviation, failed, unit, decimals)
            for value, deviation, failed in zip(*of_row, strict=True)
        ]
        rows.append(dict(zip(map(str, table.values), entries, strict=True)))
    return rows


def marked_methods(table: Table, marks: Marks) -> list[frozenset[str]]:
    """Return the methods that each row marks, the mean's last.

    They are those that a test names; where it judged none the best of those shown, if there are
    others, ties sharing the mark.

    Args:
        table: the values.
        marks: what a test judged, as `tested_marks` returns.
    """
    choose = max if table.metric.higher_is_better else min
    marked = []
    for name, entries in zip(table.values.index, _entries(table), strict=True):
        numbers = {m: entry.number for m, entry in entries.items() if entry.number is not None}
        by_value = best_places(numbers if len(entries) > 1 else {}, choose)
        marked.append(marks.rows.get(str(name), by_value))
    return marked


def _grid(
    shown: _Shown, mark: Callable[[str], str], escape: Callable[[str], str] = str
) -> list[list[str]]:
    """Return the rows as shown, the category first."""
    table = shown.table
    marked = marked_methods(table, shown.marks)
    return [
        [
            escape(str(name)),
            *(
                mark(escape(entry.text)) if method in best else escape(entry.text)
                for method, entry in entries.items()
            ),
        ]
        for name, entries, best in zip(table.values.index, _entries(table), marked, strict=True)
    ]


def _tabulated(shown: _Shown, style: str, mark: str) -> str:
    headers = ["category", *shown.results.methods]
    rows = _grid(shown, mark.format)
    return captioned_table(shown.caption(), headers, rows, labels=1, style=style)


_markdown = partial(_tabulated, style="pipe", mark="**{}**")

_terminal = partial(_tabulated, style="simple", mark="*{}")


def _csv(shown: _Shown) -> str:
    """Return the unrounded values, below the caption as a comment."""
    table = shown.table
    frame = table.values.astype(object).mask(table.failed, "failed")
    for place, method in reversed(list(enumerate(table.values.columns, start=1))):
        if table.deviations[method].notna().any():
            frame.insert(place, f"{method} std", table.deviations[method])
    body = frame.to_csv(index_label="category", lineterminator="\n")
    return f"# {shown.caption('fractions', marked=False)}\n{body}"


def _latex(shown: _Shown) -> str:
    methods = shown.results.methods
    rows = [
        [escape(text) for text in ("category", *methods)],
        *_grid(shown, r"\textbf{{{}}}".format, escape),
    ]
    header, *categories, mean = map(latex_row, rows)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(shown.caption())}}}",
        rf"\begin{{tabular}}{{l{'r' * len(methods)}}}",
        *(r"\toprule", header, r"\midrule", *categories, r"\midrule", mean, r"\bottomrule"),
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _present(sets: Sequence[ResultSet], metric: str) -> list[_Shown]:
    """Return `metric` of every result set that has it."""
    tables = [(one, one.table(metric)) for one in sets if one.has(metric)]
    return [_Shown(one, table, tested_marks(one, table)) for one, table in tables]


def write_tables(sets: Sequence[ResultSet]) -> list[Path]:
    """Write tables/<metric>.md, .csv and .tex for every metric present; return their paths.

    Args:
        sets: a run's result sets.

    Raises:
        BenchmarkError: a score file is unreadable.
        StorageError: the tables can't be written.
    """
    paths = []
    for metric in METRICS:
        present = _present(sets, metric)
        for suffix, render in (("md", _markdown), ("csv", _csv), ("tex", _latex)):
            if present:
                path = sets[0].run / "tables" / f"{metric}.{suffix}"
                text = "\n".join(map(render, present))
                with atomic_file(path) as file:
                    file.write(text.encode())
                paths.append(path)
    return paths


def terminal_tables(sets: Sequence[ResultSet]) -> str:
    """Return a run's main tables as text, the best of each row marked *; raises as `write_tables`.

    Args:
        sets: a run's result sets.
    """
    return "\n".join(_terminal(shown) for metric in MAIN for shown in _present(sets, metric))
