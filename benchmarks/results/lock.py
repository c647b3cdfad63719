"""One command at a time writes into a run's folder."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import IO

from benchmarks.errors import StorageError

NAME = ".lock"
"""The file of a run's folder that names the process which writes there."""


@contextmanager
def only_writer(run: Path) -> Iterator[None]:
    """Let no other command write into a run's folder meanwhile; leave no trace.

    The operating system ends the lock with the process, be it killed. A folder that can't be
    written isn't locked, nor is one on a file system that knows no locks.

    Raises:
        StorageError: another command writes there.
    """
    created = [folder for folder in (run, *run.parents) if not folder.exists()]
    try:
        run.mkdir(parents=True, exist_ok=True)
        file = (run / NAME).open("a+")
    except OSError:  # whoever writes there will say so
        yield
        return
    with file:
        _lock(file, run)
        try:
            yield
        finally:
            with suppress(OSError):
                (run / NAME).unlink()
                for folder in created:
                    folder.rmdir()


def _lock(file: IO[str], run: Path) -> None:
    begun = os.fstat(file.fileno()).st_mtime
    age = timedelta(seconds=max(0, int(time.time() - begun)))
    file.seek(0)
    holder = file.read() or "just begun"
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        free = os.fstat(file.fileno()).st_nlink  # else its holder has removed it meanwhile
    except BlockingIOError:
        free = 0
    except OSError:  # no locks on this file system
        return
    if not free:
        raise StorageError(
            f"{run}: another command writes there ({holder}, for {age} h): repeat this one when "
            "that has ended, or name another folder with --out"
        )
    with suppress(OSError):  # a full disk, which whoever writes results will say
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
