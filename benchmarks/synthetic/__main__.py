"""The embedded synthetic data set: its table of products, written in MVTec AD's layout."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.console import command_parser, run_program, show
from benchmarks.errors import StorageError
from benchmarks.places import written_path
from benchmarks.synthetic.products import PRODUCTS
from benchmarks.synthetic.writing import write_at_once


def main(arguments: list[str] | None = None) -> int:
    """Write the data set where the command line says; return the exit status."""
    parser = command_parser("benchmarks.synthetic", __doc__)
    parser.add_argument(
        "--out", type=written_path, required=True, metavar="DIR", help="a new or empty folder"
    )
    return run_program(lambda: _write(parser.parse_args(arguments).out))


def _write(folder: Path) -> int:
    root = folder.resolve()
    if root.exists() and not (root.is_dir() and not os.listdir(root)):
        raise StorageError(f"{root}: not an empty folder; choose a new or empty one")
    show(f"{folder}: {write_at_once(root)} images in {len(PRODUCTS)} categories")
    return 0


if __name__ == "__main__":
    sys.exit(main())
