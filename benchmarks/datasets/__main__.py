"""Lists the data sets that are known, or checks a copy of one."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from benchmarks.console import run_program
from benchmarks.datasets.indexing import Dataset, index
from benchmarks.datasets.known import KNOWN
from benchmarks.places import written_path


def main(arguments: list[str] | None = None) -> int:
    """List the data sets that are known, or check a copy; return the exit status."""
    return run_program(lambda: _main(arguments))


def _main(arguments: list[str] | None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.datasets",
        description="List the data sets that are known, or check a copy of one. Exit status: 0 "
        "fine, 1 other counts than the official ones, 2 problems or usage.",
    )
    parser.add_argument(
        "root", nargs="?", type=written_path, metavar="DIR", help="the copy to check"
    )
    root: Path | None = parser.parse_args(arguments).root
    if root is None:
        print(_list())
        return 0
    if not os.path.isdir(root):
        parser.error(f"{root}: no such folder")
    return _report(index(root))


def _list() -> str:
    rows = [
        (name, known.title, len(known.counts), known.licence or "see there", known.where)
        for name, known in KNOWN.items()
    ]
    return _table(("name", "data set", "categories", "licence", "where"), rows)


def _report(dataset: Dataset) -> int:
    """Print a copy's counts beside the official ones; return the exit status."""
    official = KNOWN[dataset.name].counts if dataset.name in KNOWN else {}
    rows = [(c.name, *c.counts, *official.get(c.name, ())) for c in dataset.categories]
    headers = ("category", "train", "test good", "test defect", *["official"] * 3 * bool(official))
    print(f"{dataset.root}: {dataset.name}\n\n{_table(headers, rows)}\n")
    wrong = list(dataset.warnings)
    here = {category.name for category in dataset.categories}
    if missing := [name for name in official if name not in here]:
        wrong.append(f"missing: {', '.join(missing)}; {KNOWN[dataset.name].where} has all")
    print("\n".join(wrong) or "Every image and mask can be read.")
    return 1 if wrong else 0


def _table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = [[str(value) for value in row] for row in rows]
    return tabulate(cells, headers, disable_numparse=True)  # else category 01 becomes 1


if __name__ == "__main__":
    sys.exit(main())
