"""What each call that evaluated cells took, kept beside them: images, passes, seconds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.files import write_file
from benchmarks.specs import digest


@dataclass(frozen=True)
class Extraction:
    """What bringing one category's features of one backbone took.

    Attributes:
        category: the category's name.
        backbone: the backbone's name; of an ensemble, the member's.
        images: training and test images whose features were needed; where the extraction broke
            off, those alone that it had passed.
        passed: how many of them passed the backbone; the others' features came from the cache.
        seconds: wall-clock time.
    """

    category: str
    backbone: str
    images: int
    passed: int
    seconds: float


@dataclass(frozen=True)
class Call:
    """One call that evaluated cells, be it to the end or not.

    Attributes:
        started_utc: when, as ISO 8601.
        seconds: wall-clock time.
        dataset: the data set's name.
        backbone: the backbone's name, an ensemble's members joined by +.
        image_size: side of the crop in pixels.
        device: "cpu", "cuda" or "cuda:N".
        workers: processes that evaluated cells side by side.
        cells: how many were evaluated.
        failed: how many of those failed.
        extractions: in the order in which they ended.
        card: the GPU's name; empty for a CPU, and where it is not known.
    """

    started_utc: str
    seconds: float
    dataset: str
    backbone: str
    image_size: int
    device: str
    workers: int
    cells: int
    failed: int
    extractions: tuple[Extraction, ...]
    card: str = ""


def write(run: Path, call: Call) -> Path:
    """Add a call to the journal of a run; return its file.

    Raises:
        StorageError: it can't be written.
    """
    content = asdict(call)
    started = datetime.fromisoformat(call.started_utc).astimezone(UTC)
    path = run / "journal" / f"{started:%Y%m%dT%H%M%SZ}-{digest(content)[:8]}.json"
    write_file(path, json.dumps(content, indent=1, allow_nan=False).encode())
    return path


def read(run: Path, warn: Callable[[str], None] = lambda line: None) -> list[Call]:
    """Return the calls of a run, by when they started.

    A file that can't be read is named through `warn` and left out.
    """
    calls = []
    for path in sorted((run / "journal").glob("[!.]*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            extractions = tuple(Extraction(**stored) for stored in content["extractions"])
            calls.append(Call(**{**content, "extractions": extractions}))
        except (OSError, ValueError, TypeError, KeyError):
            warn(f"{path}: not a readable call of the journal, ignored")
    return sorted(calls, key=lambda call: call.started_utc)
