"""Which cells are of one data set, whatever its folder is called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain

from benchmarks.datasets.known import KNOWN, SYNTHETIC
from benchmarks.results.cell import Cell


def dataset_labels(cells: Iterable[Cell]) -> Mapping[str, str]:
    """Return short key → name of the cell's data set, of cells whose data set's name isn't enough.

    Sets of one name are one where they lay in one folder, or hold a category with the same images:
    a copy elsewhere. Others get a mark behind their name. Those that are known by their content
    are one wherever they lie.
    """
    names: dict[str, str] = {}
    namesakes: dict[str, list[Cell]] = {}
    for cell in cells:
        namesakes.setdefault(cell.spec.dataset, []).append(cell)
    for dataset, cells_of_name in namesakes.items():
        groups = [] if dataset in KNOWN or dataset == SYNTHETIC else _groups(cells_of_name)
        for group in groups if len(groups) > 1 else ():
            mark = min(cell.place for cell in group)[:6] or "elsewhere"
            names |= {cell.short_key: f"{dataset} ({mark})" for cell in group}
    return names


def _groups(cells: Iterable[Cell]) -> list[list[Cell]]:
    """Return the cells of each data set."""
    groups: list[list[Cell]] = []
    for cell in cells:
        alike = [group for group in groups if any(_same_set(cell, other) for other in group)]
        apart = [group for group in groups if group not in alike]
        groups = [*apart, [*chain.from_iterable(alike), cell]]
    return groups


def _same_set(first: Cell, second: Cell) -> bool:
    """Whether two cells show by themselves that they are of one data set."""
    contents = [(cell.spec.category, cell.spec.dataset_fingerprint) for cell in (first, second)]
    return first.place == second.place or contents[0] == contents[1]
