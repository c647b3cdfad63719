"""Draws every figure of a run that its cells allow."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType

from benchmarks.console import say
from benchmarks.errors import BenchmarkError
from benchmarks.figures import contamination, curves, example_maps, pareto
from benchmarks.figures.overview import draw_overview
from benchmarks.figures.style import MOST_CATEGORIES, MOST_METHODS, Drawing, Written, look, save
from benchmarks.figures.working_points import WORKING_POINTS, draw_working_points
from benchmarks.metrics.definitions import HEADLINE
from benchmarks.processes import map_in_processes
from benchmarks.results import ResultSet

Named = tuple[str, Drawing]
"""A figure's name, and what draws it."""

Shown = tuple[ResultSet, ...]
"""What a figure is drawn of."""

FIGURES_PER_PROCESS = 20
"""Figures that are worth the start of a process, which imports matplotlib."""


def write_figures(
    sets: Sequence[ResultSet], out: Path, drawn: Mapping[str, Shown] = MappingProxyType({})
) -> list[Path]:
    """Write every figure of a run to `out` as PNG, those of lines as SVG, too; return the paths.

    What nobody could read, or look at one by one, is left out with a word; so is a figure that
    can't be drawn.

    Args:
        sets: the run's result sets.
        out: where the figures go.
        drawn: name of an example figure that lies in `out` → what it shows; it stays where it would
            show the same, and is removed where the run has none of its name.

    Raises:
        BenchmarkError: a file that the run refers to is unreadable.
        StorageError: the figures can't be written.
    """
    for why in filter(None, map(_too_many, sets)):
        say(f"left out: {why}; the report shows each")
    stale, kept, left = dict(drawn), [], []
    for name, draw in (*drawings(sets, _figures), *contamination.figures(sets)):
        path = out / f"{name}.png"
        if stale.pop(name, None) == draw.args and path.is_file():
            kept.append(path)
        else:
            left.append((name, draw))
    for name in stale:
        (out / f"{name}.png").unlink(missing_ok=True)
    return [*kept, *write_drawings(left, out)]


def drawings(
    sets: Sequence[ResultSet], figures_of: Callable[[ResultSet], Iterator[Named]]
) -> list[Named]:
    """Return the figures of all sets, numbered in order of appearance where there are several."""
    return [
        (f"{name}-{number}" if len(sets) > 1 else name, draw)
        for number, results in enumerate(sets, start=1)
        for name, draw in figures_of(results)
    ]


def write_drawings(figures: Sequence[Named], out: Path) -> list[Path]:
    """Write figures to `out`, and say what is wrong with them; raises as `write_figures`."""
    written = [*map_in_processes(partial(_try_to_write, out), figures, FIGURES_PER_PROCESS)]
    for problem in (figure.problem for figure in written if figure.problem):
        say(f"warning: {problem}")
    say_boxes(written)
    return [path for figure in written for path in figure.paths]


def say_boxes(written: Collection[Written]) -> None:
    """Say, once for all figures, which characters no font here has; nothing where there is none."""
    if boxes := sorted(frozenset[str]().union(*(figure.boxes for figure in written))):
        say(
            f"warning: no font here has {''.join(boxes[:20])}: figures show boxes; install "
            "one, as Noto, and remove the figures to have them drawn again"
        )


def _figures(results: ResultSet) -> Iterator[Named]:
    """Yield the figures of a result set of which the cells have what they show."""
    if any(map(results.has, HEADLINE)):
        yield "overview", partial(draw_overview, results)
    if any(map(results.has, WORKING_POINTS)) and not _too_many(results):
        yield "working_points", partial(draw_working_points, results)
    yield from pareto.figures(results)
    yield from curves.figures(results)
    yield from example_maps.figures(results)


def _too_many(results: ResultSet) -> str:
    """Say what isn't drawn of so many categories or methods, nothing where all is."""
    if (count := len(results.methods)) > MOST_METHODS:
        return f"curves, errors and maps of {count} methods, more than {MOST_METHODS}"
    count = len(results.categories)
    return f"errors and maps of {count} categories, more than {MOST_CATEGORIES}" * (
        count > MOST_CATEGORIES
    )


def _try_to_write(out: Path, drawing: Named) -> Written:
    """Draw and write a figure; one that can't be drawn leaves no earlier file."""
    name, _ = drawing
    try:
        return write(out, drawing)
    except BenchmarkError:
        raise
    except Exception as error:  # noqa: BLE001 a picture's boundary: the rest is worth having
        for ending in ("png", "svg"):
            with suppress(OSError):
                (out / f"{name}.{ending}").unlink()
        why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        return Written((), problem=f"{out / name}.png can't be drawn, and is left out ({why})")


def write(out: Path, drawing: Named) -> Written:
    """Draw and write a figure."""
    name, draw = drawing
    with look():
        return save(draw(), out, name, svg=not name.startswith(example_maps.PREFIX))
