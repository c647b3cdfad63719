"""Output of commands, and how each ends: exit statuses, errors in one line."""

from __future__ import annotations

import argparse
import codecs
import io
import os
import signal
import sys
from collections.abc import Callable
from typing import TextIO

import methods
from benchmarks.errors import BenchmarkError, StorageError
from benchmarks.interrupts import PROGRAM, stop_at_once
from benchmarks.names import printable
from benchmarks.places import settle_environment

PLAIN = {
    **{"–": "-", "−": "-", "·": "-", "×": "x", "→": "->", "…": "...", "±": "+/-"},
    **{"≥": ">=", "≤": "<=", "²": "^2", "✗": "x", "▸": ">", "“": '"', "”": '"'},
}
"""Replacements for characters that a terminal or file can't encode; others are escaped."""


def say(line: str) -> None:
    """Print one line on stderr, above the grid where one is shown.

    Control characters, as in file names, are escaped.
    """
    _print(printable(line, kept="\n"), sys.stderr)


def show(text: str) -> None:
    """Print a result on stdout, control characters escaped.

    Raises:
        StorageError: it goes to a file, whose disk is full.
    """
    _print(printable(text, kept="\n\t"), sys.stdout)


def _print(text: str, stream: TextIO | None) -> None:
    """Print and flush; a reader that closes its pipe, such as `head`, stops nothing."""
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
    """Discard everything that is still written to a stream, its buffer included."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def on_terminal() -> bool:
    """Whether stderr is a terminal that may be drawn on; otherwise it is treated as a log."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stderr is not None and sys.stderr.isatty() and not plain


CONTINUES = "interrupted: every finished cell is stored; the same command continues from here"
"""The line of an interrupted command that has stored each finished cell."""


def command_parser(program: str, description: str | None) -> argparse.ArgumentParser:
    """Return the parser of a command's arguments; its help shows the description as it is written.

    Both name the command as it was started: `python -m benchmarks.run`, or `total-recall run`.

    Args:
        program: the package that is run, with dots.
        description: what the command does.
    """
    module = f"python -m {program}"
    started = next((name for name in sys.argv[:1] if name.startswith(f"{PROGRAM} ")), module)
    return argparse.ArgumentParser(
        prog=started,
        description=description and description.replace(module, started),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def run_program(program: Callable[[], int], interrupted: str = "interrupted") -> int:
    """Run a command and return its exit status; what the process does on signals is restored.

    Expected errors become a line and their status, mostly 2; interruptions, by Ctrl-C or SIGTERM,
    a line and 130.

    Args:
        program: the command; it reads its arguments itself, so that its help is printed with the
            same care.
        interrupted: what it says where it is interrupted.
    """
    _take_any_encoding()
    settle_environment()
    early = signal.getsignal(signal.SIGINT) is stop_at_once
    before = signal.getsignal(signal.SIGTERM)
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        if early:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return program()
    except (BenchmarkError, methods.MethodNameError) as error:
        say(f"error: {error}")
        return error.status if isinstance(error, BenchmarkError) else 2
    except BrokenPipeError:  # a reader of a parser's own output has closed its pipe
        return 0
    except KeyboardInterrupt:
        say(interrupted)
        return 130
    finally:
        for stream in (sys.stdout, sys.stderr):
            _flush(stream)
        signal.signal(signal.SIGTERM, before)
        if early:
            signal.signal(signal.SIGINT, stop_at_once)


def _flush(stream: TextIO | None) -> None:
    """Flush what a parser's help left in a buffer, even where the pipe is closed."""
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
