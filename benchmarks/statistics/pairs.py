"""Two methods compared, and Holm's correction of all pairs that a table shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Row = TypeVar("Row")

LEVEL = 0.05
"""Chance of calling any pair of a table different where none is."""

DIGITS = 12  # what is left of a difference when floating-point noise is taken off


@dataclass(frozen=True)
class Pair:
    """Two methods compared on the same images, or on the same categories.

    Attributes:
        first: a method.
        second: another one.
        difference: first − second on the metric's own scale: of AUROC, or the median difference.
        effect: in [-1, 1], positive where the first is better: the difference of AUROC, or the
            matched-pairs rank-biserial correlation.
        p_value: two-sided; None where the test has no verdict.
        holm: the same, corrected for all pairs of the table; None until then.
    """

    first: str
    second: str
    difference: float
    effect: float
    p_value: float | None
    holm: float | None = None

    @property
    def significant(self) -> bool:
        """Whether they differ at `LEVEL` after Holm's correction."""
        return self.holm is not None and self.holm < LEVEL

    @property
    def verdict(self) -> str:
        """Whether they differ, as tables say it."""
        return "no verdict" if self.holm is None else "yes" if self.significant else "no"

    @property
    def worse(self) -> str | None:
        """The method that is significantly worse, None where neither is."""
        if not self.significant or self.effect == 0:
            return None
        return self.second if self.effect > 0 else self.first


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p values (K,) corrected for being K, by Holm's step-down method (1979)."""
    p_values = np.asarray(p_values, float)
    order = p_values.argsort(kind="stable")
    stepped = np.maximum.accumulate(p_values[order] * np.arange(p_values.size, 0, -1))
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(stepped, 1)
    return corrected


def corrected(p_values: Sequence[float | None]) -> list[float | None]:
    """Return the p values of one family, corrected by Holm's method.

    None, a test without a verdict, counts as p = 1, and stays None.
    """
    adjusted = holm([1 if p_value is None else p_value for p_value in p_values]).tolist()
    return [None if raw is None else p for raw, p in zip(p_values, adjusted, strict=True)]


def correct_table(rows: Mapping[Row, Sequence[Pair]]) -> dict[Row, tuple[Pair, ...]]:
    """Fill in Holm's correction over all pairs of all rows, which are one family."""
    p_values = iter(corrected([pair.p_value for pairs in rows.values() for pair in pairs]))
    return {
        row: tuple(replace(pair, holm=next(p_values)) for pair in pairs)
        for row, pairs in rows.items()
    }
