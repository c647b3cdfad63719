"""Tables as LaTeX, with booktabs' rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from benchmarks.tables.rendering import TextTable

_LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        **{character: f"${character}$" for character in "<>"},
        # A bare bracket is read as an optional argument where one may follow.
        **{character: f"{{{character}}}" for character in "[]"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
        "≤": r"$\leq$",
        "–": "--",
        "−": "$-$",
    }
)

_SHORT = {"": "ours", "published": "publ.", "difference": "diff."}
"""Part of a column → what stands below the title that its parts share."""


_ROWS_OF_A_PAGE = 45


def latex(table: TextTable) -> str:
    """Return a table that floats, on one page; one that is longer is a `long_latex`."""
    if sum(map(len, table.groups)) > _ROWS_OF_A_PAGE:
        return long_latex(table)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_escape(table.caption)}}}",
        rf"\begin{{tabular}}{{{_sides(table)}}}",
        *_header(table),
        *_body(table),
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def long_latex(table: TextTable) -> str:
    """Return a longtable, which may span pages; its label is the table's name."""
    header = _header(table)
    lines = [
        r"% \usepackage{booktabs, longtable}",
        r"\begingroup",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{3pt}",
        r"\setlength{\LTcapwidth}{\textwidth}",
        rf"\begin{{longtable}}{{{_sides(table)}}}",
        rf"\caption{{{_escape(table.caption)}}}\label{{tab:{table.name}}} \\",
        *(*header, r"\endfirsthead", *header, r"\endhead"),
        *_body(table),
        *(r"\end{longtable}", r"\endgroup"),
    ]
    return "\n".join(lines) + "\n"


def _sides(table: TextTable) -> str:
    return "l" * len(table.index) + "r" * len(table.columns)


def _header(table: TextTable) -> list[str]:
    """Return one line of titles, or titles above the names of their parts."""
    index = list(table.index)
    if not any(column.part for column in table.columns):
        return [r"\toprule", _row(map(_escape, table.headings)), r"\midrule"]
    above, rules, first = [""] * len(index), "", len(index) + 1
    for title, parts in groupby(column.title for column in table.columns):
        width = len(list(parts))
        above.append(rf"\multicolumn{{{width}}}{{c}}{{{_escape(title)}}}")
        rules += rf"\cmidrule(lr){{{first}-{first + width - 1}}}" * (width > 1)
        first += width
    below = [*map(_escape, index), *(_SHORT[column.part] for column in table.columns)]
    return [r"\toprule", _row(above), *filter(None, [rules]), _row(below), r"\midrule"]


def _body(table: TextTable) -> Iterator[str]:
    """Yield the rows, a rule between two groups and one below the last."""
    for number, group in enumerate(table.texts(r"\textbf{{{}}}".format, _escape)):
        if number:
            yield r"\midrule"
        yield from map(_row, group)
    yield r"\bottomrule"


def _row(texts: Iterable[str]) -> str:
    return " & ".join(texts) + r" \\"


def _escape(text: str) -> str:
    """Return `text` as LaTeX shows it."""
    return text.translate(_LATEX)
