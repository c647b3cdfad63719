"""Draws every figure of a run that its cells allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from benchmarks.console import say
from benchmarks.errors import BenchmarkError
from benchmarks.figures import contamination, curves, example_maps, pareto
from benchmarks.figures.critical_difference import draw_critical_difference
from benchmarks.figures.fonts import drawn_with_fonts, say_boxes
from benchmarks.figures.overview import draw_overview
from benchmarks.figures.style import (
    MOST_CATEGORIES,
    MOST_METHODS,
    Drawing,
    Figure,
    save,
)
from benchmarks.figures.working_points import WORKING_POINTS, draw_working_points
from benchmarks.metrics.definitions import HEADLINE
from benchmarks.processes import map_in_processes
from benchmarks.results import ResultSet

Figures = Callable[[ResultSet], Iterator[tuple[str, Drawing]]]

Shown = tuple[ResultSet, ...]
"""What a figure is drawn of."""

FIGURES_PER_PROCESS = 20
"""Figures that are worth the start of a process, which imports matplotlib."""


class Written(NamedTuple):
    """A figure's files; the characters that it shows as boxes; why it isn't drawn, if it isn't."""

    paths: Sequence[Path]
    boxes: frozenset[str] = frozenset()
    problem: str = ""


def _figure(name: str, draw: Callable[[ResultSet], Figure], metrics: Sequence[str]) -> Figures:
    """Return what yields a single figure, where the cells have any of its metrics."""

    def figures(results: ResultSet) -> Iterator[tuple[str, Drawing]]:
        if any(map(results.has, metrics)):
            yield name, partial(draw, results)

    return figures


def _few(figures: Figures) -> Figures:
    """Return `figures` where there are few enough methods and categories to tell them apart."""
    return lambda results: iter(()) if _too_many(results) else figures(results)


FIGURES: tuple[Figures, ...] = (
    _figure("overview", draw_overview, HEADLINE),
    _few(_figure("working_points", draw_working_points, WORKING_POINTS)),
    pareto.figures,
    curves.figures,
    example_maps.figures,
)
"""What yields names, and what draws the figures, of a result set.

It yields nothing where the cells lack what a figure shows.
"""

CRITICAL_DIFFERENCE = _figure("critical_difference", draw_critical_difference, HEADLINE)


def write_figures(
    sets: Sequence[ResultSet],
    out: Path,
    figures: Sequence[Figures] = FIGURES,
    drawn: Mapping[str, Shown] = MappingProxyType({}),
) -> list[Path]:
    """Write every figure of a run to `out` as PNG, those of lines as SVG, too; return the paths.

    What nobody could read, or look at one by one, is left out with a word; so is a figure that
    can't be drawn.

    Where the run holds several result sets each has its own figures, numbered in order of
    appearance.

    Args:
        sets: the run's result sets.
        out: where the figures go.
        figures: which.
        drawn: name of an example figure that lies in `out` → what it shows; it stays where it would
            show the same, and is removed where the run has none of its name.

    Raises:
        BenchmarkError: a file that the run refers to is unreadable.
        StorageError: the figures can't be written.
    """
    for results in sets:
        if figures is FIGURES and (why := _too_many(results)):
            say(f"left out: {why}; the report shows each")
    stale, kept, left = dict(drawn), [], []
    for name, draw, folder in drawings(sets, out, figures):
        path = folder / f"{name}.png"
        if stale.pop(name, None) == draw.args and path.is_file():
            kept.append(path)
        else:
            left.append((name, draw, folder))
    for name in stale:
        (out / f"{name}.png").unlink(missing_ok=True)
    written = [*map_in_processes(_try_to_write, left, FIGURES_PER_PROCESS)]
    for problem in (figure.problem for figure in written if figure.problem):
        say(f"warning: {problem}")
    say_boxes(frozenset[str]().union(*(figure.boxes for figure in written)))
    return [*kept, *chain.from_iterable(figure.paths for figure in written)]


def drawings(
    sets: Sequence[ResultSet], out: Path, figures: Sequence[Figures]
) -> Iterator[tuple[str, Drawing, Path]]:
    """Yield every figure's name, what draws it, and where it goes; arguments as `write_figures`."""
    for number, results in enumerate(sets, start=1):
        for of_results in figures:
            for name, draw in of_results(results):
                yield f"{name}-{number}" if len(sets) > 1 else name, draw, out
    for name, draw in contamination.figures(sets) if figures is FIGURES else ():
        yield name, draw, out


def _too_many(results: ResultSet) -> str:
    """Say what isn't drawn of so many categories or methods, nothing where all is."""
    if (count := len(results.methods)) > MOST_METHODS:
        return f"curves, errors and maps of {count} methods, more than {MOST_METHODS}"
    count = len(results.categories)
    return f"errors and maps of {count} categories, more than {MOST_CATEGORIES}" * (
        count > MOST_CATEGORIES
    )


def _try_to_write(drawing: tuple[str, Drawing, Path]) -> Written:
    """Draw and write one of `drawings`; one that can't be drawn leaves no earlier file."""
    name, _, out = drawing
    try:
        return write(drawing)
    except BenchmarkError:
        raise
    except Exception as error:  # noqa: BLE001 a picture's boundary: the rest is worth having
        for ending in ("png", "svg"):
            with suppress(OSError):
                (out / f"{name}.{ending}").unlink()
        why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        return Written((), problem=f"{out / name}.png can't be drawn, and is left out ({why})")


def write(drawing: tuple[str, Drawing, Path]) -> Written:
    """Draw and write one of `drawings`, with other fonts where the usual one lacks characters."""
    name, draw, out = drawing
    svg = not name.startswith(example_maps.PREFIX)
    return Written(*drawn_with_fonts(lambda: save(draw(), out, name, svg=svg)))
