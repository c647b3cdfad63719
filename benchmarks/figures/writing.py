"""Draws every figure of a run that its cells allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from benchmarks.figures import curves, example_maps
from benchmarks.figures.critical_difference import draw_critical_difference
from benchmarks.figures.overview import draw_overview
from benchmarks.figures.style import LOOK, Drawing, Figure, save
from benchmarks.figures.working_points import WORKING_POINTS, draw_working_points
from benchmarks.metrics.definitions import HEADLINE
from benchmarks.processes import map_in_processes
from benchmarks.results import ResultSet

Figures = Callable[[ResultSet], Iterator[tuple[str, Drawing]]]

FIGURES_PER_PROCESS = 6
"""Figures that are worth the start of a process; each takes about a second, as a start does."""


def _figure(name: str, draw: Callable[[ResultSet], Figure], metrics: Sequence[str]) -> Figures:
    """Return what yields a single figure, where the cells have any of its metrics."""

    def figures(results: ResultSet) -> Iterator[tuple[str, Drawing]]:
        if any(map(results.has, metrics)):
            yield name, partial(draw, results)

    return figures


FIGURES: tuple[Figures, ...] = (
    _figure("overview", draw_overview, HEADLINE),
    _figure("working_points", draw_working_points, WORKING_POINTS),
    curves.figures,
    example_maps.figures,
)
"""What yields names, and what draws the figures, of a result set.

It yields nothing where the cells lack what a figure shows.
"""

CRITICAL_DIFFERENCE = _figure("critical_difference", draw_critical_difference, HEADLINE)


def write_figures(
    sets: Sequence[ResultSet], out: Path, figures: Sequence[Figures] = FIGURES
) -> list[Path]:
    """Write every figure of a run to `out` as PNG and SVG; return the paths.

    Where the run holds several result sets each has its own figures, numbered in order of
    appearance.

    Args:
        sets: the run's result sets.
        out: where the figures go.
        figures: which.

    Raises:
        BenchmarkError: a file that the run refers to is unreadable.
        StorageError: the figures can't be written.
    """
    drawings = [
        (f"{name}-{number}" if len(sets) > 1 else name, draw, out)
        for number, results in enumerate(sets, start=1)
        for of_results in figures
        for name, draw in of_results(results)
    ]
    return [*chain.from_iterable(map_in_processes(_write, drawings, FIGURES_PER_PROCESS))]


def _write(drawing: tuple[str, Drawing, Path]) -> list[Path]:
    import matplotlib.style

    name, draw, out = drawing
    with matplotlib.style.context(["default", LOOK]):
        return save(draw(), out, name)
