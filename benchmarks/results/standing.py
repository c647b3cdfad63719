"""Which of a run's cells stand in its tables: those asked for last, never simply the newest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from benchmarks.files import write_file
from benchmarks.results.cell import Cell
from benchmarks.results.identity import dataset_labels
from benchmarks.specs import CellSpec, digest

NAME = "asked.json"
"""The file of a run's folder that notes what commands asked of it."""

_VARYING = {"dataset_fingerprint", "params", "extractor_version", "metrics_version"}
"""Fields of a specification in which the cells of one position differ."""


class Asked(NamedTuple):
    """What a command asked for.

    Attributes:
        folder: where the data set lay, as a hash.
        fingerprint: of the category as it was then.
        key: the cell's; "" where it is of the category as a whole.
    """

    folder: str
    fingerprint: str
    key: str = ""


Notes = Mapping[str, Sequence[Asked]]
"""Position in a table, or category → what commands asked for there, each once, the latest last."""


class Standing(NamedTuple):
    """The cells that stand in tables.

    Attributes:
        cells: in the order of all cells.
        datasets: the name of each cell's data set.
        awaited: positions that stay empty: the cell that was asked for last isn't stored.
    """

    cells: list[Cell]
    datasets: list[str]
    awaited: int


def read_notes(run: Path, warn: Callable[[str], None] = lambda line: None) -> Notes:
    """Return what commands asked of a run; where nothing is noted, or readable, nothing."""
    path = run / NAME
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return {at: [Asked(*map(str, asked)) for asked in rows] for at, rows in stored.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError):
        warn(f"{path}: not readable, ignored: the newest cells are shown; run again to replace it")
        return {}


def note(run: Path, specs: Iterable[CellSpec], folder: str) -> None:
    """Note that a command asks for these cells, of a data set in this folder.

    Raises:
        StorageError: the note can't be written.
    """
    before = read_notes(run)
    after = dict(before)
    for spec in specs:
        asked = Asked(folder, spec.dataset_fingerprint, spec.key)
        for position, latest in (
            (_position(spec), asked),
            (_category(spec), asked._replace(key="")),
        ):
            earlier = [other for other in after.get(position, ()) if other != latest]
            after[position] = [*earlier, latest]
    if after != before:
        write_file(run / NAME, json.dumps(after, indent=1, sort_keys=True).encode())


def standing(cells: Sequence[Cell], notes: Notes) -> Standing:
    """Return the cells that stand in tables, one at most at each position.

    It is the one asked for last, of those on the data that the latest command on the category saw,
    if there are any; and none where that cell isn't stored. Where none was asked for, the newest
    stands.

    Args:
        cells: all of a run.
        notes: from `read_notes`.
    """
    known = [*{cell.key: cell for cell in cells}.values()]
    folders: dict[str, set[str]] = {cell.key: {cell.place} for cell in known}
    for request in chain.from_iterable(notes.values()):
        folders.setdefault(request.key, set()).add(request.folder)
    labels = dataset_labels(known, folders)
    competing: dict[tuple[str, str], list[Cell]] = {}
    marked: dict[str, set[str]] = {}
    for cell in known:
        label = labels.get(cell.short_key, cell.spec.dataset)
        competing.setdefault((label, _position(cell.spec)), []).append(cell)
        if cell.short_key in labels:
            marked.setdefault(label, set()).update(folders[cell.key])
    chosen: dict[str, str] = {}
    for (label, position), several in competing.items():
        of_set = marked.get(label)
        asked, seen = (
            [request for request in notes.get(at, ()) if not of_set or request.folder in of_set]
            for at in (position, _category(several[0].spec))
        )
        if chosen_cell := _choose(several, asked, seen):
            chosen[chosen_cell.key] = label
    stand = [cell for cell in known if cell.key in chosen]
    return Standing(stand, [chosen[cell.key] for cell in stand], len(competing) - len(chosen))


def _choose(cells: Sequence[Cell], asked: Sequence[Asked], seen: Sequence[Asked]) -> Cell | None:
    """Return which of the cells at one position stands, None where it isn't stored.

    Args:
        cells: those that are stored.
        asked: what commands asked for there, the latest last.
        seen: the category's data as commands saw them, the latest last.
    """
    order = {request.key: number for number, request in enumerate(asked)}
    stored = {cell.key: cell for cell in cells}
    prints = {request.key: request.fingerprint for request in asked}
    prints |= {key: cell.spec.dataset_fingerprint for key, cell in stored.items()}

    def rank(key: str) -> tuple[object, ...]:
        cell = stored.get(key)
        begun = (cell.started, key) if cell else ()
        return bool(seen) and prints[key] == seen[-1].fingerprint, order.get(key, -1), begun

    return stored.get(max(prints, key=rank))


def _position(spec: CellSpec) -> str:
    """Return what distinguishes a position of a run's tables, where one cell stands at most."""
    values = {name: value for name, value in spec.as_dict().items() if name not in _VARYING}
    return f"{spec.label} {digest(values)[:16]}"


def _category(spec: CellSpec) -> str:
    return f"{spec.category} {digest([spec.dataset, spec.category])[:16]}"
