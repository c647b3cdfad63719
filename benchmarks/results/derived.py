"""Which files were made from a run's cells, and whether they still match them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.files import write_file
from benchmarks.results import costs, standing
from benchmarks.specs import digest

NAME = "derived.json"
SOURCES = ("cells", "scores", "maps", "journal")


def is_current(run: Path, metrics: Sequence[str] = ()) -> bool:
    """Whether everything that was made from the run is as it was made, and so is the run.

    Args:
        run: its folder.
        metrics: those that are to be shown first.
    """
    try:
        noted = json.loads((run / NAME).read_text(encoding="utf-8"))
        files: Mapping[str, str] = noted["files"]
        same = noted["sources"] == _sources(run) and noted.get("metrics", []) == [*metrics]
        return same and all(_checksum(run / name) == checksum for name, checksum in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def record(run: Path, files: Iterable[Path], metrics: Sequence[str] = ()) -> None:
    """Store beside the run what state of it the files were made from, and what they show first.

    Raises:
        StorageError: it can't be written.
    """
    checksums = {os.path.relpath(path, run): _checksum(path) for path in files}
    content = {"sources": _sources(run), "files": checksums, "metrics": [*metrics]}
    write_file(run / NAME, json.dumps(content, indent=1, sort_keys=True).encode())


def _sources(run: Path) -> str:
    """Return a hash of the names, sizes and times of all that a run stored."""
    stored = [path for name in SOURCES for path in (run / name).rglob("*")]
    alone = (run / name for name in (standing.NAME, costs.FILE))
    paths = sorted(path for path in (*stored, *alone) if path.is_file())
    seen = [(os.fsencode(path.relative_to(run)).hex(), path.stat()) for path in paths]
    return digest([[name, status.st_size, status.st_mtime_ns] for name, status in seen])


def _checksum(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
