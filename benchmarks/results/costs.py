"""What methods cost on a machine, kept beside a run's cells."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.files import write_file

FILE = "cost.json"


@dataclass(frozen=True)
class Cost:
    """What a method takes from an image's file to its verdict, on one category and machine.

    Attributes:
        cell: key of the cell whose method, fitted to the same images, was timed.
        method: as the run's tables call it.
        category: the category.
        machine: processor, cores and threads, or the GPU.
        measured_utc: when, as ISO 8601.
        images: how many were scored one by one, after `warm_up` that weren't timed.
        warm_up: likewise.
        milliseconds: 50th and 95th percentile of an image scored alone.
        batch: how many images at once are scored fastest.
        images_per_second: at that batch.
        state_bytes: of the fitted method; None where it has no state to be saved.
        peak_memory_mb: while it scored, in 10⁶ bytes: resident on a CPU, allocated on a GPU.
        versions: of the packages.
    """

    cell: str
    method: str
    category: str
    machine: str
    measured_utc: str
    images: int
    warm_up: int
    milliseconds: tuple[float, float]
    batch: int
    images_per_second: float
    state_bytes: int | None
    peak_memory_mb: float
    versions: dict[str, str]


def write_costs(run: Path, costs: Iterable[Cost]) -> Path:
    """Store costs beside a run's cells, last, in place of earlier ones of a cell and machine.

    Raises:
        StorageError: the file can't be written.
    """
    known = {(cost.cell, cost.machine): cost for cost in read_costs(run)}
    for cost in costs:
        known.pop((cost.cell, cost.machine), None)
        known[cost.cell, cost.machine] = cost
    content = [asdict(cost) for cost in known.values()]
    write_file(run / FILE, json.dumps(content, indent=1, allow_nan=False).encode())
    return run / FILE


def read_costs(run: Path, warn: Callable[[str], None] = lambda line: None) -> list[Cost]:
    """Return the stored costs in the order they were measured; none where the file is damaged.

    Such a file is named through `warn`.
    """
    path = run / FILE
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return [
            Cost(**{**cost, "milliseconds": tuple(map(float, cost["milliseconds"]))})
            for cost in stored
        ]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError):
        warn(f"{path}: not readable, ignored; python -m benchmarks.cost {run} measures it again")
        return []
