"""The program `total-recall` where it isn't installed: python -m benchmarks COMMAND."""

import sys

from benchmarks.commands import main

if __name__ == "__main__":
    sys.exit(main())
