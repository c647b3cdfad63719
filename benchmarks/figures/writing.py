"""Draws every figure of a run that its cells allow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures.curves import CURVES, draw_curves
from benchmarks.figures.example_maps import draw_examples
from benchmarks.figures.overview import OVERVIEW, draw_overview
from benchmarks.figures.style import LOOK, save
from benchmarks.figures.working_points import WORKING_POINTS, draw_working_points
from benchmarks.results.metrics_csv import read_rows
from benchmarks.results.result_set import Comparison, comparisons, stored_files

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_figures(run: Path, out: Path) -> list[Path]:
    """Write every figure of `run` to `out` as PNG and SVG; return the paths.

    Where the run holds several protocols each has its own figures, numbered in order of
    appearance. Figures that need scores or maps are left out where no cell has any.

    Raises:
        BenchmarkError: the run's metrics.csv, or a file that it refers to, is unreadable.
        StorageError: the figures can't be written.
    """
    import matplotlib.style

    found = comparisons(read_rows(run))
    paths: list[Path] = []
    with matplotlib.style.context(["default", LOOK]):
        for number, comparison in enumerate(found, start=1):
            suffix = f"-{number}" if len(found) > 1 else ""
            for name, figure in _figures(run, comparison):
                paths += save(figure, out, f"{name}{suffix}")
    return paths


def _figures(run: Path, comparison: Comparison) -> Iterator[tuple[str, Figure]]:
    if any(map(comparison.has, OVERVIEW)):
        yield "overview", draw_overview(comparison)
    if any(map(comparison.has, WORKING_POINTS)):
        yield "working_points", draw_working_points(comparison)
    if scores := stored_files(run, comparison, "scores"):
        for name, curve in CURVES.items():
            yield name, draw_curves(comparison, scores, curve)
    maps = stored_files(run, comparison, "maps")
    for category in sorted({category for category, _ in maps}):
        yield f"examples_{category}", draw_examples(comparison, maps, category)
