"""Checks that a graphics card computes what the CPU computes, and measures what it takes.

    python -m benchmarks.gpu_check --out my_card.json

Stops at the first part that fails. Without a card, all but the timings runs by
python -m methods.testing.pretended benchmarks.gpu_check.

Exit status: 0 all passed, 1 a part failed, 2 usage or no card, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.console import command_parser, run_program, say, show
from benchmarks.errors import BenchmarkError
from benchmarks.evaluation.device import choose_device
from benchmarks.evaluation.provenance import git_sha, versions
from benchmarks.files import write_file
from benchmarks.gpu_check.bounds import bounds
from benchmarks.gpu_check.check import Check, Part, Row
from benchmarks.gpu_check.equality import equality
from benchmarks.gpu_check.header import header
from benchmarks.gpu_check.steps import smaller_cards, steps
from benchmarks.options import amount
from benchmarks.places import default_folder, written_path
from methods.lazy import torch

PARTS: Sequence[Part] = (header, bounds, equality, steps, smaller_cards)
"""Bounds come first: where one is wrong, numbers differ too, and say less of why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return run_program(lambda: _check(_parser().parse_args(arguments)))


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


def _check(options: argparse.Namespace) -> int:
    if not options.device.startswith("cuda") or not torch.cuda.is_available():
        raise BenchmarkError(
            f"--device {options.device}: no card that this PyTorch can use; see that nvidia-smi "
            "lists it, and install PyTorch for its CUDA version (pytorch.org)"
        )
    device, end = choose_device(options.device), time.monotonic() + 60 * options.minutes
    default_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=default_folder()) as folder:
        check = Check(device, Path(folder), end, options.memory_as)
        passed, parts = _run(check.small() if check.pretended else check)
    report = {"passed": passed, "parts": parts, "git_sha": git_sha(), "versions": versions()}
    write_file(options.out, json.dumps(report, indent=1).encode())
    say(f"{'PASS' if passed else 'FAIL'}: send back {options.out}")
    return 0 if passed else 1


def _run(check: Check) -> tuple[bool, dict[str, list[Row]]]:
    """Return whether all parts passed, and part → its rows, up to the first that fails."""
    rows: dict[str, list[Row]] = {}
    for check_part in PARTS:
        name = check_part.__name__
        rows[name] = []
        try:
            for row in check_part(check):
                rows[name].append(row)
                show(f"  {json.dumps(row)}")
        except (BenchmarkError, RuntimeError) as error:  # as CUDA's own are
            rows[name].append({"failed": " ".join(str(error).split())})
            show(f"FAIL {name}: {rows[name][-1]['failed']}")
            return False, rows
        show(f"PASS {name}")
    return True, rows


if __name__ == "__main__":
    sys.exit(main())
