"""Compares a run with a stored baseline and fails where a metric has got worse.

    python -m benchmarks.compare RUN --baseline results/baselines/embedded.json
    python -m benchmarks.compare RUN --baseline FILE --update

An update keeps the tolerances. A metric that has none, as all have where FILE isn't there yet, gets
that of rounding alone.

Exit status: 0 nothing is worse, 2 usage or files, 3 a row is worse, newly failed, missing, or not
comparable: a check that compares nothing would pass everything.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from benchmarks.compare.baseline import FLOOR, Baseline, metrics_of, read, with_rounding, write
from benchmarks.compare.check import REGRESSIONS, compare, summary
from benchmarks.console import command_parser, run_program, say, show
from benchmarks.errors import BenchmarkError
from benchmarks.files import write_file
from benchmarks.places import written_path
from benchmarks.results import Cell, Store
from benchmarks.results.folders import find_run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return run_program(lambda: _compare(_parser().parse_args(arguments)))


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("benchmarks.compare", __doc__)
    add = parser.add_argument
    add("run", metavar="RUN", help="a run's folder, or its name under results/")
    add("--baseline", type=written_path, required=True, metavar="FILE", help="the stored values")
    add("--update", action="store_true", help="write RUN as the new baseline; say what changed")
    add("--summary", type=written_path, metavar="FILE.md", help="write what is printed there too")
    return parser


def _compare(options: argparse.Namespace) -> int:
    if options.update:
        return _update(options)
    baseline = read(options.baseline)
    rows = compare(baseline, _cells(options.run))
    _tell(summary(rows, baseline), options.summary)
    return 3 if any(row.mark in REGRESSIONS for row in rows) else 0


def _update(options: argparse.Namespace) -> int:
    cells, path = _cells(options.run), options.baseline
    before = read(path) if path.exists() else Baseline((), {})
    tolerances = with_rounding(before.tolerances, metrics_of(cells))
    write(path, Baseline(tuple(cells), tolerances))
    _tell(summary(compare(before, cells), before), options.summary)
    say(f"{path}: {len(cells)} cells written")
    if unmeasured := sorted(tolerances.keys() - before.tolerances):
        metrics = ", ".join(unmeasured) if before.tolerances else "all metrics"
        say(
            f"{path}: {metrics} new: rounding alone is tolerated, {FLOOR:g} of a fraction and no "
            "image; docs/trust.md says how to measure what re-runs differ by"
        )
    return 0


def _cells(name: str) -> Collection[Cell]:
    run = find_run(name)
    cells = Store(run).standing(lambda line: say(f"warning: {line}")).cells
    if not cells:
        raise BenchmarkError(f"{run / 'cells'}: no cells; python -m benchmarks.run writes some")
    return cells


def _tell(text: str, path: Path | None) -> None:
    show(text.rstrip("\n"))
    if path is not None:
        write_file(path, text.encode())


if __name__ == "__main__":
    sys.exit(main())
