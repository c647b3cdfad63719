"""What `benchmarks.speed` measured, as CSV and Markdown."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from benchmarks.files import as_csv, write_file
from benchmarks.tables.rendering import captioned_table


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

    @property
    def ratio(self) -> float:
        """How many times faster ours is."""
        return self.reference_seconds / self.ours_seconds


@dataclass(frozen=True)
class Point:
    """One program's time on one of several sizes of a step, and its memory.

    Attributes:
        step: what was timed.
        program: "ours" or the reference.
        unit: what the size counts.
        sizes: on how many; of a curve, ascending.
        seconds: the program's time.
        memory_mb: what ours needed beyond its inputs, in 10⁶ bytes; None for a reference.
    """

    step: str
    program: str
    unit: str
    sizes: int
    seconds: float
    memory_mb: float | None = None


@dataclass(frozen=True)
class Report:
    """All that one run measured, and on what; points of a curve stand together."""

    rows: Sequence[Comparison]
    growth: Sequence[Point]
    caption: str

    @property
    def disagreements(self) -> list[Comparison]:
        """The rows whose results differ from the reference's."""
        return [row for row in self.rows if row.agrees is False]


Row = TypeVar("Row", Comparison, Point)


def kept(report: Report, out: Path) -> Report:
    """Return a report with the rows and curves of other steps that an earlier run left in `out`."""
    rows = _of_other_steps(report.rows, Comparison, out / "speed.csv")
    growth = _of_other_steps(report.growth, Point, out / "growth.csv")
    caption = report.caption
    if rows:
        steps = ", ".join(sorted({row.step for row in rows}))
        before = (out / "speed.md").read_text("utf-8").partition("\n\n|")[0]
        caption += f"\n\nMeasured before ({steps}):\n\n{before}"
    return Report([*rows, *report.rows], [*growth, *report.growth], caption)


def _of_other_steps(measured: Sequence[Row], kind: type[Row], path: Path) -> list[Row]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = [
            kind(**{field.name: _value(cells[field.name], field.type) for field in fields(kind)})
            for cells in csv.DictReader(file)
        ]
    steps = {row.step for row in measured}
    return [row for row in rows if row.step not in steps]


def _value(text: str, kind: Any) -> Any:
    """Return what a field of a kind, as it is declared, was written as."""
    if kind == "str":
        return text
    words = {"": None, "True": True, "False": False}
    return words[text] if text in words else (int if kind == "int" else float)(text)


def write(report: Report, out: Path) -> list[Path]:
    """Write speed.csv, growth.csv and speed.md to `out`; return the paths.

    Raises:
        StorageError: a file can't be written.
    """
    tables = {
        "speed.csv": [asdict(row) | {"ratio": row.ratio} for row in report.rows],
        "growth.csv": [
            asdict(point) | {"exponent": exponent(curve)}
            for curve in _curves(report)
            for point in curve
        ],
    }
    contents = {
        name: as_csv([[*rows[0]], *(row.values() for row in rows)])
        for name, rows in tables.items()
        if rows
    }
    contents["speed.md"] = markdown(report).encode()
    for name, content in contents.items():
        write_file(out / name, content)
    return [out / name for name in contents]


def markdown(report: Report) -> str:
    """Return the summary: what was measured on what, a row a reference, and the growth."""
    heads = ("step", "size", "ours", "reference", "its time", "ratio", "memory", "result", "note")
    rows = [
        (
            row.step,
            row.size,
            in_seconds(row.ours_seconds),
            row.reference,
            in_seconds(row.reference_seconds) + " *" * row.extrapolated,
            f"{row.ratio:,.0f} ×" if row.ratio >= 100 else f"{row.ratio:.3g} ×",
            "–" if math.isnan(row.peak_memory_mb) else f"{row.peak_memory_mb:.0f} MB",
            row.agreement or "–",
            row.note or "–",
        )
        for row in report.rows
    ]
    parts = [captioned_table(report.caption, heads, rows)]
    if any(row.extrapolated for row in report.rows):
        parts.append("\\* a part was run and its time multiplied, as the note says.\n")
    if report.growth:
        lines = [_from_to(curve) for curve in _curves(report)]
        caption = "Growth: time ∝ size^exponent, least squares in logarithms."
        columns = ("step", "program", "sizes", "seconds", "exponent", "memory")
        parts.append(captioned_table(caption, columns, lines))
    return "\n".join(parts)


def _curves(report: Report) -> list[Sequence[Point]]:
    """Return the points of each program of each step."""
    curves = groupby(report.growth, lambda point: (point.step, point.program))
    return [tuple(points) for _, points in curves]


def exponent(curve: Sequence[Point]) -> float:
    """Return b of seconds = a · size^b, least squares in logarithms."""
    sizes, seconds = np.log([(point.sizes, point.seconds) for point in curve]).T
    return float(np.polyfit(sizes, seconds, 1)[0])


def _from_to(curve: Sequence[Point]) -> Sequence[str]:
    """Return a curve's line of the table."""
    first, last = curve[0], curve[-1]
    sizes = f"{first.sizes:,} to {last.sizes:,} {first.unit}"
    seconds = f"{in_seconds(first.seconds)} to {in_seconds(last.seconds)}"
    memory = (
        "–" if last.memory_mb is None else f"{first.memory_mb:,.0f} to {last.memory_mb:,.0f} MB"
    )
    return first.step, first.program, sizes, seconds, f"{exponent(curve):.2f}", memory


def in_seconds(value: float) -> str:
    """Return a time as tables show it."""
    return f"{value:,.0f} s" if value >= 1000 else f"{value:.3g} s"
