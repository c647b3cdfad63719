"""Cells on disk: each written whole the moment it is known, and the long table made from them."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from zipfile import BadZipFile

from benchmarks.errors import StorageError
from benchmarks.metrics import METRICS
from benchmarks.protocol import CellSpec, canonical_json, digest

if TYPE_CHECKING:
    import numpy as np

# fmt: off
COLUMNS = (
    "run", "dataset", "dataset_fingerprint", "category", "method", "params", "backbone",
    "weights", "weights_sha256", "image_size", "seed", "shots", "metric", "value", "unit",
    "higher_is_better", "n_train", "n_test_good", "n_test_defect", "status", "error",
    "fit_seconds", "score_seconds", "peak_memory_mb", "device", "git_sha", "versions",
    "started_utc", "layers", "dtype", "mask_resize", "smoothing_sigma", "resize", "spec",
)
# fmt: on


@dataclass(frozen=True)
class Cell:
    """One method on one category: what was asked, what came out, and what it took.

    Attributes:
        spec: the specification, as JSON-ready values.
        status: "ok" or "failed".
        error: one line where it failed, else empty.
        metrics: metric → value, None where undefined; empty where the cell failed.
        scores: path of the image scores relative to the run's folder, None where it failed.
        maps: path of the example maps, likewise.
    """

    spec: Mapping[str, Any]
    status: str
    error: str = ""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    n_train: int | None = None
    n_test_good: int | None = None
    n_test_defect: int | None = None
    fit_seconds: float | None = None
    score_seconds: float | None = None
    peak_memory_mb: float | None = None
    device: str = ""
    git_sha: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    started_utc: str = ""
    scores: str | None = None
    maps: str | None = None

    @property
    def key(self) -> str:
        """The identity of what was asked, as hex."""
        return digest(self.spec)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that appears under its name complete or not at all.

    Raises:
        StorageError: the folder can't be written, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise StorageError(
            f"{path}: can't be written ({error.strerror or error}): free some space or name "
            "another folder; what was stored before is untouched"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


class Store:
    """The cells of one run folder."""

    def __init__(self, run: Path) -> None:
        self.run = run

    def find(self, spec: CellSpec) -> Cell | None:
        """Return the stored cell of this very specification, None where there is none."""
        path = self._path("cells", spec, "json")
        cell = self._read(path) if path.exists() else None
        return cell if cell is not None and cell.key == spec.key else None

    def adopt(self, spec: CellSpec, other: Store) -> bool:
        """Copy the successful cell of this specification from `other`; return whether it has one.

        Its scores and maps come along where they are still there.
        """
        cell = other.find(spec)
        if cell is None or cell.status != "ok":
            return False
        for name in filter(None, (cell.scores, cell.maps)):
            if (other.run / name).is_file():
                with atomic_file(self.run / name) as file:
                    file.write((other.run / name).read_bytes())
        with atomic_file(self._path("cells", spec, "json")) as file:
            file.write(other._path("cells", spec, "json").read_bytes())
        return True

    def write(
        self,
        spec: CellSpec,
        cell: Cell,
        scores: Sequence[tuple[str, int, float]] = (),
        maps: Mapping[str, np.ndarray[Any, Any]] | None = None,
    ) -> None:
        """Store a cell; its scores and maps first, so that a cell never names a missing file.

        Args:
            spec: the cell's specification.
            cell: the cell; its `scores` and `maps` are filled in here.
            scores: (path in the category's folder, label, image score) for each test image.
            maps: arrays for the maps file; None stores none.
        """
        names: dict[str, str | None] = {"scores": None, "maps": None}
        if scores:
            path = self._path("scores", spec, "csv")
            rows = [("path", "label", "score"), *scores]
            with atomic_file(path) as file:
                file.write(_csv(rows))
            names["scores"] = path.relative_to(self.run).as_posix()
        if maps is not None:
            import numpy as np

            path = self._path("maps", spec, "npz")
            with atomic_file(path) as file:
                np.savez_compressed(file, allow_pickle=False, **maps)
            names["maps"] = path.relative_to(self.run).as_posix()
        with atomic_file(self._path("cells", spec, "json")) as file:
            text = json.dumps({**asdict(cell), **names}, indent=1, sort_keys=True, allow_nan=False)
            file.write(text.encode())

    def maps(self, cell: Cell) -> int:
        """Return how many anomaly maps are stored beside a cell, 0 if they can't be read."""
        import numpy as np

        try:
            with np.load(self.run / (cell.maps or ""), allow_pickle=False) as stored:
                return len(stored["names"])
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return 0

    def cells(self, warn: Callable[[str], None] = lambda line: None) -> list[Cell]:
        """Return all readable cells, in the order in which they were made.

        An unreadable file is named through `warn` and left where it is; its cell runs again.
        """
        found = []
        for path in sorted((self.run / "cells").glob("*/*.json")):
            cell = self._read(path)
            if cell is None:
                warn(f"{path}: not a readable cell, ignored; run again to replace it")
            else:
                found.append(cell)
        return sorted(found, key=lambda cell: (cell.started_utc, canonical_json(cell.spec)))

    def write_metrics(self, warn: Callable[[str], None] = lambda line: None) -> Path:
        """Write `metrics.csv`, one row a cell and metric, from the cells; return its path."""
        rows = [row for cell in self.cells(warn) for row in _rows(self.run.name, cell)]
        path = self.run / "metrics.csv"
        with atomic_file(path) as file:
            file.write(_csv([COLUMNS, *rows]))
        return path

    def _path(self, folder: str, spec: CellSpec, suffix: str) -> Path:
        """Return where a cell's file lies; the name is for people and is never parsed."""
        safe = re.compile(r"[^\w.=+-]+")
        name = f"{safe.sub('_', spec.category)}-s{spec.seed}-{spec.key[:8]}.{suffix}"
        return self.run / folder / safe.sub("_", spec.method).strip("_") / name

    @staticmethod
    def _read(path: Path) -> Cell | None:
        try:
            return Cell(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


def _rows(run: str, cell: Cell) -> Iterator[list[Any]]:
    spec, protocol = cell.spec, cell.spec["protocol"]
    values = {
        **asdict(cell),
        **protocol,
        **spec,
        "run": run,
        "params": canonical_json(spec["params"]),
        "versions": canonical_json(cell.versions),
        "backbone": protocol["backbone"]["name"],
        "weights": protocol["backbone"]["weights"],
        "weights_sha256": protocol["backbone"]["weights_sha256"],
        "layers": canonical_json(protocol["backbone"]["layers"]),
        "spec": cell.key[:16],
    }
    for metric in METRICS.values():
        values |= {
            "metric": metric.name,
            "value": cell.metrics.get(metric.name),
            "unit": metric.unit,
            "higher_is_better": metric.higher_is_better,
        }
        yield [values[column] for column in COLUMNS]


def _csv(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
