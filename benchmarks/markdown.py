"""Tables in Markdown, whatever the names in them hold."""

from __future__ import annotations

from collections.abc import Sequence


def cell(text: object) -> str:
    """Return what stands in one place of a table: a bar or a new line in it ends nothing."""
    return " ".join(str(text).replace("|", "\\|").splitlines())


def table(
    rows: Sequence[Sequence[object]], headers: Sequence[str], colalign: Sequence[str] | None = None
) -> str:
    """Return a table with bars between its columns, all entries as they are written.

    Args:
        rows: the entries.
        headers: of the columns.
        colalign: "left" or "right" for each column; left where it is None.
    """
    from tabulate import tabulate

    return tabulate(
        [list(map(cell, row)) for row in rows],
        headers=list(map(cell, headers)),
        tablefmt="pipe",
        colalign=colalign,
        disable_numparse=True,
    )
