"""Tables of a run's stored cells: categories × methods, one a metric, as Markdown, CSV and LaTeX.

python -m benchmarks.tables RUN [--metrics NAMES]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.console import command_parser, run_program, say, show
from benchmarks.results import result_sets
from benchmarks.results.command import add_metrics, add_out, unless_read_only
from benchmarks.results.folders import find_run
from benchmarks.tables.metric_tables import terminal_tables, write_tables


def main(argv: Sequence[str] | None = None) -> int:
    """Write and print a run's tables; return 0, or 2 where there is nothing to make them from."""
    parser = command_parser("benchmarks.tables", __doc__)
    parser.add_argument("run", metavar="RUN", help="a run's folder, or its name under results/")
    add_metrics(parser)
    add_out(parser)
    return run_program(lambda: _write(parser.parse_args(argv)))


def _write(options: argparse.Namespace) -> int:
    run = find_run(options.run)
    sets, folder = result_sets(run), options.out or run / "tables"
    show(terminal_tables(sets, options.metrics).rstrip("\n"))
    with unless_read_only(run, options.out):
        paths = write_tables(sets, folder)
        say(f"{len(paths)} tables written to {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
