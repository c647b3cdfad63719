"""The model of every table of values, and its forms: Markdown, text for terminals, CSV."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import TypeVar

from benchmarks.files import as_csv
from benchmarks.markdown import cell
from benchmarks.names import printable

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Value:
    """What stands at one place of a table.

    Attributes:
        number: a number, a word in its place such as "failed", or None where nothing is known.
        deviation: its standard deviation over seeds, None where there is none.
        decimals: how many are shown.
        signed: whether a plus is shown, too.
        span: the lowest and the highest of several seeds, instead of their deviation.
    """

    number: float | str | None
    deviation: float | None = None
    decimals: int = 1
    signed: bool = False
    span: tuple[float, float] | None = None

    @property
    def text(self) -> str:
        """The value as it is shown."""
        if self.number is None or isinstance(self.number, str):
            return self.number or "–"
        sign = "+" if self.signed else ""
        spread = "" if self.deviation is None else f" ± {self.deviation:.1f}"
        if self.span is not None:
            spread = f" ({self.span[0]:.1f}–{self.span[1]:.1f})"
        return f"{self.number:{sign}z.{self.decimals}f}{spread}".replace("-", "−")

    @property
    def rounded(self) -> float | None:
        """The number as far as it is shown, None where there is none."""
        if self.number is None or isinstance(self.number, str):
            return None
        return round(self.number, self.decimals)


@dataclass(frozen=True)
class Column:
    """A column of values.

    Attributes:
        title: what they are of.
        values: one a row.
        part: which of several columns of this title it is, "" of the first.
    """

    title: str
    values: Sequence[Value]
    part: str = ""

    @property
    def heading(self) -> str:
        """What stands above it where there is one line of headings."""
        return f"{self.title} {self.part}" if self.part else self.title


@dataclass(frozen=True)
class TextTable:
    """Columns of values beside their labels, below a caption.

    Attributes:
        caption: one line.
        index: titles of the columns of labels; all but the last are said once a group.
        groups: the labels of each row, one for each of `index`, in groups of rows.
        columns: the values.
        marked: the places in `columns` that each row marks.
        name: what its files are called where it lies in files of its own.
    """

    caption: str
    index: tuple[str, ...]
    groups: Sequence[Sequence[tuple[str, ...]]]
    columns: Sequence[Column]
    marked: Sequence[frozenset[int]]
    name: str = ""

    @property
    def headings(self) -> list[str]:
        """What stands above all columns."""
        return [*self.index, *(column.heading for column in self.columns)]

    def texts(
        self, mark: Callable[[str], str], encode: Callable[[str], str] = str
    ) -> list[list[list[str]]]:
        """Return the groups, each a list of rows of texts.

        Args:
            mark: what makes a marked text of a text.
            encode: what makes a text of this form of a plain one.
        """
        rows, groups = count(), []
        for group in self.groups:
            lines: list[list[str]] = []
            for (*outer, inner), row in zip(group, rows, strict=False):
                labels = [*([""] * len(outer) if lines else outer), inner]
                texts = [encode(column.values[row].text) for column in self.columns]
                best = self.marked[row]
                shown = (mark(text) if n in best else text for n, text in enumerate(texts))
                lines.append([*map(encode, labels), *shown])
            groups.append(lines)
        return groups


def transposed(table: TextTable, index: str) -> TextTable:
    """Return a table whose rows are columns, and whose columns are rows below the title `index`."""
    labels = [label for group in table.groups for *_, label in group]
    columns = [
        Column(label, [column.values[row] for column in table.columns])
        for row, label in enumerate(labels)
    ]
    marked = [
        frozenset(row for row, places in enumerate(table.marked) if place in places)
        for place in range(len(table.columns))
    ]
    rows = [(column.heading,) for column in table.columns]
    return TextTable(table.caption, (index,), [rows], columns, marked, table.name)


def markdown(table: TextTable) -> str:
    """Return the caption and a pipe table, marked values in bold."""
    return _tabulated(table, "**{}**", "pipe")


def terminal(table: TextTable) -> str:
    """Return the caption and a table for a terminal, a star before marked values."""
    return _tabulated(table, "*{}", "simple")


def _tabulated(table: TextTable, mark: str, style: str) -> str:
    rows = [row for group in table.texts(mark.format, printable) for row in group]
    headings, labels = [printable(heading) for heading in table.headings], len(table.index)
    return captioned_table(table.caption, headings, rows, labels=labels, style=style)


def comma_separated(*tables: TextTable) -> str:
    """Return the unrounded values, and their deviations, below the captions as comments.

    Args:
        tables: those that become one; they have the same columns of labels.
    """
    rows = []
    for table in tables:
        columns = _numbers(table)
        for row, labels in enumerate(chain.from_iterable(table.groups)):
            values = {heading: numbers[row] for heading, numbers in columns.items()}
            rows.append({**dict(zip(table.index, labels, strict=True)), **values})
    header = [*dict.fromkeys([*tables[0].index, *chain.from_iterable(map(_numbers, tables))])]
    captions = "".join(f"# {table.caption}\n" for table in tables)
    return (
        captions + as_csv([header, *([row.get(name) for name in header] for row in rows)]).decode()
    )


def _numbers(table: TextTable) -> dict[str, list[float | str | None]]:
    """Return heading → its column's numbers, those of deviations behind them."""
    columns: dict[str, list[float | str | None]] = {}
    for column in table.columns:
        columns[column.heading] = [value.number for value in column.values]
        if any(value.deviation is not None for value in column.values):
            columns[f"{column.heading} std"] = [value.deviation for value in column.values]
        if any(value.span for value in column.values):
            spans = [value.span or (None, None) for value in column.values]
            for place, name in enumerate(("min", "max")):
                columns[f"{column.heading} {name}"] = [span[place] for span in spans]
    return columns


def captioned_table(
    caption: str,
    headers: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    labels: int | None = None,
    style: str = "pipe",
) -> str:
    """Return rows of finished texts below their caption.

    Args:
        caption: one line.
        headers: titles of the columns.
        rows: their texts; numbers are shown as they are written.
        labels: how many first columns are set left, all others right; None sets all left.
        style: as `tabulate` names it.
    """
    from tabulate import tabulate

    sides = None if labels is None else ["left"] * labels + ["right"] * (len(headers) - labels)
    if style == "pipe":
        headers, rows = list(map(cell, headers)), [list(map(cell, row)) for row in rows]
    body = tabulate(rows, headers, style, colalign=sides, disable_numparse=True)
    return f"{caption}\n\n{body}\n"


def best_places(
    shown: Mapping[Key, float | None], choose: Callable[[Iterable[float]], float]
) -> frozenset[Key]:
    """Return where the best number stands, several where they tie; none where nothing competes.

    Args:
        shown: place → number as rounded for the eye, None without one.
        choose: `max` or `min`.
    """
    numbers = {place: number for place, number in shown.items() if number is not None}
    best = choose(numbers.values()) if numbers else None
    return frozenset(place for place, number in numbers.items() if number == best)
