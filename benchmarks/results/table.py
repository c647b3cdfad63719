"""One metric's values under one protocol, as frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.metrics.definitions import Metric

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.array_types import Floats


@dataclass(frozen=True)
class Table:
    """One metric's values under one protocol, on the metric's own scale.

    Attributes:
        metric: what the values are.
        values: (categories and a last row `MEAN`, methods): mean over the seeds; NaN where the
            value is failed, undefined, absent, or a mean over an incomplete set.
        deviations: the same shape: sample standard deviation over the seeds; NaN for one seed.
        failed: the same shape: whether a cell failed; False in the last row.
        lows: the same shape: the lowest value of any seed, NaN as `values`.
        highs: likewise the highest.
    """

    metric: Metric
    values: pd.DataFrame
    deviations: pd.DataFrame
    failed: pd.DataFrame
    lows: pd.DataFrame
    highs: pd.DataFrame

    def complete_values(self) -> dict[str, Floats]:
        """Return method → its value in every category, (C,), of the methods that lack none."""
        categories = self.values.iloc[:-1]
        return {
            str(method): values.to_numpy()
            for method, values in categories.items()
            if values.notna().all()
        }
