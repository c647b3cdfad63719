"""A table that sets our values beside published ones, as Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.tables.latex import escape, latex_row
from benchmarks.tables.rendering import best_places, captioned_table


@dataclass(frozen=True)
class Value:
    """What stands in one place of a table, in per cent.

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


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        labels: one for each index column.
        values: one for each of the sheet's `columns`, then one for each of its `others`.
    """

    labels: tuple[str, ...]
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Sheet:
    """A table; in every value higher is better.

    A column shows published values and differences where any row has a published one; a column of
    `others` without any is left out.

    Attributes:
        name: what its files are called.
        caption: one line.
        index: titles of the columns of labels; all but the last are said once a group.
        columns: titles of what is ours.
        groups: rows, in LaTeX with rules between the groups.
        others: titles of what is only published.
        marks_best: whether our best value of each row is marked.
    """

    name: str
    caption: str
    index: tuple[str, ...]
    columns: tuple[str, ...]
    groups: tuple[tuple[Row, ...], ...]
    others: tuple[str, ...] = ()
    marks_best: bool = False

    @property
    def rows(self) -> list[Row]:
        """All rows, of all groups."""
        return [row for group in self.groups for row in group]


@dataclass(frozen=True)
class _Column:
    """A column as it is shown.

    Attributes:
        place: index into a row's values.
        title: of the value.
        part: key of `_PARTS`.
    """

    place: int
    title: str
    part: str

    @property
    def heading(self) -> str:
        return self.title if self.part == "ours" else f"{self.title} {self.part}"

    def read(self, row: Row) -> _Entry:
        return _PARTS[self.part](row.values[self.place])

    def text(self, row: Row) -> str:
        number, deviation = self.read(row)
        if number is None or isinstance(number, str):
            return number or "–"
        sign = "+z" if self.part == "difference" else "z"
        spread = "" if deviation is None else f" ± {deviation:.1f}"
        return f"{number:{sign}.1f}{spread}".replace("-", "−")


_Entry = tuple[float | str | None, float | None]
"""A number, "failed" or nothing, and a standard deviation."""


def _ours(value: Value) -> _Entry:
    return ("failed" if value.failed else value.ours), value.deviation


def _published(value: Value) -> _Entry:
    return value.published, value.published_deviation


def _difference(value: Value) -> _Entry:
    if value.ours is None or value.published is None:
        return None, None
    return value.ours - value.published, None


_PARTS = {"ours": _ours, "published": _published, "difference": _difference}

_SHORT = {"ours": "ours", "published": "publ.", "difference": "diff."}


def _columns(sheet: Sheet) -> list[_Column]:
    shown = []
    for place, title in enumerate((*sheet.columns, *sheet.others)):
        own = place < len(sheet.columns)
        beside = any(row.values[place].published is not None for row in sheet.rows)
        present = {"ours": own, "published": beside, "difference": own and beside}
        shown += [_Column(place, title, part) for part, there in present.items() if there]
    return shown


def _grid(
    sheet: Sheet, mark: Callable[[str], str], encode: Callable[[str], str] = str
) -> list[list[list[str]]]:
    """Return the groups, each a list of rows as shown."""
    columns = _columns(sheet)
    groups = []
    for group in sheet.groups:
        lines: list[list[str]] = []
        for row in group:
            *outer, inner = row.labels
            labels = [*([""] * len(outer) if lines else outer), inner]
            texts = [column.text(row) for column in columns]
            best = _best(sheet, columns, row)
            shown = (
                mark(encode(text)) if place in best else encode(text)
                for place, text in enumerate(texts)
            )
            lines.append([*map(encode, labels), *shown])
        groups.append(lines)
    return groups


def _best(sheet: Sheet, columns: Sequence[_Column], row: Row) -> frozenset[int]:
    """Return where a row's best of ours stands, judged on what is shown; ties share it."""
    if not sheet.marks_best:
        return frozenset()
    entries = {place: column.read(row)[0] for place, column in enumerate(columns)}
    numbers = {
        place: round(number, 1)
        for place, number in entries.items()
        if columns[place].part == "ours" and isinstance(number, float)
    }
    return best_places(numbers if len(numbers) > 1 else {}, max)


def markdown(sheet: Sheet) -> str:
    """Return the caption and a pipe table, our best values in bold."""
    headers = [*sheet.index, *(column.heading for column in _columns(sheet))]
    rows = [row for group in _grid(sheet, "**{}**".format) for row in group]
    return captioned_table(sheet.caption, headers, rows, labels=len(sheet.index))


def comma_separated(sheet: Sheet) -> str:
    """Return the unrounded values in per cent, below the caption as a comment."""
    header, columns = list(sheet.index), []
    for column in _columns(sheet):
        numbers, deviations = zip(*map(column.read, sheet.rows), strict=True)
        header.append(column.heading)
        columns.append(numbers)
        if any(deviation is not None for deviation in deviations):
            header.append(f"{column.heading} std")
            columns.append(deviations)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for row, numbers in zip(sheet.rows, zip(*columns, strict=True), strict=True):
        writer.writerow([*row.labels, *numbers])
    return f"# {sheet.caption}\n{text.getvalue()}"


def latex(sheet: Sheet) -> str:
    """Return a longtable, which may span pages, with booktabs' rules."""
    columns = _columns(sheet)
    header = _latex_header(sheet, columns)
    groups = [
        [latex_row(row) for row in group]
        for group in _grid(sheet, r"\textbf{{{}}}".format, _escape)
    ]
    lines = [
        r"% \usepackage{booktabs, longtable}",
        r"\begingroup",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{3pt}",
        r"\setlength{\LTcapwidth}{\textwidth}",
        rf"\begin{{longtable}}{{{'l' * len(sheet.index)}{'r' * len(columns)}}}",
        rf"\caption{{{_escape(sheet.caption)}}}\label{{tab:{sheet.name}}} \\",
        *(*header, r"\endfirsthead", *header, r"\endhead"),
        *groups[0],
        *(line for group in groups[1:] for line in (r"\midrule", *group)),
        *(r"\bottomrule", r"\end{longtable}", r"\endgroup"),
    ]
    return "\n".join(lines) + "\n"


def _latex_header(sheet: Sheet, columns: Sequence[_Column]) -> list[str]:
    """Return one line of titles, or titles above the names of their parts."""
    index = [_escape(title) for title in sheet.index]
    if all(column.part == "ours" for column in columns):
        titles = [_escape(column.title) for column in columns]
        return [r"\toprule", latex_row([*index, *titles]), r"\midrule"]
    above, rules, first = [""] * len(index), "", len(index) + 1
    for place in dict.fromkeys(column.place for column in columns):
        parts = [column for column in columns if column.place == place]
        width = len(parts)
        above.append(rf"\multicolumn{{{width}}}{{c}}{{{_escape(parts[0].title)}}}")
        rules += rf"\cmidrule(lr){{{first}-{first + width - 1}}}" * (width > 1)
        first += width
    below = [*index, *(_SHORT[column.part] for column in columns)]
    return [
        r"\toprule",
        latex_row(above),
        *([rules] if rules else []),
        latex_row(below),
        r"\midrule",
    ]


def _escape(text: str) -> str:
    return escape(text).replace("−", "$-$")


RENDERERS: Mapping[str, Callable[[Sheet], str]] = {
    "md": markdown,
    "csv": comma_separated,
    "tex": latex,
}
"""Suffix → what makes a file's text of a sheet."""
