"""Files that appear under their name complete or not at all, and rows as CSV."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from benchmarks.errors import StorageError

if TYPE_CHECKING:
    import pandas as pd


def temporary_name(path: Path) -> Path:
    """Return a name beside a file's that no process of any machine or container takes, too.

    However long the file's: of 255 bytes this one's beginning takes 240 at most.
    """
    return path.with_name(f".{path.name[:60]}.{secrets.token_hex(4)}.tmp")


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that appears under its name complete or not at all.

    Raises:
        StorageError: the folder can't be written, or the disk is full.
    """
    temporary = temporary_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
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


def write_file(path: Path, content: bytes) -> None:
    """Write a file that appears under its name complete or not at all; raises as `atomic_file`."""
    with atomic_file(path) as file:
        file.write(content)


def require_writable(folder: Path) -> None:
    """Make sure that a folder can be written, before anything expensive starts; leave no trace.

    Raises:
        StorageError: it can't.
    """
    trial = temporary_name(folder / "trial")
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    write_file(trial, b"")
    trial.unlink(missing_ok=True)
    for path in missing:  # so that a command that something else stops leaves no folder
        with contextlib.suppress(OSError):
            path.rmdir()


class _Lines(list[str]):
    """Lines as a CSV writer writes them: with its own ending, which makes it quote both parts."""

    def write(self, line: str) -> None:
        self.append(line.removesuffix("\r\n") + "\n")


def as_csv(rows: Iterable[Iterable[Any]]) -> bytes:
    """Return rows as CSV; line feeds and carriage returns inside of fields are kept."""
    lines = _Lines()
    csv.writer(lines).writerows(rows)
    return "".join(lines).encode()


def frame_as_csv(frame: pd.DataFrame, *, header: bool = True) -> str:
    """Return a frame's rows as CSV, names quoted as by `as_csv`."""
    text = frame.to_csv(index=False, header=header, lineterminator="\r\n")
    return as_csv(csv.reader(io.StringIO(text, newline=""))).decode()
