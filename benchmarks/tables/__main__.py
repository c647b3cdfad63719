"""Tables of a run's stored cells: categories × methods, one a metric, as Markdown, CSV and LaTeX.

python -m benchmarks.tables RUN
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.console import say, show
from benchmarks.results import result_sets
from benchmarks.results.command import run_on_run
from benchmarks.tables.metric_tables import terminal_tables, write_tables


def main(argv: Sequence[str] | None = None) -> int:
    """Write and print a run's tables; return 0, or 2 where there is nothing to make them from."""
    return run_on_run("benchmarks.tables", __doc__, _write, argv)


def _write(run: Path) -> None:
    sets = result_sets(run)
    paths = write_tables(sets)
    show(terminal_tables(sets).rstrip("\n"))
    say(f"{len(paths)} tables written to {run / 'tables'}")


if __name__ == "__main__":
    sys.exit(main())
