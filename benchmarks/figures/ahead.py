"""Draws a category's example maps while later categories run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import Self

from benchmarks.figures import example_maps
from benchmarks.figures.style import MOST_CATEGORIES
from benchmarks.figures.writing import Shown, drawings, write
from benchmarks.processes import standing_back
from benchmarks.results import Cell
from benchmarks.results.reading import sets_so_far
from benchmarks.results.result_set import category_of


class Ahead:
    """Draws in a process of its own, for drawing in this one would delay what feeds a device.

    A figure that fails, or isn't drawn by the end, is left to `write_figures`.

    Args:
        run: the run's folder.
        out: where the figures go.
    """

    def __init__(self, run: Path, out: Path) -> None:
        self._run, self._out = run, out
        self._left = Counter[str]()
        self._pool: ProcessPoolExecutor | None = None
        self._drawing: list[Future[dict[str, Shown]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def begin(self, cells: Mapping[str, int]) -> None:
        """Draw each of these categories after its last cell, where they are few enough.

        Args:
            cells: category → how many cells of it are going to be stored.
        """
        if len(cells) <= MOST_CATEGORIES:
            self._left.update(cells)
            with suppress(OSError):
                self._pool = standing_back("matplotlib.figure")

    def stored(self, cell: Cell) -> None:
        """Note that a cell is stored."""
        self._left[cell.spec.category] -= 1
        if self._pool and not self._left[cell.spec.category]:
            with suppress(BrokenProcessPool):
                task = self._pool.submit(_draw, self._run, self._out, category_of(cell))
                self._drawing.append(task)

    def drawn(self) -> dict[str, Shown]:
        """Return name of a figure → what it shows; figures that aren't begun are given up."""
        begun = [task for task in self._drawing if not task.cancel()]
        wait(begun)
        return {
            name: shown
            for task in begun
            if task.exception() is None
            for name, shown in task.result().items()
        }


def _draw(run: Path, out: Path, category: str) -> dict[str, Shown]:
    drawn = {}
    for name, draw in drawings(sets_so_far(run), example_maps.figures):
        mine = draw.args[0].categories == (category,)
        if mine and not write(out, (name, draw)).boxes:  # else drawn again, where that is said
            drawn[name] = draw.args
    return drawn
