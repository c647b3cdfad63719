"""What programs say, and how every command ends: exit statuses, errors in one line."""

from __future__ import annotations

import codecs
import io
import os
import signal
import sys
from collections.abc import Callable
from typing import TextIO

import methods
from benchmarks.errors import BenchmarkError, StorageError
from benchmarks.places import provide_caches

PLAIN = {
    **{"–": "-", "−": "-", "·": "-", "×": "x", "→": "->", "…": "...", "±": "+/-"},
    **{"≥": ">=", "≤": "<=", "²": "^2", "✗": "x", "▸": ">", "“": '"', "”": '"'},
}
"""What stands for characters that a terminal or a file can't hold; others are written out."""


def say(line: str) -> None:
    """Print one line on stderr, above the grid where there is one.

    Control characters, as in names of files, are written out: they are for no log or terminal.
    """
    printable = (c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in line)
    _print("".join(printable), sys.stderr)


def show(text: str) -> None:
    """Print a result on stdout.

    Raises:
        StorageError: it goes to a file, whose disk is full.
    """
    _print(text, sys.stdout)


def _print(text: str, stream: TextIO | None) -> None:
    """Print, and flush; a reader that has had enough, such as `head`, stops nothing."""
    if stream is None:  # closed before Python began
        return
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        _silence(stream)
    except OSError as error:
        _silence(stream)
        raise StorageError(f"the output can't be written: {error.strerror}") from error


def _silence(stream: TextIO) -> None:
    """Let everything that is still written go nowhere, what is buffered included."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def on_terminal() -> bool:
    """Whether stderr is a terminal that may be drawn on; else it is taken for a log."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stderr is not None and sys.stderr.isatty() and not plain


CONTINUES = "interrupted: every finished cell is stored; the same command continues from here"
"""What a command says whose work is stored as it is done."""


def run_program(program: Callable[[], int], interrupted: str = "interrupted") -> int:
    """Run a command and return its exit status; what the process does on SIGTERM is restored.

    Expected errors become a line and their status, mostly 2; interruptions, by Ctrl-C or SIGTERM,
    a line and 130.

    Args:
        program: the command; it reads its arguments itself, so that its help is printed with the
            same care.
        interrupted: what it says where it is interrupted.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    _take_any_encoding()
    provide_caches()
    try:
        return program()
    except (BenchmarkError, methods.MethodNameError) as error:
        say(f"error: {error}")
        return error.status if isinstance(error, BenchmarkError) else 2
    except BrokenPipeError:  # a reader of what is printed otherwise has had enough
        return 0
    except KeyboardInterrupt:
        say(interrupted)
        return 130
    finally:
        for stream in (sys.stdout, sys.stderr):
            _flush(stream)
        signal.signal(signal.SIGTERM, before)


def _flush(stream: TextIO | None) -> None:
    """Flush what a parser's help left in a buffer, whether or not it is still read."""
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        _silence(stream)


def _take_any_encoding() -> None:
    """Let both streams take every character, whatever their encoding."""
    codecs.register_error("plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(PLAIN.get(c, ascii(c)[1:-1]) for c in text), error.end


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
