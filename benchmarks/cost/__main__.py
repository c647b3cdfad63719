"""What a run's methods cost on this machine, from an image's file to its verdict.

    python -m benchmarks.cost RUN

Every method is fitted as it was for the run's cell of one category, and scores that category's test
images from their files to maps at their own size. The figures are of this machine, and are stored
beside the cells: RUN/cost.json. RUN's plots show accuracy against time.

Exit status: 0 done, 2 usage or data, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.console import command_parser, run_program
from benchmarks.options import add_data, positive
from benchmarks.places import written_path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return run_program(lambda: _main(_parser().parse_args(arguments)))


def _main(options: argparse.Namespace) -> int:
    from benchmarks.cost.program import time_methods  # long to import: not for --help

    return time_methods(options)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("benchmarks.cost", __doc__)
    add = parser.add_argument
    add("run", metavar="RUN", help="a run's folder, or its name under results/")
    add("--methods", help="comma-separated, as its tables call them (default: all)")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    add("--threads", type=positive, help="of the processor (default: as PyTorch chooses)")
    add(
        "--images",
        type=positive,
        default=50,
        help="how many are scored one by one (default: %(default)s)",
    )
    add(
        "--weights",
        type=written_path,
        metavar="FILE",
        help="of the backbone, where they aren't where the run had them",
    )
    add_data(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
