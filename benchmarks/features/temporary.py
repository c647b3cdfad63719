"""Files of the cache under temporary names, which tell whether their process still works."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from platform import node

import psutil

OWNER = node().replace(".", "-") or "unknown"
"""This machine's name in those of temporary files: others may write to the same folder."""

BLOCK = 512
"""Bytes of a block, as stat(2) counts those that a file has on the disk."""


class TemporaryFile:
    """A new file that takes its name when it is complete, and is removed otherwise.

    It is locked until then. The operating system ends the lock with the process, be it killed, and
    processes of other containers see it, whose numbers say nothing here.

    Attributes:
        file: the open file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f"{path.name}.{OWNER}.{secrets.token_hex(4)}.tmp")
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            self._lock = os.open(self._temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            with suppress(OSError):  # no locks on this file system
                fcntl.flock(self._lock, fcntl.LOCK_EX)
            if os.fstat(self._lock).st_nlink:
                break
            os.close(self._lock)  # swept before it was locked
        self.file = open(os.dup(self._lock), "wb")  # noqa: SIM115 closed by `keep` or `close`

    def keep(self) -> None:
        """Close the file and give it its name, still locked."""
        self.file.close()
        self._temporary.replace(self._path)

    def close(self) -> None:
        """Let go of the file; remove it unless it has been kept."""
        with suppress(OSError):
            self.file.close()
        with suppress(OSError):
            self._temporary.unlink(missing_ok=True)
        os.close(self._lock)


def sweep(folder: Path) -> None:
    """Remove the temporary files that processes of this machine have left in a folder.

    Where files can't be locked, all of them stay, and so do those of other programs.
    """
    for path in _of_this_machine(folder):
        token = path.suffixes[-2][1:]  # earlier versions named the process, and locked nothing
        if not (token.isdecimal() and psutil.pid_exists(int(token))):
            with suppress(OSError), path.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def still_needed(folder: Path) -> int:
    """Return the bytes that files need to be complete which this machine writes in a folder."""
    needed = 0
    for path in _of_this_machine(folder):
        with suppress(OSError):  # complete, or removed, meanwhile
            status = path.stat()
            needed += max(0, status.st_size - BLOCK * status.st_blocks)
    return needed


def _of_this_machine(folder: Path) -> Iterator[Path]:
    for path in folder.glob("*.tmp"):
        if path.with_suffix("").stem.endswith((f".npy.{OWNER}", f".json.{OWNER}")):
            yield path
