"""Measures how far re-runs of the same code differ, and makes that a baseline's tolerances.

    python -m tests.tolerances results/baselines/embedded.json gate threads-1 threads-4 avx2

Every run is named: the baseline's own, too. Other seeds are measured for comparison and tolerated
nowhere: a run is compared with the same seed only.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.compare.baseline import FLOOR, Tolerance, denominator, read, unit, value, write
from benchmarks.console import run_program, say
from benchmarks.errors import BenchmarkError
from benchmarks.metrics.definitions import METRICS
from benchmarks.results import Cell, Store
from benchmarks.results.folders import find_run

MARGIN = 2
"""Times the measured difference: machines differ more than those that were measured."""


def main(argv: Sequence[str] | None = None) -> int:
    """Set the tolerances of a baseline; return 0, or 2 where the runs tell nothing."""
    parser = argparse.ArgumentParser(prog="python -m tests.tolerances", description=__doc__)
    parser.add_argument("baseline", type=Path, metavar="FILE", help="whose tolerances are set")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folders, or names under results/")
    return run_program(lambda: _measure(parser.parse_args(argv)))


def _measure(options: argparse.Namespace) -> int:
    baseline = read(options.baseline)
    runs = {name: Store(find_run(name)).cells(say) for name in options.runs}
    measured = tolerances(baseline.cells, runs)
    write(options.baseline, replace(baseline, tolerances=measured))
    say(f"{options.baseline}: {len(measured)} tolerances written")
    return 0


def tolerances(
    cells: Collection[Cell], runs: Mapping[str, Collection[Cell]]
) -> dict[str, Tolerance]:
    """Return the tolerances that re-runs of the same cells justify, each with its origin.

    A metric that counts images gets what was measured, in whole images. Every other gets MARGIN
    times that, with two digits, at least FLOOR.

    Raises:
        BenchmarkError: the runs hold no cell of the baseline twice.
    """
    keys = {cell.key for cell in cells}
    pool = [cell for run in runs.values() for cell in run]
    again = spread((cell for cell in pool if cell.key in keys), lambda cell: cell.key)
    seeds = spread(pool, lambda cell: replace(cell.spec, seed=0).key)
    if not any(groups for _, groups in again.values()):
        raise BenchmarkError(
            f"{' '.join(runs)}: none of the baseline's cells is in two of these runs; name re-runs "
            "of the same command"
        )
    names = ", ".join(Path(name).name for name in runs)
    numbers = ", ".join(map(str, sorted({cell.spec.seed for cell in pool})))
    return {
        metric: tolerance(
            metric,
            difference,
            f"largest difference in {groups} cells of the same seed between {names}: "
            f"{difference:.2g} (between seeds {numbers}: {seeds[metric][0]:.2g})",
        )
        for metric, (difference, groups) in again.items()
    }


def tolerance(metric: str, difference: float, origin: str) -> Tolerance:
    if unit(metric) == "images":
        return Tolerance(round(difference), "images", origin)
    amount = max(FLOOR, float(f"{MARGIN * difference:.2g}"))
    return Tolerance(amount, "fraction", f"{origin}; {MARGIN} times that, at least {FLOOR}")


def spread(cells: Iterable[Cell], identity: Callable[[Cell], str]) -> dict[str, tuple[float, int]]:
    """Return metric → the largest difference between cells of one identity, and how many groups.

    Differences are in the unit of the metric's tolerance. Groups of one cell and undefined values
    tell nothing and are left out; a metric without any other has 0 groups.
    """
    groups: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[identity(cell)].append(cell)
    spreads = {}
    for metric in METRICS:
        differences = []
        for group in groups.values():
            known = [number for cell in group if (number := value(cell, metric)) is not None]
            if len(known) > 1:
                differences.append((max(known) - min(known)) * denominator(metric, group[0]))
        spreads[metric] = (max(differences, default=0.0), len(differences))
    return spreads


if __name__ == "__main__":
    sys.exit(main())
