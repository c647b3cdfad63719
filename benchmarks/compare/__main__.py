"""Compares a run with a stored baseline and fails where a metric has got worse.

    python -m benchmarks.compare RUN --baseline results/baselines/embedded.json
    python -m benchmarks.compare RUN --baseline FILE --update [--measure RERUN RERUN ...]

A first baseline, FILE that isn't there yet, tolerates rounding alone where nothing is measured.

Exit status: 0 nothing is worse, 2 usage or files, 3 a row is worse, newly failed, missing, or not
comparable: a check that compares nothing would pass everything.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from benchmarks.compare.baseline import (
    FLOOR,
    Baseline,
    read,
    rounding_tolerances,
    tolerances_from_reruns,
    write,
)
from benchmarks.compare.check import REGRESSIONS, compare, summary
from benchmarks.console import run_program, say, show
from benchmarks.errors import BenchmarkError
from benchmarks.files import atomic_file
from benchmarks.places import written_path
from benchmarks.results import Cell, Store
from benchmarks.results.folders import find_run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return run_program(lambda: _main(_parser().parse_args(arguments)))


def _main(options: argparse.Namespace) -> int:
    return _update(options) if options.update else _check(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("run", metavar="RUN", help="a run's folder, or its name under results/")
    add(
        "--baseline",
        type=written_path,
        required=True,
        metavar="FILE",
        help="what RUN is compared with",
    )
    add("--update", action="store_true", help="write RUN as the new baseline; say what changed")
    add(
        "--measure",
        nargs="+",
        default=[],
        metavar="RERUN",
        help="with --update: set tolerances from the differences between RUN and these re-runs of "
        "the same code, on other machines, thread counts, … (default: keep the baseline's; of a "
        "new one, of rounding alone)",
    )
    add("--summary", type=written_path, metavar="FILE.md", help="write what is printed there too")
    return parser


def _check(options: argparse.Namespace) -> int:
    if options.measure:
        raise BenchmarkError("--measure sets the tolerances of a new baseline: add --update")
    baseline = read(options.baseline)
    rows = compare(baseline, _cells(options.run))
    _tell(summary(rows, baseline), options.summary)
    return 3 if any(row.mark in REGRESSIONS for row in rows) else 0


def _update(options: argparse.Namespace) -> int:
    cells, path = _cells(options.run), options.baseline
    if options.measure:
        before = read(path) if path.exists() else Baseline((), {})
        runs = {name: _cells(name) for name in (options.run, *options.measure)}
        after = Baseline(tuple(cells), tolerances_from_reruns(cells, runs))
    elif path.exists():
        before = read(path)
        after = Baseline(tuple(cells), before.tolerances)
    else:
        before, after = Baseline((), {}), Baseline(tuple(cells), rounding_tolerances())
    write(path, after)
    _tell(summary(compare(before, cells), before), options.summary)
    say(f"{path}: {len(cells)} cells written")
    if not before.cells and not options.measure:
        say(
            f"{path} is new: it tolerates rounding alone, {FLOOR:g} of a fraction and no image; "
            "--update --measure RERUN … measures what re-runs differ by"
        )
    return 0


def _cells(name: str) -> Collection[Cell]:
    run = find_run(name)
    cells = Store(run).cells(lambda line: say(f"warning: {line}"))
    if not cells:
        raise BenchmarkError(f"{run / 'cells'}: no cells; python -m benchmarks.run writes some")
    return cells


def _tell(text: str, path: Path | None) -> None:
    show(text.rstrip("\n"))
    if path is not None:
        with atomic_file(path) as file:
            file.write(text.encode())


if __name__ == "__main__":
    sys.exit(main())
