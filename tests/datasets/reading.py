"""Data sets of one category, read; and what reading others says."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.datasets import Category, index
from benchmarks.errors import DataError


def only(root: Path, seed: int = 0, *, masks: bool = True) -> Category:
    """Return the only category of a data set."""
    (category,) = index(root, split_seed=seed, masks=masks).categories
    return category


def problem(root: Path, *categories: str) -> str:
    """Return the message with which a data set is refused."""
    with pytest.raises(DataError) as caught:
        index(root, categories or None)
    return str(caught.value)
