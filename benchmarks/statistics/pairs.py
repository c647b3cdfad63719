"""Two methods compared, and Holm's correction of all pairs of a family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


LEVEL = 0.05
"""Chance of calling any pair of a family different where none is."""

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
        p_value: two-sided; None where the test can't tell.
        holm: the same, corrected for all pairs of the family.
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


def correct_pairs(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """Fill in Holm's correction; a family with an untestable pair has none."""
    p_values = [pair.p_value for pair in pairs if pair.p_value is not None]
    if len(p_values) < len(pairs):
        return tuple(pairs)
    corrected = holm(p_values).tolist()
    return tuple(replace(pair, holm=p) for pair, p in zip(pairs, corrected, strict=True))
