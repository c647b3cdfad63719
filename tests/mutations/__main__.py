"""Plants faults and prints, as a table, what sees them.

python -m tests.mutations           # the gate on the embedded set's metrics, and its faults
python -m tests.mutations search    # the exact searches, and the tests that catch their faults
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Print a table; return 1 if a fault of the search survives."""
    with tempfile.TemporaryDirectory() as name:
        if arguments[:1] == ["search"]:
            from tests.mutations import search

            return search.main(Path(name), arguments[1:])
        from tests.mutations.gate import Gate, table

        print(table(Gate(Path(name))))
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
