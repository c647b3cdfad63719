"""Checks that a graphics card computes what the CPU computes, and measures what it takes.

    python -m benchmarks.gpu_check --out my_card.json

Stops at the first part that fails. Without a card, all but the timings runs by
python -m methods.testing.pretended benchmarks.gpu_check.

Exit status: 0 all passed, 1 a part failed, 2 usage or no card, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.console import command_parser, run_program
from benchmarks.options import amount
from benchmarks.places import written_path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return run_program(lambda: _main(_parser().parse_args(arguments)))


def _main(options: argparse.Namespace) -> int:
    from benchmarks.gpu_check.program import check_card  # long to import: not for --help

    return check_card(options)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("benchmarks.gpu_check", __doc__)
    add = parser.add_argument
    add("--device", default="cuda:0", help="cuda or cuda:N (default: %(default)s)")
    add("--minutes", type=amount, default=8.0, help="after these no timing begins (default: 8)")
    smaller = "GiB of smaller cards that it stands for (default: %(default)s)"
    add("--memory-as", default="8,16,24", type=_bytes, metavar="GIB,…", help=smaller)
    out = Path("gpu_check.json")
    add("--out", type=written_path, default=out, help="file to send back (default: %(default)s)")
    return parser


def _bytes(sizes: str) -> list[int]:
    return [int(amount(gib) * 2**30) for gib in sizes.split(",")]


if __name__ == "__main__":
    sys.exit(main())
