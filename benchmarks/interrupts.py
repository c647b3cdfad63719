"""Ctrl-C: before a command begins and after it ends, and where processes start."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PROGRAM = "total-recall"
"""The one program of all commands, as it is installed."""


def guard_imports() -> None:
    """Let Ctrl-C end a command with one line while Python still imports it.

    Does nothing where the package is imported by another program, or Ctrl-C is ignored.
    """
    started = os.path.basename(sys.argv[0]) if sys.argv else ""
    importing = started in ("-m", PROGRAM)  # -m until Python knows which module it is to run
    if importing and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, stop_at_once)


def stop_at_once(*_: object) -> None:
    """End the process, which holds nothing yet that is to be put in order.

    Not by an exception: what is being imported may swallow one, or print it.
    """
    try:
        os.write(2, b"interrupted\n")
    finally:
        os._exit(130)


@contextmanager
def kept_from_children() -> Iterator[None]:
    """Let processes that start meanwhile not see Ctrl-C, which a terminal sends to all of them."""
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # which would lift the mask
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
