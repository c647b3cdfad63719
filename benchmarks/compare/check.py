"""Which values have got worse than a baseline's, cell by cell and metric by metric."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from benchmarks import markdown
from benchmarks.compare.baseline import Baseline, label, metrics_of, unit, value
from benchmarks.metrics.calibrated import KNOWN
from benchmarks.results import Cell
from benchmarks.specs import flat

Mark = Literal[
    "worse", "new failure", "missing", "not comparable", "better", "fixed", "new", "unchanged"
]

REGRESSIONS: frozenset[Mark] = frozenset({"worse", "new failure", "missing", "not comparable"})

_SHOWN = 12
"""Characters of a hash that are shown."""


@dataclass(frozen=True)
class Row:
    """One metric of one cell beside its baseline.

    Attributes:
        cell: category, method, seed and shots.
        metric: name of the metric.
        mark: the judgement.
        baseline: the stored value, None where there is none.
        value: the run's value, likewise.
        note: why, where numbers don't say it.
    """

    cell: str
    metric: str
    mark: Mark
    baseline: float | None = None
    value: float | None = None
    note: str = ""


def compare(baseline: Baseline, cells: Iterable[Cell]) -> list[Row]:
    """Return the rows of all cells, the baseline's first.

    Values are compared only where the specifications are equal: data, backbone, protocol,
    parameters, seed, shots, and the versions of the extractor and the metrics.
    """
    unmatched = {cell.key: cell for cell in cells}
    pairs = [(reference, unmatched.pop(reference.key, None)) for reference in baseline.cells]
    others = {label(cell): cell for cell in unmatched.values()}
    rows: list[Row] = []
    for reference, cell in pairs:
        name = label(reference)
        if cell is not None:
            rows += _judged(baseline, reference, cell)
            continue
        other = others.get(name)
        mark: Mark = "missing" if other is None else "not comparable"
        note = "" if other is None else _difference(reference.spec.as_dict(), other.spec.as_dict())
        rows += [Row(name, metric, mark, note=note) for metric in baseline.tolerances]
        unmatched = {key: cell for key, cell in unmatched.items() if cell is not other}
    rows += [
        Row(label(cell), metric, "new", value=value(cell, metric))
        for cell in unmatched.values()
        for metric in metrics_of([cell])
    ]
    return rows


def _judged(baseline: Baseline, reference: Cell, cell: Cell) -> Iterator[Row]:
    name = label(cell)
    for metric in baseline.tolerances:
        before, after = value(reference, metric), value(cell, metric)
        if metric not in KNOWN:
            yield Row(name, metric, "missing", before, note="no such metric any more")
            continue
        limit = baseline.limit(metric, reference)
        mark = _mark(before, after, limit, higher_is_better=KNOWN[metric].higher_is_better)
        yield Row(name, metric, mark, before, after, cell.error)
    for metric in metrics_of([cell]):
        if metric not in baseline.tolerances:
            yield Row(name, metric, "new", value=value(cell, metric))


def _mark(
    before: float | None, after: float | None, limit: float, *, higher_is_better: bool
) -> Mark:
    if before is None or after is None:
        return "unchanged" if before is after else "fixed" if before is None else "new failure"
    if abs(after - before) <= limit:
        return "unchanged"
    return "better" if (after > before) == higher_is_better else "worse"


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Say in which parts two specifications differ."""
    old, new = dict(flat(before)), dict(flat(after))
    return ", ".join(
        f"{name} {str(old.get(name))[:_SHOWN]} → {str(new.get(name))[:_SHOWN]}"
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    )


def summary(rows: Sequence[Row], baseline: Baseline) -> str:
    """Return Markdown: a verdict, counts, then every row that isn't unchanged."""
    counts = Counter(row.mark for row in rows)
    regressed = sum(counts[mark] for mark in REGRESSIONS)
    verdict = f"**{regressed} of {len(rows)} rows regressed**" if regressed else "No regression"
    order = get_args(Mark)
    shown = ", ".join(f"{counts[mark]} {mark}" for mark in order if counts[mark])
    lines = [f"{verdict}: {shown}.", ""]
    changed = [row for row in rows if row.mark != "unchanged"]
    changed.sort(key=lambda row: order.index(row.mark))
    if changed:
        lines += [
            "| mark | cell | metric | baseline | value | difference | tolerance |",
            "|:--|:--|:--|--:|--:|--:|--:|",
        ]
    for _, group in itertools.groupby(changed, key=_shown_together):
        lines.append(_line(list(group), baseline))
    return "\n".join(lines).rstrip() + "\n"


def _shown_together(row: Row) -> tuple[str, ...]:
    """Return the same for rows that need one line: a cell's without numbers to compare."""
    alone = row.metric if row.baseline is not None and row.value is not None else ""
    return row.mark, row.cell, row.note, alone


def _line(group: Sequence[Row], baseline: Baseline) -> str:
    row = group[0]
    parts = [row.metric, _number(row.baseline), _number(row.value), "", ""]
    if row.baseline is not None and row.value is not None:
        tolerance = baseline.tolerances[row.metric]
        parts[3] = f"{row.value - row.baseline:+.6f}"
        parts[4] = f"{tolerance.amount:g} {unit(row.metric)}"
    elif len(group) > 1:
        parts[:3] = [f"{len(group)} metrics", "", ""]
    mark = f"{row.mark}: {row.note}" if row.note else row.mark
    return "| " + " | ".join(map(markdown.cell, [mark, row.cell, *parts])) + " |"


def _number(number: float | None) -> str:
    return "–" if number is None else f"{number:.6f}"
