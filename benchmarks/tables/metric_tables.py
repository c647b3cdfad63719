"""Categories × methods, one table a metric, as Markdown, CSV, LaTeX and text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path

from benchmarks.files import write_file
from benchmarks.metrics import calibrated
from benchmarks.metrics.definitions import MAIN, METRICS, Metric
from benchmarks.results import ResultSet
from benchmarks.results.captions import noted_once
from benchmarks.results.result_set import Place, distinctions
from benchmarks.results.table import Table
from benchmarks.tables import rendering
from benchmarks.tables.conditions import write_conditions
from benchmarks.tables.latex import latex
from benchmarks.tables.marks import Marks, marks_note, tested_marks
from benchmarks.tables.rendering import Column, TextTable, Value, best_places
from benchmarks.tables.thresholds import write_thresholds

MOST_COLUMNS = 12
"""Methods that people read side by side; of more than these, and than categories, each is a row."""


def _columns(
    table: Table, per_fraction: int = 100, absent: Mapping[Place, str] | None = None
) -> list[Column]:
    """Return a column a method; counts in one category, over one seed, have no decimals.

    Args:
        table: the values.
        per_fraction: what a fraction of 1 is shown as.
        absent: (category, method) → a word in the place of a value that is undefined.
    """
    scale = per_fraction if table.metric.unit == "fraction" else 1
    whole = table.metric.unit == "images"
    columns = []
    for method in table.values:
        frames = table.values, table.deviations, table.failed, table.lows, table.highs
        parts = (frame[method].tolist() for frame in frames)
        values = []
        for row, (number, deviation, failed, *span) in enumerate(zip(*parts, strict=True)):
            word = (absent or {}).get((str(table.values.index[row]), str(method)))
            if failed or isnan(number):
                values.append(Value("failed" if failed else word))
            elif isnan(deviation):
                decimals = 0 if whole and row < len(table.values) - 1 else 1
                values.append(Value(scale * number, decimals=decimals))
            elif table.metric.name in calibrated.CALIBRATED:
                values.append(Value(scale * number, span=(scale * span[0], scale * span[1])))
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
        by_value = best_places(shown if len(columns) > 1 else {}, choose)
        marked.append(marks.rows.get(str(name), by_value))
    return marked


def _text_table(
    results: ResultSet,
    metric: str,
    *,
    exact: bool = False,
    with_mean: bool = True,
    settings: Mapping[str, str] | None = None,
) -> TextTable:
    """Return the table of a metric as it is shown, or on its own scale and without marks.

    Args:
        results: the cells.
        metric: the metric's name.
        exact: whether its values are on its own scale, and none is marked.
        with_mean: whether the mean has a row.
        settings: title → text of further labels, in front of every category's.
    """
    table = results.table(metric)
    kind, methods = table.metric, list(results.methods)
    unit = ("fractions" if exact else "%") if kind.unit == "fraction" else kind.unit
    direction = "higher" if kind.higher_is_better else "lower"
    seeds = results.seeds("(lowest–highest)") if metric in calibrated.CALIBRATED else None
    subject = f"{kind.label} in {unit} ({direction} is better){results.note_on(metric)}"
    caption = results.caption(subject, seeds)
    marked = [frozenset[int]()] * len(table.values)
    if not exact and len(methods) > 1 and metric in METRICS:
        marks = tested_marks(results, table)
        caption = f"{caption} {marks_note(marks, with_mean=with_mean)}"
        marked = [frozenset(map(methods.index, row)) for row in marked_methods(table, marks)]
    settings = settings or {}
    *categories, mean = [(*settings.values(), str(name)) for name in table.values.index]
    columns = _columns(table, 1 if exact else 100, {} if exact else _too_few(results, kind))
    index, groups = (*settings, "category"), [categories, *([[mean]] if with_mean else [])]
    shown = TextTable(caption, index, groups, columns, marked, metric)
    many = len(methods) > max(MOST_COLUMNS, len(categories))
    return shown if exact or not many else rendering.transposed(shown, "method")


def _too_few(results: ResultSet, kind: Metric) -> dict[Place, str]:
    """Return (category, method) → how many held-out images a calibrated metric needs there."""
    return {
        place: f"needs {calibrated.images_needed(int(kind.name[-2:]))}"
        for place, cell in results.first.items()
        if kind.name in calibrated.CALIBRATED
        and cell.thresholds.get(calibrated.threshold_name(kind), 0) is None
    }


def write_tables(sets: Sequence[ResultSet], folder: Path | None = None) -> list[Path]:
    """Write <metric>.md, .csv and .tex for every metric, thresholds, and what conditions cost.

    Args:
        sets: a run's result sets.
        folder: where they go; None for the run's tables/.

    Returns:
        The files' paths.

    Raises:
        BenchmarkError: a score file is unreadable.
        StorageError: the tables can't be written.
    """
    paths, folder = [], folder or sets[0].run / "tables"
    labelled = list(zip(sets, distinctions(sets), strict=True))
    for metric in calibrated.KNOWN:
        named = [(results, settings) for results, settings in labelled if results.has(metric)]
        if not named:
            continue
        shown = [_text_table(results, metric) for results, _ in named]
        exact = [
            _text_table(results, metric, exact=True, settings=settings)
            for results, settings in named
        ]
        for suffix, text in (
            ("md", "\n".join(map(rendering.markdown, shown))),
            ("csv", rendering.comma_separated(*exact)),
            ("tex", "\n".join(map(latex, shown))),
        ):
            path = folder / f"{metric}.{suffix}"
            write_file(path, text.encode())
            paths.append(path)
    return [*paths, *write_thresholds(sets, folder), *write_conditions(sets, folder)]


def terminal_tables(sets: Sequence[ResultSet], metrics: Sequence[str] = ()) -> str:
    """Return a run's main tables as text, those that hold something, the best of each row marked *.

    Raises as `write_tables`.

    Args:
        sets: a run's result sets.
        metrics: those of these metrics, whether or not any cell has them; none for the main ones.
    """
    tables = [
        rendering.terminal(_text_table(results, metric, with_mean=len(results.categories) > 1))
        for metric in metrics or (*MAIN, *calibrated.SHOWN)
        for results in sets
        if metrics or results.measured(metric) or _too_few(results, calibrated.KNOWN[metric])
    ]
    return "\n".join(noted_once(tables, [note for results in sets for note in results.notes]))
