"""Draws every figure of a run that its cells allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import curves, example_maps, overview, working_points
from benchmarks.figures.style import LOOK, save
from benchmarks.results import ResultSet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Figures = Callable[[ResultSet], Iterator[tuple[str, Figure]]]

FIGURES: tuple[Figures, ...] = (
    overview.figures,
    working_points.figures,
    curves.figures,
    example_maps.figures,
)
"""What yields the names and figures of a result set; nothing where its cells lack what it shows."""


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
    import matplotlib.style

    paths: list[Path] = []
    with matplotlib.style.context(["default", LOOK]):
        for number, results in enumerate(sets, start=1):
            suffix = f"-{number}" if len(sets) > 1 else ""
            for each in figures:
                for name, figure in each(results):
                    paths += save(figure, out, f"{name}{suffix}")
    return paths
