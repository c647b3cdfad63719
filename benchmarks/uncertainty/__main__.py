"""How far a run's values would move on other test images, and which differences are more than that.

python -m benchmarks.uncertainty RUN
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.console import say, show
from benchmarks.figures import critical_difference
from benchmarks.figures.writing import drawings, write_drawings
from benchmarks.results import result_sets
from benchmarks.results.command import run_on_run, unless_read_only
from benchmarks.results.folders import plots_folder
from benchmarks.uncertainty.writing import uncertainty_files, write_uncertainty


def main(argv: Sequence[str] | None = None) -> int:
    """Write and print a run's uncertainty; return 0, or 2 where there is nothing to judge."""
    return run_on_run("benchmarks.uncertainty", __doc__, _write, argv)


def _write(run: Path, options: argparse.Namespace) -> None:
    run, out = run.resolve(), options.out
    sets = result_sets(run)
    files, text = uncertainty_files(sets)
    show(text.rstrip("\n"))
    with unless_read_only(run, out):
        paths = write_uncertainty(files, out or run / "tables")
        figures = drawings(sets, critical_difference.figures)
        paths += write_drawings(figures, out or plots_folder(run))
        say("\n".join(map(str, paths)))


if __name__ == "__main__":
    sys.exit(main())
