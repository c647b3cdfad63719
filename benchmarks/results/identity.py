"""Which cells are of one data set, whatever its folder is called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

from benchmarks.datasets.known import KNOWN
from benchmarks.results.cell import Cell

SYNTHETIC = "synthetic"


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
    places: dict[str, list[Cell]] = {}
    for cell in cells:
        places.setdefault(cell.place, []).append(cell)
    groups = list(places.values())
    while pair := next((pair for pair in combinations(groups, 2) if _overlap(*pair)), None):
        groups = [group for group in groups if group not in pair] + [pair[0] + pair[1]]
    return groups


def _overlap(first: Iterable[Cell], second: Iterable[Cell]) -> bool:
    return not _contents(first).isdisjoint(_contents(second))


def _contents(cells: Iterable[Cell]) -> set[tuple[str, str]]:
    return {(cell.spec.category, cell.spec.dataset_fingerprint) for cell in cells}
