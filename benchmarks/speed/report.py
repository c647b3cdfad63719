"""What `benchmarks.speed` measured, as CSV and Markdown."""

from __future__ import annotations

import ast
import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import Field, asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.array_types import Floats
from benchmarks.files import as_csv, write_file
from benchmarks.tables.rendering import captioned_table

HEADS = ["step", "size", "ours", "reference", "its time", "ratio", "memory", "result", "note"]

GROWTH = ["step", "sizes", "ours", "exponent", "memory", "reference", "its time", "its exponent"]


@dataclass(frozen=True)
class Comparison:
    """One step against one reference; times are medians of interleaved rounds, in seconds.

    Attributes:
        step: what was timed.
        size: on how much.
        ours_seconds: this project's time.
        reference: what it is compared with.
        reference_seconds: its time for the same work.
        extrapolated: whether a part was run and its time multiplied; `note` says which part.
        peak_memory_mb: what ours needed beyond its inputs, in 10⁶ bytes.
        agrees: whether the results are the same, None where they weren't compared.
        agreement: how far the results agree.
        note: what else there is to know.
        amount: of several sizes of a step, how many units; they ascend.
        unit: what the amount counts.
        measured: on what, and how.
    """

    step: str
    size: str
    ours_seconds: float
    reference: str
    reference_seconds: float
    extrapolated: bool
    peak_memory_mb: float
    agrees: bool | None = None
    agreement: str = ""
    note: str = ""
    amount: int = 1
    unit: str = ""
    measured: str = ""

    @property
    def ratio(self) -> float:
        """How many times faster ours is."""
        return self.reference_seconds / self.ours_seconds


def kept(rows: Sequence[Comparison], out: Path) -> list[Comparison]:
    """Return rows after those of other steps that an earlier run left in `out`."""
    if not (out / "speed.csv").exists():
        return [*rows]
    with (out / "speed.csv").open(newline="", encoding="utf-8") as file:
        before = [
            Comparison(**{kind.name: _value(row, kind) for kind in fields(Comparison)})
            for row in csv.DictReader(file)
        ]
    steps = {row.step for row in rows}
    return [*(row for row in before if row.step not in steps), *rows]


def _value(row: Mapping[str, str], kind: Field[Any]) -> Any:
    """Return a field's value as it was before it was written."""
    text = row[kind.name]
    return text if kind.type == "str" else ast.literal_eval(text or "None")


def write(rows: Sequence[Comparison], out: Path) -> None:
    """Write speed.csv and speed.md to `out`.

    Raises:
        StorageError: a file can't be written.
    """
    records = [asdict(row) | {"ratio": row.ratio} for row in rows]
    table = as_csv([[*records[0]], *(record.values() for record in records)])
    write_file(out / "speed.csv", table)
    write_file(out / "speed.md", markdown(rows).encode())


def markdown(rows: Sequence[Comparison]) -> str:
    """Return the summary: what was measured on what, a row a reference, and how times grow."""
    curves: dict[tuple[str, str], list[Comparison]] = defaultdict(list)
    measured: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        curves[row.step, row.reference].append(row)
        measured[row.measured].add(row.step)
    caption = "\n\n".join(f"{', '.join(sorted(measured[text]))}: {text}" for text in measured)
    lines = [_line(curve[-1]) for curve in curves.values()]
    parts = [captioned_table(caption, HEADS, lines)]
    if any(row.extrapolated for row in rows):
        parts.append("\\* a part was run and its time multiplied, as the note says.\n")
    if grown := [_growth(curve) for curve in curves.values() if len(curve) > 1]:
        caption = "Growth: time ∝ size^exponent, least squares in logarithms."
        parts.append(captioned_table(caption, GROWTH, grown))
    return "\n".join(parts)


def _line(row: Comparison) -> Sequence[str]:
    return (
        row.step,
        row.size,
        in_seconds(row.ours_seconds),
        row.reference,
        in_seconds(row.reference_seconds) + " *" * row.extrapolated,
        f"{row.ratio:,.0f} ×" if row.ratio >= 100 else f"{row.ratio:.3g} ×",
        f"{row.peak_memory_mb:.0f} MB",
        row.agreement or "–",
        row.note or "–",
    )


def _growth(curve: Sequence[Comparison]) -> Sequence[str]:
    first, last = curve[0], curve[-1]
    sizes = f"{first.amount:,} to {last.amount:,} {last.unit}"
    times = [(row.amount, row.ours_seconds, row.reference_seconds) for row in curve]
    amounts, *columns = np.array(times).T
    ours, theirs = (
        (f"{in_seconds(seconds[0])} to {in_seconds(seconds[-1])}", exponent(amounts, seconds))
        for seconds in columns
    )
    memory = f"{first.peak_memory_mb:,.0f} to {last.peak_memory_mb:,.0f} MB"
    return last.step, sizes, *ours, memory, last.reference, *theirs


def exponent(amounts: Floats, seconds: Floats) -> str:
    """Return b of seconds = a · amount^b, least squares in logarithms."""
    return f"{np.polyfit(np.log(amounts), np.log(seconds), 1)[0]:.2f}"


def in_seconds(value: float) -> str:
    """Return a time as tables show it."""
    return f"{value:,.0f} s" if value >= 1000 else f"{value:.3g} s"
