"""Measures the gate's baseline anew: its commands in several surroundings, and its tolerances.

    python -m tests.reruns results/baselines/embedded.json    # half an hour on two cores

Which cells these are the file itself says. New metrics get values and tolerances. A value that
moved by more than was tolerated is printed, as `python -m benchmarks.compare --update` does, and
written; every other stays as it is stored, to the last digit.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.compare.__main__ import main as compare
from benchmarks.compare.baseline import Baseline, read, write
from benchmarks.compare.check import compare as compare_cells
from benchmarks.console import say
from benchmarks.results import Cell
from tests import tolerances
from tests.false_alarms import CATEGORIES, Surroundings, run, threads
from tests.mutations.gate import Gate

# fmt: off
RERUNS = (
    Surroundings("threads-2", threads(2)),
    Surroundings("threads-1", threads(1)),
    Surroundings("threads-4", threads(4)),
    Surroundings("reversed-order", threads(2), order=-1),
    Surroundings("memory-1-byte", threads(1), ("--memory-gb", "1e-9")),
    Surroundings("aten-default", {**threads(1), "ATEN_CPU_CAPABILITY": "default"}),
    Surroundings("avx2", {**threads(1), "ATEN_CPU_CAPABILITY": "avx2",
                          "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}),
    Surroundings("sse4-threads-2", {**threads(2), "ATEN_CPU_CAPABILITY": "default",
                                    "ONEDNN_MAX_CPU_ISA": "SSE41",
                                    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}),
    Surroundings("seeds-1-to-4", threads(1), ("--seeds", "1,2,3,4")),
)
# fmt: on
"""The first one's values become the baseline's."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything and write the file; return 0, or 2 where it can't be."""
    parser = argparse.ArgumentParser(prog="python -m tests.reruns", description=__doc__)
    parser.add_argument("baseline", type=Path, metavar="FILE", help="is read, and written anew")
    file = str(parser.parse_args(arguments).baseline.absolute())
    with tempfile.TemporaryDirectory() as temporary:
        gate = Gate(Path(temporary), CATEGORIES)
        runs = []
        for surroundings in RERUNS:
            runs.append(str(run(gate, Path(temporary), surroundings)))
            say(f"{surroundings.name}: done")
        return update(file, runs[0]) or tolerances.main([file, *runs])


def update(file: str, run: str) -> int:
    """Write a run's values into a baseline where they are new, or not what was stored."""
    before = read(Path(file))
    if status := compare([run, "--baseline", file, "--update"]):
        return status
    after, stored = read(Path(file)), {cell.key: cell for cell in before.cells}
    cells = tuple(unchanged_kept(before, stored.get(cell.key), cell) for cell in after.cells)
    write(Path(file), replace(after, cells=cells))
    return 0


def unchanged_kept(before: Baseline, stored: Cell | None, cell: Cell) -> Cell:
    """Return a cell with the stored values of the metrics that count as unchanged."""
    if stored is None:
        return cell
    unchanged = {row.metric for row in compare_cells(before, [cell]) if row.mark == "unchanged"}
    return replace(cell, metrics={**cell.metrics, **{m: stored.metrics[m] for m in unchanged}})


if __name__ == "__main__":
    sys.exit(main())
