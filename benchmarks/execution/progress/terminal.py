"""The grid that a terminal shows while cells run: categories and methods, whatever its size."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from benchmarks.execution.progress.board import Board, State

LEAST_WIDTH = len("100.0")
"""Characters of a column at least."""

STYLES = {"running": "bold yellow", "failed": "bold red", "done": "green", "waiting": "dim"}

SIGNS = {"waiting": "·", "running": "▸", "failed": "✗", "stored": "="}

URGENCY = ("running", "waiting", "done")


def start(board: Callable[[], Board]) -> Live:
    """Draw what `board` returns on stderr, again and again, below what else is printed there.

    Returns:
        What stops it, and leaves nothing behind.
    """
    console = Console(stderr=True, force_terminal=True)
    live = Live(LiveBoard(board), console=console, transient=True, redirect_stdout=False)
    live.start()
    return live


@dataclass(frozen=True)
class LiveBoard:
    """A board as it is now, to be drawn to the size of the terminal as it is now."""

    board: Callable[[], Board]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield draw(self.board(), *console.size)


@dataclass(frozen=True)
class _Grid:
    """Cells by the names of their row and column."""

    cells: Mapping[tuple[str, str], Sequence[State]]

    def transposed(self) -> _Grid:
        return _Grid({(column, row): cells for (row, column), cells in self.cells.items()})

    def phases(self, axis: int) -> dict[str, str]:
        """Return row (axis 0) or column (axis 1) → whether it runs, waits or is done."""
        kinds: dict[str, set[str]] = {}
        for names, cells in self.cells.items():
            kinds.setdefault(names[axis], set()).update(cell.kind for cell in cells)
        return {name: next((p for p in URGENCY if p in k), "done") for name, k in kinds.items()}

    def name_width(self, width: int) -> int:
        return min(max(map(len, self.phases(0))), width // 2)

    def fitting(self, width: int) -> int:
        """Return how many columns fit beside each other."""
        most = max(map(len, self.cells.values()))
        least = max(LEAST_WIDTH, len(f"{most}/{most}✗") if most > 1 else 0)
        return max(1, (width - self.name_width(width)) // (least + 1))


def draw(board: Board, width: int, height: int) -> Group:
    """Return a board as lines that fit a terminal.

    Rows are categories, or methods where there are more of them than fit beside each other. What
    fits neither way is reduced to the rows and columns that run and those to come; the others are
    counted.

    Args:
        board: what there is to be seen.
        width: the terminal's columns.
        height: its lines; one is left free.
    """
    grid, names = _Grid(board.states), ("categories", "methods")
    if grid.fitting(width) < len(grid.phases(1)) > len(grid.phases(0)):
        grid, names = grid.transposed(), names[::-1]
    columns = _urgent(grid.phases(1), grid.fitting(width))
    room = (width - grid.name_width(width)) // len(columns) - 1
    column_width = min(room, max(len("features"), *map(len, columns)))
    titles, legend = _titles(columns, column_width)
    now = f"; now: {board.running}" if board.running else ""
    above = [
        *textwrap.wrap(board.counts, width),
        textwrap.shorten(board.times + now, width, placeholder=" …"),
    ]
    below = textwrap.wrap("  ".join(legend), width, break_on_hyphens=False)
    left = height - len(above) - len(below) - 3  # the titles, what isn't shown, and a free line
    rows = _urgent(grid.phases(0), max(1, left))
    others = _others(names, (grid.phases(0), grid.phases(1)), (rows, columns))
    below += [textwrap.shorten(others, width, placeholder=" …")] if others else []
    table = _table(grid, rows, dict(zip(columns, titles, strict=True)), width, column_width)
    return Group(*map(Text, above), table, *map(Text, below))


def _table(
    grid: _Grid, rows: Sequence[str], titles: Mapping[str, str], width: int, column_width: int
) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", width=grid.name_width(width), no_wrap=True)
    for title in titles.values():
        table.add_column(Text(title), width=column_width, no_wrap=True, justify="right")
    for row in rows:
        entries = [_entry(grid.cells.get((row, column), ()), column_width) for column in titles]
        table.add_row(Text(row), *entries)
    return table


def _entry(cells: Sequence[State], width: int) -> Text:
    """Return what a cell says of its state, as fully as there is room for.

    Several say how many are done, with a mark where some failed.
    """
    kinds = Counter(cell.kind for cell in cells)
    leading = next((kind for kind in ("running", "failed", "waiting", "done") if kinds[kind]), "")
    if not leading:
        return Text(SIGNS["stored"] if cells else "")
    count = ""
    if len(cells) > 1:
        over = len(cells) - kinds["waiting"] - kinds["running"]
        count = f"{over}/{len(cells)}" + (SIGNS["failed"] if kinds["failed"] else "")
    said = {"done": cells[0].text} | SIGNS
    wordings = [count or said[leading]]
    if leading == "running":
        stage = next(cell.text for cell in cells if cell.kind == "running") or "running"
        wordings = [f"{stage} {count}".strip(), *wordings]
    return Text(next((w for w in wordings if len(w) <= width), wordings[-1]), STYLES[leading])


def _titles(columns: Sequence[str], width: int) -> tuple[list[str], list[str]]:
    """Return the columns' titles, numbers for names that are too long, and what those stand for."""
    titles: list[str] = []
    legend: list[str] = []
    for name in columns:
        if len(name) > width:
            legend.append(f"{len(legend) + 1}\N{NO-BREAK SPACE}{name}")
        titles.append(name if len(name) <= width else str(len(legend)))
    return titles, legend


def _urgent(phases: Mapping[str, str], room: int) -> list[str]:
    """Return as many names as there is room for, in their order: what runs first, then the next."""
    chosen = sorted(phases, key=lambda name: URGENCY.index(phases[name]))[:room]
    return [name for name in phases if name in chosen]


def _others(
    names: Sequence[str], phases: Sequence[Mapping[str, str]], shown: Sequence[Sequence[str]]
) -> str:
    """Say how many rows and columns are not shown."""
    said = []
    for what, along, some in zip(names, phases, shown, strict=True):
        counts = Counter(phase for name, phase in along.items() if name not in some)
        listed = ", ".join(f"{counts[phase]} {phase}" for phase in URGENCY if counts[phase])
        said += [f"other {what}: {listed}"] if listed else []
    return "; ".join(said)
