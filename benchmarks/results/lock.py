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

from benchmarks.console import say
from benchmarks.errors import StorageError

NAME = ".lock"
"""The file of a run's folder that names the process which writes there."""


@contextmanager
def only_writer(run: Path) -> Iterator[None]:
    """Let no other command write into a run's folder meanwhile; leave no trace.

    The operating system ends the lock with the process, be it killed. On a file system without
    locks, the process that the file names counts. A folder that can't be written isn't locked.

    Raises:
        StorageError: another command writes there, or may do so on another host.
    """
    path = run / NAME
    created = [folder for folder in (run, *run.parents) if not folder.exists()]
    descriptor = _acquire(path)
    try:
        yield
    finally:
        if descriptor is not None:
            with suppress(OSError):
                path.unlink()
            os.close(descriptor)
        for folder in created:
            with suppress(OSError):
                folder.rmdir()


def _acquire(path: Path) -> int | None:
    """Return the descriptor of the locked file; None where nothing can be written."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:
            return None
        try:
            _lock(descriptor, path)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    _write(descriptor, f"{socket.gethostname()} {os.getpid()}")
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # whoever held it has removed it meanwhile: there is a new file


def _write(descriptor: int, holder: str) -> None:
    with suppress(OSError):  # a full disk, which whoever writes results will say
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)


def _lock(descriptor: int, path: Path) -> None:
    """Lock the file, or raise `StorageError`, which names the process that has done so."""
    host, _, process = os.pread(descriptor, 1000, 0).decode(errors="replace").partition(" ")
    age = timedelta(seconds=max(0, int(time.time() - os.fstat(descriptor).st_mtime)))
    holder = f"process {process or '?'} on {host or '?'}, for {age} h"
    busy = StorageError(
        f"{path.parent}: another command writes there ({holder}): repeat this one when that has "
        "ended, or name another folder with --out"
    )
    here = host == socket.gethostname()
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise busy from None
    except OSError:  # the file system has no locks
        if here and _lives(process):
            raise busy from None
        if host and not here:
            raise StorageError(
                f"{path}: another command may be writing there ({holder}), which can't be checked "
                "from here: remove this file if that has ended"
            ) from None
    if host and not here:
        say(f"{path.parent}: a command was broken off there ({holder}); this one goes on")


def _lives(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return True
