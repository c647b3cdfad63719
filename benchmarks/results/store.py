"""Cells on disk: each written whole the moment it is known, and the long table made from them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.errors import StorageError
from benchmarks.files import atomic_file, write_file
from benchmarks.metrics.calibrated import HeldOut
from benchmarks.results.cell import Cell, later_parts
from benchmarks.results.maps import count_maps, write_maps
from benchmarks.results.metrics_csv import as_metrics_csv
from benchmarks.results.scores import count_held_out, count_scores, write_held_out, write_scores
from benchmarks.results.standing import Standing, note, read_notes, standing
from benchmarks.specs import CellSpec, canonical_json

if TYPE_CHECKING:
    import numpy as np

SUFFIXES = {"cells": "json", "scores": "csv", "maps": "npz", "logs": "txt", "held_out": "csv"}
"""Folder of a run → how the name of a cell's file in it ends."""


class Store:
    """The cells of one run folder."""

    def __init__(self, run: Path) -> None:
        self.run = run

    def find(self, spec: CellSpec) -> Cell | None:
        """Return the stored cell of this very specification, None where there is none."""
        cell, _ = self._read(self._path("cells", spec))
        return cell if cell is not None and cell.key == spec.key else None

    def adopt(self, spec: CellSpec, other: Store) -> bool:
        """Copy the successful cell of this specification from `other`; return whether it has one.

        Its scores and maps come along where they are still there.
        """
        cell = other.find(spec)
        if cell is None or cell.status != "ok":
            return False
        self.require_replaceable([spec])
        for name in filter(None, (cell.scores, cell.maps, cell.held_out)):
            if (other.run / name).is_file():
                with atomic_file(self.run / name) as file:
                    file.write((other.run / name).read_bytes())
        with atomic_file(self._path("cells", spec)) as file:
            file.write(other._path("cells", spec).read_bytes())
        self._remove_log(spec)
        return True

    def write(
        self,
        cell: Cell,
        scores: Sequence[tuple[str, int, float]] = (),
        maps: Mapping[str, np.ndarray[Any, Any]] | None = None,
        traceback: str = "",
        held_out: HeldOut | None = None,
    ) -> Cell:
        """Store a cell; its other files first, so that a cell never names a missing one.

        A failed one doesn't replace a good one: its traceback alone is stored.

        Args:
            cell: the cell.
            scores: (path in the category's folder, label, image score) for each test image.
            maps: arrays for the maps file; None stores none.
            traceback: of its failure; an empty one stores none, and removes an earlier one.
            held_out: scores of the images that set its thresholds; None stores none.

        Returns:
            The cell with the paths of its `scores`, `maps`, `log` and `held_out`.

        Raises:
            StorageError: it can't be written, or a later version's cell lies there.
        """
        self.require_replaceable([cell.spec])
        before = self.find(cell.spec)
        kept = cell.status == "failed" and before is not None and before.status == "ok"
        files: dict[str, tuple[Callable[[Path, Any], object], object]] = {
            "scores": (write_scores, scores or None),
            "maps": (write_maps, maps),
            "held_out": (write_held_out, held_out),
            "logs": (write_file, traceback.encode() or None),
        }
        names: dict[str, Any] = dict.fromkeys(files)
        for folder, (write, content) in files.items():
            if content is not None:
                path = self._path(folder, cell.spec)
                write(path, content)
                names[folder] = path.relative_to(self.run).as_posix()
        stored = replace(cell, log=names.pop("logs"), **names)
        if kept:
            return replace(stored, error=f"{cell.error}; the result stored before stays")
        values = {**asdict(stored), "spec": cell.spec.as_dict()}
        text = json.dumps(values, indent=1, sort_keys=True, allow_nan=False)
        write_file(self._path("cells", cell.spec), text.encode())
        if not traceback:
            self._remove_log(cell.spec)
        return stored

    def require_replaceable(self, specs: Iterable[CellSpec]) -> None:
        """Make sure that no result of a later version lies where these cells are to be written.

        Raises:
            StorageError: one does.
        """
        for path in (self._path("cells", spec) for spec in specs):
            cell, unknown = self._read(path)
            if unknown and (cell is None or cell.status == "ok"):
                raise StorageError(
                    f"{path}: written by a later version of this program, which knows "
                    f"{', '.join(unknown)}: update the program, remove the file, or name another "
                    "folder with --out"
                )

    def _remove_log(self, spec: CellSpec) -> None:
        with suppress(OSError):
            self._path("logs", spec).unlink()

    def has(self, spec: CellSpec) -> bool:
        """Whether a cell is stored that did not fail, with whatever belongs to it whole."""
        cell = self.find(spec)
        return cell is not None and cell.status == "ok" and self.is_whole(cell)

    def is_whole(self, cell: Cell) -> bool:
        """Whether what is stored beside a cell can be read; maps may be gone, but not damaged."""
        images = (cell.n_test_good or 0) + (cell.n_test_defect or 0)
        if cell.scores and count_scores(self.run / cell.scores) != images:
            return False
        if cell.held_out and count_held_out(self.run / cell.held_out) != cell.n_held_out:
            return False
        gone = not cell.maps or not (self.run / cell.maps).exists()
        return gone or count_maps(self.run / str(cell.maps)) is not None

    def count_maps(self, cell: Cell) -> int:
        """Return how many anomaly maps are stored beside a cell, 0 if they can't be read."""
        return count_maps(self.run / (cell.maps or "")) or 0

    def cells(self, warn: Callable[[str], None] = lambda line: None) -> list[Cell]:
        """Return all readable cells, in the order in which they were made.

        An unreadable file is named through `warn` and left where it is; its cell runs again. So is
        what a later version of this program has written, as far as it isn't known here.
        """
        cells, later = [], []
        for path in sorted((self.run / "cells").glob("[!.]*/[!.]*.json")):
            cell, unknown = self._read(path)
            if cell is not None:
                cells.append(cell)
            if unknown:
                later.append(f"{path}: {', '.join(unknown)}")
            elif cell is None:
                warn(f"{path}: not a readable cell, ignored; run again to replace it")
        if later:
            warn(
                f"{len(later)} cells written by a later version of this program, whose additions "
                f"aren't shown ({later[0]}): update the program to see them"
            )
        return sorted(
            cells, key=lambda cell: (cell.started_utc, canonical_json(cell.spec.as_dict()))
        )

    def ask(self, specs: Iterable[CellSpec], folder: str) -> None:
        """Note that a command asks for these cells, of a data set in a folder, named by its hash.

        Raises:
            StorageError: the note can't be written, and other cells stand in tables.
        """
        specs = list(specs)
        try:
            note(self.run, specs, folder)
        except StorageError:
            stand = {cell.key for cell in self.standing().cells}
            if not stand.issuperset(spec.key for spec in specs):
                raise

    def standing(self, warn: Callable[[str], None] = lambda line: None) -> Standing:
        """Return the readable cells that stand in tables; as `cells`, and says what is left out."""
        stand = standing(self.cells(warn), read_notes(self.run, warn))
        if stand.awaited:
            warn(
                f"{self.run}: {stand.awaited} cells asked for last aren't evaluated yet; what is "
                "stored in their places is of other data or parameters, and left out"
            )
        return stand

    def write_metrics(self, warn: Callable[[str], None] = lambda line: None) -> Path:
        """Write `metrics.csv`, one row a standing cell and metric; return its path."""
        path = self.run / "metrics.csv"
        write_file(path, as_metrics_csv(self.run.resolve().name, self.standing(warn).cells))
        return path

    def update_metrics(self, cells: Sequence[Cell], warn: Callable[[str], None]) -> None:
        """Write `metrics.csv` again where it isn't what the cells make it.

        Args:
            cells: the run's that stand.
            warn: called with a line where the file can't be written.
        """
        path = self.run / "metrics.csv"
        content = as_metrics_csv(self.run.resolve().name, cells)
        try:
            if not path.is_file() or path.read_bytes() != content:
                write_file(path, content)
        except (OSError, StorageError):
            warn(f"{path} doesn't match the run's cells and can't be written: they are shown")

    def _path(self, folder: str, spec: CellSpec) -> Path:
        """Return where a cell's file lies; the name is for people and is never parsed."""
        safe = re.compile(r"[^\w.=+-]+")
        name = f"{safe.sub('_', spec.category)}-s{spec.seed}-{spec.key[:8]}.{SUFFIXES[folder]}"
        return self.run / folder / safe.sub("_", spec.method).strip("_") / name

    @staticmethod
    def _read(path: Path) -> tuple[Cell | None, list[str]]:
        """Return the cell in a file, None where there is none, and its parts of a later version."""
        unknown: list[str] = []
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            stored = json.loads(path.read_text(encoding="utf-8"))
            unknown = later_parts(stored)
            return Cell.from_dict(stored), unknown
        return None, unknown
