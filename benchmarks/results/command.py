"""What commands that show runs have in common: how a run is named, and what is shown first."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.console import run_program
from benchmarks.metrics.definitions import METRICS
from benchmarks.names import suggest
from benchmarks.results.folders import find_run


def add_metrics(parser: argparse.ArgumentParser) -> None:
    """Add the option that chooses what is shown first: names, none where it isn't given."""
    parser.add_argument(
        "--metrics",
        type=_metric_names,
        default=(),
        metavar="NAMES",
        help="metrics that the terminal shows, and the report first, comma-separated: "
        f"{', '.join(METRICS)}",
    )


def _metric_names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for name in names:
        if name not in METRICS:
            near = suggest(name, METRICS) or f"; there are {', '.join(METRICS)}"
            raise argparse.ArgumentTypeError(f"there is no metric {name!r}{near}")
    return names


def run_on_run(
    program: str,
    description: str | None,
    show_run: Callable[[Path], None],
    arguments: Sequence[str] | None,
) -> int:
    """Parse the name of a run and show the run; return 0, or 2 where there is nothing to show.

    Args:
        program: what is called, as help names it.
        description: what it does.
        show_run: does it, to a run's folder.
        arguments: the command line, None for this process's.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=description)
    parser.add_argument("run", metavar="RUN", help="a run's folder, or its name under results/")

    def main() -> int:
        show_run(find_run(parser.parse_args(arguments).run))
        return 0

    return run_program(main)
