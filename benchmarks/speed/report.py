"""What `benchmarks.speed` measured, as CSV, Markdown and figures."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures.style import DOUBLE, LOOK, Axes, Figure, new_figure, save
from benchmarks.files import as_csv, write_file

OURS, OTHER = "#2171b5", "#7f7f7f"


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
class Growth:
    """Times of one program over sizes, and its memory.

    Attributes:
        step: what was timed.
        program: "ours" or the reference.
        unit: what the sizes count.
        sizes: ascending.
        seconds: as many.
        memory_mb: what ours needed beyond its inputs, in 10⁶ bytes; empty for a reference.
    """

    step: str
    program: str
    unit: str
    sizes: tuple[int, ...]
    seconds: tuple[float, ...]
    memory_mb: tuple[float, ...] = ()

    @property
    def exponent(self) -> float:
        """Return b of seconds = a · size^b, least squares in logarithms."""
        return float(np.polyfit(np.log(self.sizes), np.log(self.seconds), 1)[0])


@dataclass(frozen=True)
class Report:
    """All that one run measured, and on what."""

    rows: Sequence[Comparison]
    growth: Sequence[Growth]
    caption: str

    @property
    def disagreements(self) -> list[Comparison]:
        """The rows whose results differ from the reference's."""
        return [row for row in self.rows if row.agrees is False]


def kept(report: Report, out: Path) -> Report:
    """Return a report with the rows and curves of other steps that an earlier run left in `out`."""
    measured = {row.step for row in report.rows}
    rows = [_row(cells) for cells in _read(out / "speed.csv") if cells["step"] not in measured]
    curves: dict[tuple[str, str], list[dict[str, str]]] = {}
    for cells in _read(out / "growth.csv"):
        if cells["step"] not in {curve.step for curve in report.growth}:
            curves.setdefault((cells["step"], cells["program"]), []).append(cells)
    growth = [_curve(points) for points in curves.values()]
    caption = report.caption
    if rows:
        steps = ", ".join(sorted({row.step for row in rows}))
        before = (out / "speed.md").read_text("utf-8").partition("\n\n|")[0]
        caption += f"\n\nMeasured before ({steps}):\n\n{before}"
    return Report([*rows, *report.rows], [*growth, *report.growth], caption)


def _read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _row(cells: dict[str, str]) -> Comparison:
    values: dict[str, Any] = {field.name: cells[field.name] for field in fields(Comparison)}
    for name in ("ours_seconds", "reference_seconds", "peak_memory_mb"):
        values[name] = float(values[name])
    for name in ("extrapolated", "agrees"):
        values[name] = {"True": True, "False": False}.get(values[name])
    return Comparison(**values)


def _curve(points: Sequence[dict[str, str]]) -> Growth:
    sizes = tuple(int(cells["sizes"]) for cells in points)
    seconds, memory = (
        tuple(float(cells[column]) for cells in points if cells[column])
        for column in ("seconds", "memory_mb")
    )
    return Growth(
        points[0]["step"], points[0]["program"], points[0]["unit"], sizes, seconds, memory
    )


def write(report: Report, out: Path, plots: Path) -> list[Path]:
    """Write speed.csv, growth.csv and speed.md to `out`, figures to `plots`; return the paths.

    Raises:
        StorageError: a file can't be written.
    """
    rows = [asdict(row) | {"ratio": row.ratio} for row in report.rows]
    curves = [
        asdict(growth)
        | {"sizes": size, "seconds": seconds, "memory_mb": memory, "exponent": growth.exponent}
        for growth in report.growth
        for size, seconds, memory in zip_longest(growth.sizes, growth.seconds, growth.memory_mb)
    ]
    tables = {"speed.csv": _csv(rows), "growth.csv": _csv(curves)}
    paths = []
    for name, content in {**tables, "speed.md": markdown(report).encode()}.items():
        if content:
            paths.append(out / name)
            write_file(paths[-1], content)
    return paths + _write_figures(report, plots)


def _csv(rows: Sequence[dict[str, Any]]) -> bytes:
    return as_csv([[*rows[0]], *([*row.values()] for row in rows)]) if rows else b""


def markdown(report: Report) -> str:
    """Return the tables of a report below its caption."""
    from tabulate import tabulate

    rows = [
        {
            "step": row.step,
            "size": row.size,
            "ours": in_seconds(row.ours_seconds),
            "reference": row.reference,
            "its time": in_seconds(row.reference_seconds) + (" *" if row.extrapolated else ""),
            "ratio": f"{_ratio(row.ratio)} ×",
            "memory": "–" if math.isnan(row.peak_memory_mb) else f"{row.peak_memory_mb:.0f} MB",
            "result": row.agreement or "–",
            "note": row.note or "–",
        }
        for row in report.rows
    ]
    parts = [report.caption, tabulate(rows, headers="keys", tablefmt="pipe", disable_numparse=True)]
    if any(row.extrapolated for row in report.rows):
        parts.append("\\* a part was run and its time multiplied, as the note says.")
    if report.growth:
        curves = [
            {
                "step": growth.step,
                "program": growth.program,
                "sizes": f"{growth.sizes[0]:,} to {growth.sizes[-1]:,} {growth.unit}",
                "seconds": f"{in_seconds(growth.seconds[0])} to {in_seconds(growth.seconds[-1])}",
                "exponent": f"{growth.exponent:.2f}",
                "memory": _from_to(growth.memory_mb),
            }
            for growth in report.growth
        ]
        table = tabulate(curves, headers="keys", tablefmt="pipe", disable_numparse=True)
        parts += ["Growth: time ∝ size^exponent, least squares in logarithms.", table]
    return "\n\n".join(parts) + "\n"


def _from_to(megabytes: Sequence[float]) -> str:
    return f"{megabytes[0]:,.0f} to {megabytes[-1]:,.0f} MB" if megabytes else "–"


def _ratio(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def in_seconds(value: float) -> str:
    """Return a time as tables show it."""
    return f"{value:,.0f} s" if value >= 1000 else f"{value:.3g} s"


def _write_figures(report: Report, plots: Path) -> list[Path]:
    import matplotlib.style

    figures: dict[str, Figure] = {}
    paths: list[Path] = []
    with matplotlib.style.context(["default", LOOK, {"text.parse_math": True}]):
        if report.rows:
            figures["ratios"] = draw_ratios(report.rows)
        if report.growth:
            figures["growth"] = draw_growth(report.growth)
        for name, figure in figures.items():
            paths += save(figure, plots, name)
    return paths


def draw_ratios(rows: Sequence[Comparison]) -> Figure:
    """Draw how many times faster ours is, one bar a row, on a logarithmic axis from 1."""
    caption = "Time of the reference over ours; hatched where the reference was extrapolated"
    figure = new_figure(DOUBLE, 0.5 + 0.17 * len(rows), caption)
    panel = figure.subplots()
    ratios = [row.ratio for row in rows]
    bars = panel.barh(range(len(rows)), [ratio - 1 for ratio in ratios], 0.7, left=1, color=OURS)
    for bar, row in zip(bars, rows, strict=True):
        bar.set(hatch="////" if row.extrapolated else "", edgecolor="white", linewidth=0.3)
        panel.annotate(
            _ratio(row.ratio),
            (max(row.ratio, 1), bar.get_y() + bar.get_height() / 2),
            (3, 0),
            textcoords="offset points",
            va="center",
        )
    panel.set_xscale("log")
    panel.set_xlim(min(0.5, *ratios) * 0.8, max(2, *ratios) * 2)
    panel.axvline(1, color="0.3", linewidth=0.5)
    panel.set_yticks(range(len(rows)), [f"{row.step}: {row.reference}" for row in rows])
    panel.set_ylim(len(rows) - 0.4, -0.6)
    panel.tick_params(axis="y", length=0)
    panel.set_xlabel("Ratio")
    return figure


def draw_growth(growth: Sequence[Growth]) -> Figure:
    """Draw one panel a step, time over size, both logarithmic, with the fitted lines."""
    steps = list(dict.fromkeys(curve.step for curve in growth))
    figure = new_figure(DOUBLE, 2.6, "Growth of time with size; b is the fitted exponent")
    for panel, step in zip(figure.subplots(1, len(steps), squeeze=False)[0], steps, strict=True):
        _draw_panel(panel, step, [curve for curve in growth if curve.step == step])
    return figure


def _draw_panel(panel: Axes, step: str, curves: Sequence[Growth]) -> None:
    for curve in curves:
        ours = curve.program == "ours"
        colour, marker, line = (OURS, "o", "-") if ours else (OTHER, "s", "--")
        ends = np.array([curve.sizes[0], curve.sizes[-1]], float)
        slope, level = np.polyfit(np.log(curve.sizes), np.log(curve.seconds), 1)
        panel.loglog(curve.sizes, curve.seconds, marker, color=colour)
        label = f"{curve.program}, b = {curve.exponent:.2f}"
        panel.loglog(ends, np.exp(level) * ends**slope, line, color=colour, marker="", label=label)
    panel.set_xlabel(curve.unit)
    panel.set_ylabel("Seconds")
    seconds = np.log10([value for curve in curves for value in curve.seconds])
    panel.set_ylim(10 ** np.floor(seconds.min()), 10 ** np.ceil(seconds.max()))
    panel.minorticks_off()
    panel.set_xticks(curve.sizes, [f"{size:,}" for size in curve.sizes], rotation=30)
    panel.legend(title=step, loc="lower center", bbox_to_anchor=(0.5, 1))
