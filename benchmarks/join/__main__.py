"""Joins runs that were measured alike: copies their cells into one, for tables and tests of all.

python -m benchmarks.join RUN RUN ... --out DIR
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from benchmarks.console import command_parser, run_program, say
from benchmarks.errors import BenchmarkError
from benchmarks.files import require_writable
from benchmarks.places import written_path
from benchmarks.results import Cell, Store
from benchmarks.results.agreement import differing_data, measures
from benchmarks.results.folders import find_run
from benchmarks.results.lock import only_writer


def main(arguments: Sequence[str] | None = None) -> int:
    """Join runs; return 0, or 2 where they can't stand in one table."""
    parser = command_parser("benchmarks.join", __doc__)
    add = parser.add_argument
    add("runs", metavar="RUN", nargs="+", help="runs' folders, or their names under results/")
    add("--out", type=written_path, required=True, metavar="DIR", help="the folder of all cells")
    return run_program(lambda: _join(parser.parse_args(arguments)))


def _join(options: argparse.Namespace) -> int:
    stores = [Store(find_run(name)) for name in options.runs]
    target = Store(options.out)
    stand = {store.run: store.standing(_warn).cells for store in (target, *stores)}
    for store in stores:
        if not stand[store.run]:
            raise BenchmarkError(f"{store.run}: no cells; python -m benchmarks.run writes some")
    good = {run: [c for c in cells if c.status == "ok"] for run, cells in stand.items()}
    check_agreement(good)
    require_writable(target.run)
    with only_writer(target.run):
        copied = set().union(*(_copy(good[store.run], store, target) for store in stores))
        target.write_metrics(_warn)
    joined = [cell for store in stores for cell in stand[store.run]]
    keys = {cell.key for cell in joined if cell.status == "ok"}
    failed = {cell.key for cell in joined} - keys
    left_out = f"; {len(failed)} failed, left out" if failed else ""
    say(
        f"{len(keys)} cells joined in {target.run}: {len(copied)} copied, "
        f"{len(keys - copied)} were there{left_out}; python -m benchmarks.tables, figures, "
        f"uncertainty and report {target.run} show them"
    )
    return 0


def _copy(cells: Sequence[Cell], source: Store, target: Store) -> set[str]:
    """Copy the cells that the target lacks, and ask it for all; return the keys of the former."""
    stored = {cell.key: target.find(cell.spec) for cell in cells}
    good = {k for k, c in stored.items() if c and c.status == "ok" and target.is_whole(c)}
    lacking = [cell for cell in cells if cell.key not in good]
    for cell in lacking:
        target.adopt(cell.spec, source)
    for place in dict.fromkeys(cell.place for cell in cells):
        target.ask([cell.spec for cell in cells if cell.place == place], place)
    return {cell.key for cell in lacking}


def _warn(line: str) -> None:
    say(f"warning: {line}")


def check_agreement(runs: dict[Path, list[Cell]]) -> None:
    """Check that the cells of runs may stand in one table.

    Raises:
        BenchmarkError: two runs differ in their data, or share no crop.
    """
    for (run, cells), (other_run, others) in combinations(runs.items(), 2):
        why = differing_data(cells, others) if cells and others else ""
        if cells and others and not why and not {*measures(cells)} & {*measures(others)}:
            crops = ("; ".join(map(str, measures(some))) for some in (cells, others))
            why = f"measured at {' and at '.join(crops)}; run one of them as the other"
        if why:
            raise BenchmarkError(f"{run} and {other_run} can't stand in one table: {why}")


if __name__ == "__main__":
    sys.exit(main())
