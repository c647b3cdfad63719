"""Categories × methods, one table a metric, as Markdown, CSV, LaTeX and text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import markdown
from benchmarks.files import atomic_file
from benchmarks.metrics import MAIN, METRICS
from benchmarks.results import ResultSet
from benchmarks.results.result_set import Table
from benchmarks.tables.latex import escape
from benchmarks.tables.marks import Marks, note, tested_marks


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


def _text(value: float, deviation: float, failed: bool, unit: str, decimals: int) -> str:
    if failed or math.isnan(value):
        return "failed" if failed else "–"
    scale = 100 if unit == "fraction" else 1
    spread = "" if math.isnan(deviation) else f" ± {scale * deviation:.1f}"
    return f"{scale * value:.{1 if spread else decimals}f}{spread}"


def _texts(table: Table) -> list[dict[str, str]]:
    """Return each row, method → value as shown: per cent with one decimal, counts as integers."""
    unit = table.metric.unit
    parts = (part.to_numpy().tolist() for part in (table.values, table.deviations, table.failed))
    rows = []
    for row, entries in enumerate(zip(*parts, strict=True), start=1):
        decimals = 0 if unit == "images" and row < len(table.values) else 1
        texts = [
            _text(value, deviation, failed, unit, decimals)
            for value, deviation, failed in zip(*entries, strict=True)
        ]
        rows.append(dict(zip(map(str, table.values), texts, strict=True)))
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
    for name, texts in zip(table.values.index, _texts(table), strict=True):
        numbers = {
            method: float(text.split()[0])
            for method, text in texts.items()
            if text not in {"failed", "–"}
        }
        best = choose(numbers.values()) if numbers and len(texts) > 1 else None
        by_value = frozenset(method for method, number in numbers.items() if number == best)
        marked.append(marks.get(str(name), by_value))
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
                mark(escape(text)) if method in best else escape(text)
                for method, text in texts.items()
            ),
        ]
        for name, texts, best in zip(table.values.index, _texts(table), marked, strict=True)
    ]


def _markdown(shown: _Shown) -> str:
    headers = ["category", *shown.results.methods]
    align = ["left", *["right"] * (len(headers) - 1)]
    body = markdown.table(_grid(shown, "**{}**".format), headers, align)
    return f"{shown.caption()}\n\n{body}\n"


def _terminal(shown: _Shown) -> str:
    from tabulate import tabulate

    methods = shown.results.methods
    body = tabulate(
        _grid(shown, "*{}".format),
        headers=["category", *methods],
        tablefmt="simple",
        colalign=["left", *["right"] * len(methods)],
        disable_numparse=True,
    )
    return f"{shown.caption()}\n\n{body}\n"


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
    header, *categories, mean = (" & ".join(row) + r" \\" for row in rows)
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
