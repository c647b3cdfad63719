"""What commands that show runs have in common: the run, where files go, what is shown first."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.console import command_parser, run_program, say
from benchmarks.errors import StorageError
from benchmarks.metrics.calibrated import KNOWN
from benchmarks.names import suggest
from benchmarks.places import written_path
from benchmarks.results.folders import find_run


def add_metrics(parser: argparse.ArgumentParser) -> None:
    """Add the option that chooses what is shown first: names, none where it isn't given."""
    parser.add_argument(
        "--metrics",
        type=_metric_names,
        default=(),
        metavar="NAMES",
        help="metrics that the terminal shows, and the report first, comma-separated: "
        f"{', '.join(KNOWN)}",
    )


def _metric_names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for name in names:
        if name not in KNOWN:
            near = suggest(name, KNOWN) or f"; there are {', '.join(KNOWN)}"
            raise argparse.ArgumentTypeError(f"there is no metric {name!r}{near}")
    return names


def run_on_run(
    program: str,
    description: str | None,
    show_run: Callable[[Path, argparse.Namespace], None],
    arguments: Sequence[str] | None,
    *add_others: Callable[[argparse.ArgumentParser], None],
) -> int:
    """Parse the name of a run and show the run; return 0, or 2 where there is nothing to show.

    Args:
        program: what is called, as help names it.
        description: what it does.
        show_run: does it, to a run's folder, by the options; files go to `out`, None for the run's
            usual one.
        arguments: the command line, None for this process's.
        add_others: add options between these.
    """
    parser = command_parser(program, description)
    parser.add_argument("run", metavar="RUN", help="a run's folder, or its name under results/")
    for add in (*add_others, add_out):
        add(parser)

    def main() -> int:
        options = parser.parse_args(arguments)
        show_run(find_run(options.run), options)
        return 0

    return run_program(main)


def add_out(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where files go, None for the run's usual places."""
    parser.add_argument(
        "--out", type=written_path, metavar="DIR", help="where files go (default: beside the run's)"
    )


@contextmanager
def unless_read_only(run: Path, out: Path | None = None) -> Iterator[None]:
    """Say, and go on, where files aren't written because their run can't be, as an archived one.

    Args:
        run: the run's folder.
        out: where the files are to go instead, None for the run's own folder.

    Raises:
        StorageError: they can't be written for another reason.
    """
    try:
        yield
    except StorageError as error:
        if out is not None or os.access(run, os.W_OK):
            raise
        say(f"warning: {error}; --out names one")
