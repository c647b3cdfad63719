"""What made the features behind a column, beside its method: backbone, weights, layers, type."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmarks.specs import IMPORTED

if TYPE_CHECKING:
    import pandas as pd


COLUMNS = ["backbone", "weights", "weights_sha256", "layers", "dtype", "smoothing_sigma"]
"""Of metrics.csv; the other columns of a protocol say over which pixels values are measured."""

Making = tuple[str, ...]
"""A value for each of `COLUMNS`."""

_AT = " @ "
"""Between a method and its backbone; no name has it."""

SHOWN = 8
"""Characters of a sha256 that are shown."""


def makings(rows: pd.DataFrame) -> list[Making]:
    """Return what made the rows, each once, in order of appearance; imported ones are left out."""
    own = rows.loc[rows["backbone"] != IMPORTED, COLUMNS].drop_duplicates()
    return list(own.itertuples(index=False, name=None))


def with_makings(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows of one table, their methods named `method @ backbone` where several made them.

    What two of one backbone differ in is said behind it. Imported methods keep their names.
    """
    every = makings(rows)
    if len(every) < 2:
        return rows
    names = {making: " ".join(_parts(making, every)) for making in every}
    keys = rows[COLUMNS].itertuples(index=False, name=None)
    methods = [
        f"{method}{_AT}{names[key]}" if key in names else method
        for method, key in zip(rows["method"], keys, strict=True)
    ]
    return rows.assign(method=methods)


def own_method(name: str) -> str:
    """Return a method's name without the backbone that `with_makings` has put behind it."""
    return name.partition(_AT)[0]


def _parts(making: Making, every: Sequence[Making]) -> Iterator[str]:
    """Yield the backbone, and what tells it from others of the same name."""
    yield making[0]
    alike = [other for other in every if other[0] == making[0]]
    for place, column in enumerate(COLUMNS):
        if len({other[place] for other in alike}) > 1:
            yield said(column, making[place])


def said(column: str, value: str) -> str:
    """Return a column's value in words."""
    if column == "layers":
        return f"layers {'+'.join(json.loads(value).values())}"
    if column == "weights_sha256":
        return f"sha256 {value[:SHOWN]}"
    return f"{column.replace('_', ' ')} {value or 'none'}"


def imported_methods(rows: pd.DataFrame) -> dict[str, str]:
    """Return each method whose maps another program made → where its image scores are from."""
    own = rows[rows["backbone"] == IMPORTED].drop_duplicates("method")
    if own.empty:
        return {}
    origins = (json.loads(text).get("scores", "") for text in own["params"])
    return dict(zip(map(str, own["method"]), origins, strict=True))
