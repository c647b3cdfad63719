"""What each part of the supplement would take: what is stored, what is missing, and its cost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.execution.dry_run import Work, needs
from benchmarks.execution.progress.forecast import rates
from benchmarks.features import FeatureCache
from benchmarks.tables.rendering import captioned_table

ALL = "all of these"
"""The row of all parts above it."""

_HEADER = ("part", "cells", "stored", "missing", "images to pass", "features", "methods take")

_CAPTION = (
    f"What each part takes by itself; {ALL}: what parts share counts once. Features are what the "
    "cache will hold besides; methods take in proportion to earlier cells."
)


def by_part(work: Mapping[str, Work], run: Path, cache: FeatureCache, device: str) -> str:
    """Return a table, a row a part.

    Args:
        work: part → what is missing of it.
        run: the folder that cells go to; earlier cells are those in it and beside it.
        cache: what needn't be extracted again.
        device: where cells would be evaluated.

    Raises:
        BenchmarkError: a backbone that has to be run can't be made.
    """
    known, rows = rates(run, device), []
    for part, of_part in work.items():
        needed = needs(of_part, known, cache)
        counts = (needed.cells, needed.cells - needed.left, needed.left, needed.images)
        count = len(needed.unknown)
        unknown = f"unknown of {count} method{'s' * (count > 1)}" if count else ""
        time = "; ".join(filter(None, (needed.minutes, unknown))) or "–"
        rows.append([part, *counts, f"{needed.size / 1e9:.2f} GB", time])
    return captioned_table(_CAPTION, _HEADER, rows, labels=1, style="simple")
