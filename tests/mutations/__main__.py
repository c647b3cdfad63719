"""Plants faults and prints, as a table, what sees them.

python -m tests.mutations           # the gate on the embedded set's metrics, and its faults
python -m tests.mutations search    # the exact searches, and the tests that catch their faults
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table; return 1 if a fault of the search survives."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("subject", nargs="?", choices=("gate", "search"), default="gate")
    parser.add_argument("faults", nargs="*", help="of the search: parts of names (default: all)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        if options.subject == "search":
            from tests.mutations import search

            return search.main(Path(name), options.faults)
        from tests.mutations.gate import Gate, table

        print(table(Gate(Path(name))))
        return 0


if __name__ == "__main__":
    sys.exit(main())
