"""Figures of a run's stored cells: an overview, working points, curves and example maps.

python -m benchmarks.figures RUN
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.console import run_program, show
from benchmarks.figures.writing import write_figures
from benchmarks.results import result_sets
from benchmarks.results.folders import find_run, plots_folder


def main(argv: Sequence[str] | None = None) -> int:
    """Write a run's figures; return 0, or 2 where there is nothing to make them from."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.figures", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="a run's folder, or its name under results/")
    return run_program(lambda: _write(parser.parse_args(argv).run))


def _write(name: str) -> int:
    run = find_run(name).resolve()
    for path in write_figures(result_sets(run), plots_folder(run)):
        show(str(path))
    return 0


if __name__ == "__main__":
    sys.exit(main())
