"""Measure how often intervals cover and tests err, on simulated test sets whose truth is known.

python -m tests.coverage
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.console import run_program, show
from benchmarks.errors import BenchmarkError


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables; return 0, or 2 for options that name nothing."""
    parser = argparse.ArgumentParser(prog="python -m tests.coverage", description=__doc__)
    parser.add_argument(
        "--sizes",
        default="12+30,20+63,41+119,60+40",
        help="normal and anomalous test images (default: toothbrush's, bottle's, screw's and "
        "transistor's of MVTec AD: %(default)s)",
    )
    parser.add_argument(
        "--parts",
        default="images,tests",
        help="what is measured (default: %(default)s; pixels takes longest)",
    )
    parser.add_argument("--rounds", type=int, default=200, help="test sets (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all chance (default: %(default)s)")
    return run_program(lambda: _measure(parser.parse_args(argv)))


def _measure(options: argparse.Namespace) -> int:
    from tests.coverage.tables import PARTS

    sizes = [_size(text) for text in options.sizes.split(",")]
    parts = options.parts.split(",")
    if unknown := [part for part in parts if part not in PARTS]:
        raise BenchmarkError(f"--parts: no {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if options.rounds < 1 or options.seed < 0:
        raise BenchmarkError("--rounds is at least 1, and --seed at least 0")
    for part in parts:
        for table in PARTS[part](sizes, options.rounds, options.seed):
            show(table)
    return 0


def _size(text: str) -> tuple[int, int]:
    normals, _, anomalous = text.partition("+")
    if not (normals.isdecimal() and anomalous.isdecimal()) or min(int(normals), int(anomalous)) < 2:
        raise BenchmarkError(f"--sizes: {text!r} is not like 12+30, with two or more of each class")
    return int(normals), int(anomalous)


if __name__ == "__main__":
    sys.exit(main())
