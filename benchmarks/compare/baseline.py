"""Baselines: a run's cells with their values, and how far re-runs of the same code may differ."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.errors import BenchmarkError
from benchmarks.files import atomic_file
from benchmarks.metrics import METRICS
from benchmarks.results import Cell
from benchmarks.specs import CellSpec, canonical_json

FLOOR = 1e-5
"""The least tolerance of a metric that does not count images: rounding alone moves pixels."""

MARGIN = 2
"""Times the measured difference: machines differ more than those that were measured."""

ROUNDING = 1e-9
"""A difference of whole images, divided by their number and multiplied again, is off by less."""

_REMEDY = "restore it, or delete it and write it anew with --update"


@dataclass(frozen=True)
class Tolerance:
    """How far a metric may move before it counts.

    Attributes:
        amount: the largest difference that is none.
        unit: "images" where the metric counts images, whatever it is divided by, else "fraction".
        origin: where the amount comes from.
    """

    amount: float
    unit: str
    origin: str


@dataclass(frozen=True)
class Baseline:
    """Cells that later runs are compared with, and metric → its tolerance."""

    cells: tuple[Cell, ...]
    tolerances: Mapping[str, Tolerance]

    def limit(self, metric: str, cell: Cell) -> float:
        """Return the largest change that still counts as none, in the metric's unit."""
        images = _images(metric, cell)
        return (self.tolerances[metric].amount + ROUNDING) / images if images else 0.0


def label(cell: Cell) -> str:
    """Return a cell's name in a baseline: category, method, seed and shots."""
    spec = cell.spec
    shots = "" if spec.shots is None else f" {spec.shots} shots"
    return f"{spec.category} {spec.method} seed {spec.seed}{shots}"


def value(cell: Cell, metric: str) -> float | None:
    """Return a cell's value; None where the cell failed, or the value is undefined or no number."""
    number = cell.metrics.get(metric)
    is_number = isinstance(number, int | float) and math.isfinite(number)
    return number if is_number and cell.status == "ok" else None


def unit(metric: str) -> str:
    """Return what a metric's tolerance is given in: images where it counts any, else fraction."""
    return "images" if METRICS[metric].counted_images else METRICS[metric].unit


def _images(metric: str, cell: Cell) -> int:
    """Return the denominator of a metric that counts images; 1 for any other."""
    counts = METRICS[metric].counted_images
    return sum(getattr(cell, count) or 0 for count in counts) if counts else 1


def spread(cells: Iterable[Cell], identity: Callable[[Cell], str]) -> dict[str, tuple[float, int]]:
    """Return metric → the largest difference between cells of one identity, and how many groups.

    Differences are in the unit of the metric's tolerance. Groups of one cell and undefined values
    tell nothing and are left out; a metric without any other has 0 groups.
    """
    groups: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[identity(cell)].append(cell)
    found = {}
    for metric in METRICS:
        differences = []
        for group in groups.values():
            known = [number for cell in group if (number := value(cell, metric)) is not None]
            if len(known) > 1:
                differences.append((max(known) - min(known)) * _images(metric, group[0]))
        found[metric] = (max(differences, default=0.0), len(differences))
    return found


def tolerances_from_reruns(
    cells: Collection[Cell], runs: Mapping[str, Collection[Cell]]
) -> dict[str, Tolerance]:
    """Return the tolerances that re-runs of the same cells justify, each with its origin.

    A metric that counts images gets what was measured, in whole images. Every other gets MARGIN
    times that, with two digits, at least FLOOR. Seeds are measured for comparison and never
    tolerated: a run is compared with the same seed only.

    Args:
        cells: the cells of the new baseline.
        runs: name → cells of runs of the same code in other circumstances, the baseline's included.

    Raises:
        BenchmarkError: the runs hold no cell of the baseline twice.
    """
    keys = {cell.key for cell in cells}
    pool = [cell for found in runs.values() for cell in found]
    again = spread((cell for cell in pool if cell.key in keys), lambda cell: cell.key)
    seeds = spread(pool, lambda cell: replace(cell.spec, seed=0).key)
    if not any(groups for _, groups in again.values()):
        raise BenchmarkError(
            f"--measure {' '.join(runs)}: none of the baseline's cells is in two of these runs; "
            "name re-runs of the same command"
        )
    names = ", ".join(Path(name).name for name in runs)
    numbers = ", ".join(map(str, sorted({cell.spec.seed for cell in pool})))
    return {
        metric: _tolerance(
            metric,
            difference,
            f"largest difference in {groups} cells of the same seed between {names}: "
            f"{difference:.2g} (between seeds {numbers}: {seeds[metric][0]:.2g})",
        )
        for metric, (difference, groups) in again.items()
    }


def rounding_tolerances() -> dict[str, Tolerance]:
    """Return the tolerances of a baseline that nothing was measured for: those of rounding.

    No image where a metric counts images, FLOOR in every other.
    """
    origin = "rounding alone, not measured: --update --measure RERUN … measures it"
    amounts = {metric: 0 if unit(metric) == "images" else FLOOR for metric in METRICS}
    return {metric: Tolerance(amount, unit(metric), origin) for metric, amount in amounts.items()}


def _tolerance(metric: str, difference: float, origin: str) -> Tolerance:
    if unit(metric) == "images":
        return Tolerance(round(difference), "images", origin)
    amount = max(FLOOR, float(f"{MARGIN * difference:.2g}"))
    return Tolerance(amount, "fraction", f"{origin}; {MARGIN} times that, at least {FLOOR}")


def write(path: Path, baseline: Baseline) -> None:
    """Write a baseline as JSON, one line a tolerance, a cell's identity, and a value.

    Raises:
        BenchmarkError: two cells have the same label, or a metric has no tolerance.
        StorageError: the file can't be written.
    """
    if unmeasured := sorted(METRICS.keys() - baseline.tolerances):
        raise BenchmarkError(f"{path}: no tolerance for {', '.join(unmeasured)}; add --measure")
    cells: dict[str, Any] = {}
    for cell in baseline.cells:
        if label(cell) in cells:
            raise BenchmarkError(
                f"{label(cell)}: two such cells under different protocols or data; "
                "run the baseline's command into a folder of its own"
            )
        cells[label(cell)] = {
            "key": cell.key,
            "n_test_good": cell.n_test_good,
            "n_test_defect": cell.n_test_defect,
            "spec": cell.spec.as_dict(),
        }
    values = {
        f"{label(cell)} {metric}": value(cell, metric)
        for cell in baseline.cells
        for metric in baseline.tolerances
    }
    tolerances = {name: vars(found) for name, found in baseline.tolerances.items()}
    sections = {"tolerances": tolerances, "cells": cells, "values": values}
    text = ",\n".join(f'"{name}": {_lines(section)}' for name, section in sections.items())
    with atomic_file(path) as file:
        file.write(f"{{\n{text}\n}}\n".encode())


def _lines(section: Mapping[str, Any]) -> str:
    entries = ",\n".join(f" {json.dumps(k)}: {canonical_json(v)}" for k, v in section.items())
    return f"{{\n{entries}\n}}"


def read(path: Path) -> Baseline:
    """Return a stored baseline.

    Raises:
        BenchmarkError: there is none, or it is truncated, damaged, incomplete or empty.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
        tolerances = {name: _checked(Tolerance(**t)) for name, t in stored["tolerances"].items()}
        values = {name: _number(number) for name, number in stored["values"].items()}
        cells = tuple(
            _cell(name, entry, {metric: values.pop(f"{name} {metric}") for metric in tolerances})
            for name, entry in stored["cells"].items()
        )
        if values or not cells:
            raise ValueError(f"no cell for {next(iter(values))}" if values else "no cells")
    except KeyError as error:
        raise BenchmarkError(f"{path}: {error.args[0]} is missing; {_REMEDY}") from error
    except OSError as error:
        raise BenchmarkError(f"{path}: {error.strerror}; {_REMEDY}") from error
    except (ValueError, TypeError, AttributeError) as error:
        detail = str(error).splitlines()[0]
        raise BenchmarkError(f"{path}: not a baseline ({detail}); {_REMEDY}") from error
    return Baseline(cells, tolerances)


def _cell(name: str, entry: Mapping[str, Any], values: Mapping[str, float | None]) -> Cell:
    # A failed cell and one without any defined value are alike here: both hold no value.
    cell = Cell(
        CellSpec.from_dict(entry["spec"]),
        "ok",
        metrics=values,
        n_test_good=_count(entry["n_test_good"]),
        n_test_defect=_count(entry["n_test_defect"]),
    )
    if cell.key != entry["key"] or label(cell) != name:
        raise ValueError(f"the specification of {name} is not what its key says")
    return cell


def _checked(tolerance: Tolerance) -> Tolerance:
    if (amount := _number(tolerance.amount)) is None or amount < 0:
        raise ValueError(f"a tolerance of {amount}")
    return tolerance


def _number(number: object) -> float | None:
    if number is not None and (isinstance(number, bool) or not isinstance(number, int | float)):
        raise ValueError(f"{number!r} is not a number")
    return number


def _count(number: object) -> int | None:
    if number is not None and type(number) is not int:
        raise ValueError(f"{number!r} is not a number of images")
    return number


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")
