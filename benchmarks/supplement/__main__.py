"""Regenerates the tables and figures of the paper's supplement, running only missing cells.

    python -m benchmarks.supplement
    python -m benchmarks.supplement S1 S5 figS4

Exit status: 0 done or nothing left to do, 1 some cells failed or some backbone can't be had,
2 usage or data, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.console import CONTINUES, command_parser, run_program
from benchmarks.options import add_shared, positive
from benchmarks.places import written_path
from benchmarks.supplement.trials import BACKBONES, EMBEDDED, EMBEDDED_SIZE, NAMES, PAPER_SIZE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return run_program(lambda: _main(_parser().parse_args(arguments)), CONTINUES)


def _main(options: argparse.Namespace) -> int:
    from benchmarks.supplement.program import make_supplement  # long to import: not for --help

    return make_supplement(options)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("benchmarks.supplement", __doc__)
    add = parser.add_argument
    add(
        "parts",
        nargs="*",
        metavar="PART",
        help=f"any of {', '.join(NAMES)}; differences measures what the choices in which tools "
        "differ change (default: all but differences)",
    )
    add_shared(parser)
    for name, (whose, real) in BACKBONES.items():
        add(
            f"--{name}",
            help=f"{whose}; NAME or NAME[weights=FILE,layers=a+b+c+d] (default: {real}; "
            f"{EMBEDDED[name]} on the embedded set)",
        )
    add(
        "--image-size",
        type=positive,
        help="stands for the paper's 224 pixels, and its other sizes are scaled alike "
        f"(default: {PAPER_SIZE}; {EMBEDDED_SIZE} on the embedded set)",
    )
    add(
        "--seeds",
        default="0,1,2,3,4",
        help="S5's and the verdicts', comma-separated; all else takes the first "
        "(default: %(default)s)",
    )
    add(
        "--out",
        type=written_path,
        help="folder of cells and tables (default: results/<data set>-<backbone>-<image size>-"
        "supplement); what runs beside it have stored is taken over",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
