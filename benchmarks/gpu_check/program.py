"""What `benchmarks.gpu_check` does once its command line is read: one part after the other."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.console import say, show
from benchmarks.errors import BenchmarkError
from benchmarks.evaluation.device import choose_device
from benchmarks.evaluation.provenance import git_sha, versions
from benchmarks.files import write_file
from benchmarks.gpu_check.bounds import bounds
from benchmarks.gpu_check.check import Check, Part, Row
from benchmarks.gpu_check.equality import equality
from benchmarks.gpu_check.header import header
from benchmarks.gpu_check.steps import smaller_cards, steps
from benchmarks.places import default_folder
from methods.lazy import torch

PARTS: Sequence[Part] = (header, bounds, equality, steps, smaller_cards)
"""Bounds come first: where one is wrong, numbers differ too, and say less of why."""


def check_card(options: argparse.Namespace) -> int:
    """Run the parts, and write what they found; return 0 where all passed, else 1.

    Raises:
        BenchmarkError: there is no such card.
    """
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
