"""Scores that overlap, drawn at random."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

LABELS = np.repeat([0, 1], [8, 12])
SEEDS = st.integers(0, 2**32 - 1)


def drawn_scores(seed: int, digits: int = 8) -> Any:
    """Return overlapping scores of `LABELS`; few digits give ties."""
    return np.random.default_rng(seed).normal(loc=LABELS).round(digits)
