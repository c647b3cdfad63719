"""What all tables have in common: a caption above rows, and a mark at what is best as shown."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from benchmarks.markdown import cell

Place = TypeVar("Place", bound=Hashable)


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
        rows: their entries; numbers are shown as they are written.
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
    shown: Mapping[Place, float], choose: Callable[[Iterable[float]], float]
) -> frozenset[Place]:
    """Return where the best number stands, several where they tie; none where nothing competes.

    Args:
        shown: place → number as rounded for the eye.
        choose: `max` or `min`.
    """
    best = choose(shown.values()) if shown else None
    return frozenset(place for place, number in shown.items() if number == best)
