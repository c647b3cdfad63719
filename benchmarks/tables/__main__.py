"""Tables of a run's stored cells: categories × methods, one a metric, as Markdown, CSV and LaTeX.

python -m benchmarks.tables RUN [--metrics NAMES]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.console import say, show
from benchmarks.results import result_sets
from benchmarks.results.command import add_metrics, run_on_run, unless_read_only
from benchmarks.tables.metric_tables import terminal_tables, write_tables


def main(argv: Sequence[str] | None = None) -> int:
    """Write and print a run's tables; return 0, or 2 where there is nothing to make them from."""
    return run_on_run("benchmarks.tables", __doc__, _write, argv, add_metrics)


def _write(run: Path, options: argparse.Namespace) -> None:
    sets, folder = result_sets(run), options.out or run / "tables"
    show(terminal_tables(sets, options.metrics).rstrip("\n"))
    with unless_read_only(run, options.out):
        paths = write_tables(sets, folder)
        say(f"{len(paths)} tables written to {folder}")


if __name__ == "__main__":
    sys.exit(main())
