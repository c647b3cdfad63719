"""Times every step against its plain definition, and against anomalib and ADEval where installed.

    python -m benchmarks.speed                                  # every step at full size
    python -m benchmarks.speed coreset search --scale small
    python -m benchmarks.speed search --keep                    # the other steps' rows stay
    python -m benchmarks.speed --scale large                    # coreset and search, 3.9 M patches
    python -m benchmarks.speed host                             # a run's CPU seconds by stage

Ours and the references take turns in one run; medians and their ratios are reported. A slow
reference runs on a part, which its row names. `host` is measured only where it is asked for, alone:
it draws 5 GB of images into the cache's folder and keeps them. Exit status: 0 done, 1 a result
differs from its definition's, 2 usage.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.console import command_parser, run_program, say, show
from benchmarks.errors import BenchmarkError
from benchmarks.evaluation.device import choose_device
from benchmarks.places import written_path
from benchmarks.speed.inputs import SCALES
from benchmarks.speed.report import kept, markdown, write
from benchmarks.speed.steps import STEPS
from benchmarks.speed.timing import Bench, describe_machine
from methods.components.precision import full_precision


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("benchmarks.speed", __doc__)
    add = parser.add_argument
    add("steps", nargs="*", metavar="STEP", help=f"{', '.join(STEPS)} (default: all), or host")
    add("--scale", choices=SCALES, default="full", help="(default: %(default)s)")
    tables = Path("results/speed")
    add("--out", type=written_path, default=tables, help="tables' folder (default: %(default)s)")
    add("--keep", action="store_true", help="keep other steps' rows of the folder's tables")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return run_program(lambda: _speed(_parser().parse_args(arguments)))


def _speed(options: argparse.Namespace) -> int:
    scale, out = SCALES[options.scale], options.out.resolve()
    if options.steps == ["host"]:
        from benchmarks.speed.host import measure_host  # long to import: not for --help

        share = 0.03 if scale.name == "small" else 1.0
        show(measure_host(out, describe_machine("cpu"), share).read_text("utf-8"))
        return 0
    known = scale.steps or tuple(STEPS)
    if unknown := [step for step in options.steps if step not in known]:
        listed = ", ".join(known)
        raise BenchmarkError(f"no step {unknown[0]!r} at scale {scale.name}: there are {listed}")
    with tempfile.TemporaryDirectory() as folder, full_precision():
        bench = Bench(scale, choose_device(options.device), Path(folder))
        steps = dict.fromkeys(options.steps or known)
        rows = [row for step in steps for row in bench.rows(STEPS[step])]
    rows = kept(rows, out) if options.keep else rows
    write(rows, out)
    show(markdown(rows))
    say(str(out))
    wrong = [row for row in rows if row.agrees is False]
    for row in wrong:
        say(f"error: {row.step} differs from its definition: {row.agreement}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
