"""Baselines: a run's cells with their values, and how far re-runs of the same code may differ."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.errors import BenchmarkError
from benchmarks.files import write_file
from benchmarks.metrics.calibrated import CALIBRATED, KNOWN
from benchmarks.results import Cell
from benchmarks.specs import CellSpec, canonical_json

FLOOR = 1e-5
"""The least tolerance of a metric that counts no images: rounding alone moves pixels."""

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
        amount, images = self.tolerances[metric].amount, denominator(metric, cell)
        return (amount + ROUNDING) / images if images else 0.0


def label(cell: Cell) -> str:
    """Return a cell's name in a baseline: category, method, seed and conditions."""
    spec = cell.spec
    return f"{spec.category} {spec.method} seed {spec.seed}{spec.condition_label}"


def value(cell: Cell, metric: str) -> float | None:
    """Return a cell's value; None where the cell failed, or the value is undefined or no number."""
    number = cell.metrics.get(metric)
    is_number = isinstance(number, int | float) and math.isfinite(number)
    return number if is_number and cell.status == "ok" else None


def metrics_of(cells: Iterable[Cell]) -> list[str]:
    """Return the metrics that cells are compared by, calibrated ones where thresholds were set."""
    calibrated = any(cell.spec.calibrate for cell in cells)
    return [name for name in KNOWN if calibrated or name not in CALIBRATED]


def unit(metric: str) -> str:
    """Return what a metric's tolerance is given in: images where it counts any, else fraction."""
    return "images" if KNOWN[metric].counted_images else KNOWN[metric].unit


def denominator(metric: str, cell: Cell) -> int:
    """Return by how many images a fraction of counted images is divided; 1 for other metrics."""
    counts = KNOWN[metric].counted_images if KNOWN[metric].unit == "fraction" else ()
    return sum(getattr(cell, count) or 0 for count in counts) if counts else 1


def with_rounding(
    tolerances: Mapping[str, Tolerance], metrics: Iterable[str]
) -> dict[str, Tolerance]:
    """Return a tolerance for each metric: the known ones, and that of rounding for the others.

    That is no image where a metric counts images, and FLOOR in every other.
    """
    return {
        metric: tolerances.get(metric)
        or Tolerance(
            0 if unit(metric) == "images" else FLOOR, unit(metric), "rounding alone, not measured"
        )
        for metric in metrics
    }


def write(path: Path, baseline: Baseline) -> None:
    """Write a baseline as JSON, one line a tolerance, a cell's identity, and a value.

    Raises:
        BenchmarkError: two cells have the same label.
        StorageError: the file can't be written.
    """
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
    tolerances = {name: vars(tolerance) for name, tolerance in baseline.tolerances.items()}
    sections = {"tolerances": tolerances, "cells": cells, "values": values}
    text = ",\n".join(f'"{name}": {_lines(section)}' for name, section in sections.items())
    write_file(path, f"{{\n{text}\n}}\n".encode())


def _lines(section: Mapping[str, Any]) -> str:
    lines = ",\n".join(f" {json.dumps(k)}: {canonical_json(v)}" for k, v in section.items())
    return f"{{\n{lines}\n}}"


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
            _cell(name, fields, {metric: values.pop(f"{name} {metric}") for metric in tolerances})
            for name, fields in stored["cells"].items()
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


def _cell(name: str, fields: Mapping[str, Any], values: Mapping[str, float | None]) -> Cell:
    # A failed cell and one without any defined value are alike here: both hold no value.
    cell = Cell(
        CellSpec.from_dict(fields["spec"]),
        "ok",
        metrics=values,
        n_test_good=_count(fields["n_test_good"]),
        n_test_defect=_count(fields["n_test_defect"]),
    )
    if cell.key != fields["key"] or label(cell) != name:
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
