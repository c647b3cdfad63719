"""How far a run's values would move on other test images, and which differences are more than that.

python -m benchmarks.uncertainty RUN
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.console import run_program, say, show
from benchmarks.figures import critical_difference, write_figures
from benchmarks.results import result_sets
from benchmarks.results.folders import find_run, plots_folder
from benchmarks.uncertainty.writing import write_uncertainty


def main(argv: Sequence[str] | None = None) -> int:
    """Write and print a run's uncertainty; return 0, or 2 where there is nothing to judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.uncertainty", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="a run's folder, or its name under results/")
    return run_program(lambda: _write(parser.parse_args(argv).run))


def _write(name: str) -> int:
    run = find_run(name).resolve()
    sets = result_sets(run)
    paths, text = write_uncertainty(sets)
    paths += write_figures(sets, plots_folder(run), [critical_difference.figures])
    show(text.rstrip("\n"))
    say("\n".join(map(str, paths)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
