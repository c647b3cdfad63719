"""What programs say, and how every command ends: exit statuses, errors in one line."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

import methods
from benchmarks.errors import BenchmarkError


def say(line: str) -> None:
    """Print one line on stderr, above the grid where there is one.

    Control characters, as in names of files, are written out: they are for no log or terminal.
    """
    printable = (c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in line)
    print("".join(printable), file=sys.stderr, flush=True)


def show(text: str) -> None:
    """Print a result on stdout; a reader that has had enough, such as `head`, stops nothing."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def on_terminal() -> bool:
    """Whether stderr is a terminal that may be drawn on; else it is taken for a log."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stderr.isatty() and not plain


CONTINUES = "interrupted: every finished cell is stored; the same command continues from here"
"""What a command says whose work is stored as it is done."""


def run_program(program: Callable[[], int], interrupted: str = "interrupted") -> int:
    """Run a command and return its exit status; what the process does on SIGTERM is restored.

    Expected errors become a line and 2; interruptions, by Ctrl-C or SIGTERM, a line and 130.

    Args:
        program: the command, once its arguments are understood.
        interrupted: what it says where it is interrupted.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        return program()
    except (BenchmarkError, methods.MethodNameError) as error:
        say(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        say(interrupted)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
