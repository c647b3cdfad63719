"""Which cells are of one data set, whatever its folder is called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import chain

from benchmarks.datasets.known import KNOWN, SYNTHETIC
from benchmarks.results.cell import Cell


def dataset_labels(
    cells: Iterable[Cell], places: Mapping[str, Set[str]] | None = None
) -> Mapping[str, str]:
    """Return short key → name of the cell's data set, of cells whose data set's name isn't enough.

    Cells of one name are of one data set, wherever its categories lay, unless a category lay in
    two folders with different images. Then folders are told apart by a mark behind the name, but
    for those that hold a category with the same images: one is a copy of the other. Sets that are
    known by their content are one in any case.

    Args:
        cells: a run's.
        places: key of a cell → the folders, as hashes, that commands found its data in, beside that
            in which it was evaluated.
    """
    names: dict[str, str] = {}
    namesakes: dict[str, list[Cell]] = {}
    for cell in cells:
        namesakes.setdefault(cell.spec.dataset, []).append(cell)
    for dataset, cells_of_name in namesakes.items():
        groups = _folders(cells_of_name, places or {})
        categories = [{cell.spec.category for cell in group} for group in groups]
        if sum(map(len, categories)) == len(set().union(*categories)):
            continue
        for group in groups:
            mark = min(cell.place for cell in group)[:6] or "elsewhere"
            names |= {cell.short_key: f"{dataset} ({mark})" for cell in group}
    return names


def count_folders(cells: Sequence[Cell]) -> int:
    """Return in how many folders a data set's categories lay, copies and known sets as one."""
    return len(_folders(cells, {}))


def _folders(cells: Sequence[Cell], places: Mapping[str, Set[str]]) -> list[list[Cell]]:
    """Return the cells of one data set's name by the folder they lay in, copies of it as one."""
    if cells[0].spec.dataset in {*KNOWN, SYNTHETIC}:
        return [[*cells]]
    groups: list[tuple[set[object], list[Cell]]] = []
    for cell in cells:
        signs: set[object] = {cell.place, *places.get(cell.key, ())}
        signs.add((cell.spec.category, cell.spec.dataset_fingerprint))
        alike = [group for group in groups if signs & group[0]]
        groups = [group for group in groups if group not in alike]
        joined = [*chain.from_iterable(cells for _, cells in alike), cell]
        groups.append((signs.union(*(others for others, _ in alike)), joined))
    return [joined for _, joined in groups]
