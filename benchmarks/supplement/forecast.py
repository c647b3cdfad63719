"""What each part of the supplement would take: what is stored, what is missing, and its cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.execution.dry_run import Needs, Work, needs
from benchmarks.execution.progress.forecast import rates
from benchmarks.features import FeatureCache
from benchmarks.results import Store
from benchmarks.supplement.planning import Group, Requests, restrict, stores_beside
from benchmarks.tables.rendering import captioned_table

ALL = "all of these"
"""The row of all parts above it."""

_HEADER = ("part", "cells", "stored", "missing", "images to pass", "features", "methods take")

_CAPTION = (
    f"What each part takes by itself; {ALL}: what parts share counts once. Features are what the "
    "cache will hold besides; methods take in proportion to earlier cells."
)


def missing_of(requests: Requests, groups: Sequence[Group], store: Store, *, force: bool) -> Work:
    """Return the plans of what is requested, with what neither `store` nor a run beside it has.

    Args:
        requests: a part's, or several parts' merged.
        groups: those of at least that.
        store: where cells go to.
        force: whether stored cells count as missing.
    """
    plans = [restrict(group, requests) for group in groups]
    return [(plan, plan.missing(store, *stores_beside(store), force=force)) for plan in plans]


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
    known = rates(run, device)
    rows = [[part, *_texts(needs(of_part, known, cache))] for part, of_part in work.items()]
    return captioned_table(_CAPTION, _HEADER, rows, labels=1, style="simple")


def _texts(part: Needs) -> list[str]:
    counts = (part.cells, part.cells - part.left, part.left, part.images)
    count = len(part.unknown)
    unknown = f"unknown of {count} method{'s' * (count > 1)}" if count else ""
    time = "; ".join(filter(None, (part.minutes, unknown)))
    return [*map(str, counts), f"{part.size / 1e9:.2f} GB", time or "–"]
