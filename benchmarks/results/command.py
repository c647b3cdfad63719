"""What commands that show one run have in common: how the run is named."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.console import run_program
from benchmarks.results.folders import find_run


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
