"""Tables that set our values beside published ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.tables import rendering
from benchmarks.tables.latex import long_latex
from benchmarks.tables.rendering import Column, TextTable, Value, best_places


@dataclass(frozen=True)
class ComparedValue:
    """Our value and a published one, in per cent; in every value higher is better.

    Attributes:
        ours: None where it is absent, undefined or failed.
        deviation: ours' standard deviation over seeds, None for one seed.
        failed: whether a cell behind it failed.
        published: None where nothing was published.
        published_deviation: likewise.
    """

    ours: float | None = None
    deviation: float | None = None
    failed: bool = False
    published: float | None = None
    published_deviation: float | None = None

    @property
    def difference(self) -> float | None:
        """Ours less the published value, None where one of them is missing."""
        if self.ours is None or self.published is None:
            return None
        return self.ours - self.published


ComparedRow = tuple[tuple[str, ...], Sequence[ComparedValue]]
"""Labels of a row, and its values."""

Rows = Sequence[ComparedRow]


def comparison_table(
    name: str,
    caption: str,
    index: tuple[str, ...],
    columns: Sequence[str],
    groups: Sequence[Rows],
    *,
    others: Sequence[str] = (),
    marks_best: bool = False,
) -> TextTable:
    """Return a table that shows published values and differences where any row has some.

    Args:
        name: what its files are called.
        caption: one line.
        index: titles of the columns of labels; all but the last are said once a group.
        columns: titles of what is ours.
        groups: rows, each with a value for each of `columns`, then one for each of `others`.
        others: titles of what is only published; a column without any value is left out.
        marks_best: whether our best value of each row is marked, as it is shown; ties share it.
    """
    rows = [values for group in groups for _, values in group]
    shown: list[Column] = []
    for place, title in enumerate((*columns, *others)):
        column = [values[place] for values in rows]
        ours = place < len(columns)
        published = any(value.published is not None for value in column)
        if ours:
            numbers = [Value("failed" if v.failed else v.ours, v.deviation) for v in column]
            shown.append(Column(title, numbers))
        if published:
            numbers = [Value(v.published, v.published_deviation) for v in column]
            shown.append(Column(title, numbers, "published"))
        if ours and published:
            numbers = [Value(v.difference, signed=True) for v in column]
            shown.append(Column(title, numbers, "difference"))
    labels = [[labels for labels, _ in group] for group in groups]
    marked = [_best(shown, row) if marks_best else frozenset() for row in range(len(rows))]
    return TextTable(caption, index, labels, shown, marked, name)


def _best(columns: Sequence[Column], row: int) -> frozenset[int]:
    """Return where a row's best of several values of ours stands."""
    ours = {n: column.values[row].rounded for n, column in enumerate(columns) if not column.part}
    best = best_places(ours, max)
    return best if sum(number is not None for number in ours.values()) > 1 else frozenset()


RENDERERS: Mapping[str, Callable[[TextTable], str]] = {
    "md": rendering.markdown,
    "csv": rendering.comma_separated,
    "tex": long_latex,
}
"""Suffix → what makes a file's text of a table that may be long."""
