"""Figures of a run's stored cells: an overview, working points, curves and example maps.

python -m benchmarks.figures RUN
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.console import show
from benchmarks.figures.writing import write_figures
from benchmarks.results import result_sets
from benchmarks.results.command import run_on_run
from benchmarks.results.folders import plots_folder


def main(argv: Sequence[str] | None = None) -> int:
    """Write a run's figures; return 0, or 2 where there is nothing to make them from."""
    return run_on_run("benchmarks.figures", __doc__, _write, argv)


def _write(run: Path, options: argparse.Namespace) -> None:
    run, out = run.resolve(), options.out
    for path in write_figures(result_sets(run), out or plots_folder(run)):
        show(str(path))


if __name__ == "__main__":
    sys.exit(main())
