"""Writes the report of a run, or of two and their differences, as one HTML page.

python -m benchmarks.report RUN [RUN_B] [--metrics NAMES] [--difference POINTS]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.console import command_parser, run_program, show
from benchmarks.errors import BenchmarkError
from benchmarks.places import written_path
from benchmarks.report.decision import POINT
from benchmarks.report.page import write_report
from benchmarks.results import result_sets
from benchmarks.results.command import add_metrics
from benchmarks.results.folders import find_run, report_path


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page and print its path; return 0, or 2 where there is nothing to make it from."""
    parser = command_parser("benchmarks.report", __doc__)
    parser.add_argument("run", metavar="RUN", help="a run's folder, or its name under results/")
    parser.add_argument("other", metavar="RUN_B", nargs="?", help="another, to compare it with")
    add_metrics(parser)
    parser.add_argument(
        "--out", type=written_path, metavar="FILE", help="the page (default: in the run's folder)"
    )
    parser.add_argument(
        "--difference",
        type=float,
        default=POINT,
        metavar="POINTS",
        help="the smallest difference of Image AUROC that matters, in points: how many test images "
        "would show it (default: %(default)g)",
    )
    return run_program(lambda: _write(parser.parse_args(arguments)))


def _write(options: argparse.Namespace) -> int:
    if not 0 < options.difference < 100:
        raise BenchmarkError(
            f"--difference {options.difference:g} is no number of points, 0 to 100"
        )
    names = [options.run, *([options.other] if options.other else [])]
    runs = [find_run(name) for name in names]
    sets = [result_sets(run) for run in runs]
    page = options.out or report_path(runs)
    page = page / report_path(runs).name if page.is_dir() else page
    show(str(write_report(sets, page, options.metrics, options.difference)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
