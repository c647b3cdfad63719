"""From what steps ask for at a few small sizes to what they ask for at others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.speed.counting.work import TOTALS, Kind, Load, Work


@dataclass(frozen=True)
class Size:
    """How much a step works on; `ratio` is PatchCore's."""

    train: int
    test: int
    ratio: float = 0.0


Terms = Callable[[Size], Sequence[float]]
"""The monomials that a step's cost is made of, as (1, n, n²)."""


@dataclass(frozen=True)
class Growth:
    """What a step asked for at some sizes, and how that grows.

    Every kind of operation is fitted by itself, since some grow with images and others with their
    square: by least squares of relative errors, with no coefficient below 0. Where shapes alone
    decide, and there are as many sizes as terms, the fit is exact. Numbers of operations, waits and
    copies have terms of their own, as a step that has to be asked for once more now and then would
    seem to grow with the largest term of all.
    """

    terms: Terms
    asked: Terms
    sizes: Sequence[Size]
    loads: Sequence[Load]

    def at(self, sizes: Sequence[Size]) -> Load:
        """Return what the step asks for at all of some sizes together."""
        kinds = {kind for load in self.loads for kind in load.work}
        return Load(
            {kind: self._work(kind, sizes) for kind in kinds},
            {
                name: self._extended(
                    [load.totals[name] for load in self.loads],
                    sizes,
                    self.terms if name.startswith("bytes") else self.asked,
                )
                for name in TOTALS
            },
        )

    def _work(self, kind: Kind, sizes: Sequence[Size]) -> Work:
        there = [load.work.get(kind, Work()) for load in self.loads]
        return Work(
            self._extended([work.launches for work in there], sizes, self.asked),
            self._extended([work.flops for work in there], sizes, self.terms),
            self._extended([work.bytes for work in there], sizes, self.terms),
        )

    def _extended(self, values: Sequence[float], sizes: Sequence[Size], terms: Terms) -> float:
        """Return the sum over sizes of a quantity that has these values at the counted ones."""
        if not any(values):
            return 0.0
        fitted = fit([terms(size) for size in self.sizes], values)
        return float(sum(np.dot(fitted, terms(size)) for size in sizes))


def fit(terms: Sequence[Sequence[float]], values: Sequence[float]) -> np.ndarray:
    """Return the coefficients, none below 0, of terms (sizes, n) that come nearest to values.

    Errors are relative to the values.
    """
    from scipy.optimize import nnls

    design, scale = np.asarray(terms, float), np.maximum(values, max(values) / 100)
    weighted = design / scale[:, None]
    lengths = np.linalg.norm(weighted, axis=0)
    lengths[lengths == 0] = 1
    coefficients, _ = nnls(weighted / lengths, np.asarray(values, float) / scale)
    return np.asarray(coefficients / lengths)
