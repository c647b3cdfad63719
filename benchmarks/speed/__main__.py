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
from benchmarks.evaluation.provenance import git_sha, versions
from benchmarks.places import written_path
from benchmarks.speed import references as plain
from benchmarks.speed.host import measure_host
from benchmarks.speed.inputs import SCALES, Scale
from benchmarks.speed.report import Report, kept, markdown, write
from benchmarks.speed.steps import STEPS
from benchmarks.speed.timing import Bench, describe_machine
from methods.components.precision import full_precision

PEERS = ("anomalib", "adeval")


def measure(steps: Sequence[str], scale: Scale, device: str) -> Report:
    """Time the named steps, and their growth where they have one."""
    machine = describe_machine(device)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(scale, device, Path(folder))
        rows = [row for step in steps for row in bench.rows(STEPS[step].rows)]
        grown = [growth for step in steps if (growth := STEPS[step].growth)]
        curves = [curve for growth in grown for curve in growth(bench)]
        return Report(rows, curves, _caption(bench, machine))


def _caption(bench: Bench, machine: str) -> str:
    missing = [package for package in PEERS if not plain.installed(package)]
    rounds = bench.scale.repeats
    parts = [
        f"Scale {bench.scale.name}: medians of {rounds} round{'s'[: rounds != 1]}, in which ours "
        "and the references take turns; the category is run once.",
        f"Machine: {machine}.",
        _revision(),
        "Features are seeded random smooth maps of 12 latent variables over positions and images, "
        "with 7 % noise, rectified, in the backbone's shapes; the backbone's weights are random. "
        f"Patch features of coreset and search: {bench.inputs.patch_source}.",
    ]
    if missing:
        parts.append(
            f"Not installed and so not timed: {', '.join(missing)} "
            "(pip install 'total-recall-bench[peers]')."
        )
    return "\n".join(parts)


def _revision() -> str:
    packages = ", ".join(" ".join(pair) for pair in versions().items())
    return f"Revision {git_sha() or 'unknown'}; {packages}."


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("benchmarks.speed", __doc__)
    add = parser.add_argument
    add("steps", nargs="*", metavar="STEP", help=f"{', '.join(STEPS)} (default: all), or host")
    add("--scale", choices=SCALES, default="full", help="(default: %(default)s)")
    add(
        "--out",
        type=written_path,
        default=Path("results/speed"),
        help="folder of the tables (default: %(default)s)",
    )
    add("--keep", action="store_true", help="keep other steps' rows of the folder's tables")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return run_program(lambda: _speed(_parser().parse_args(arguments)))


def _speed(options: argparse.Namespace) -> int:
    scale, out = SCALES[options.scale], options.out.resolve()
    if options.steps == ["host"]:
        caption = f"Machine: {describe_machine('cpu')}.\n{_revision()}"
        path = measure_host(out, caption, share=0.03 if scale.name == "small" else 1.0)
        show(path.read_text("utf-8"))
        say(str(path))
        return 0
    known = scale.steps or tuple(STEPS)
    if unknown := [step for step in options.steps if step not in known]:
        raise BenchmarkError(
            f"no step {unknown[0]!r} at scale {scale.name}: there are {', '.join(known)}"
        )
    steps = list(dict.fromkeys(options.steps)) or list(known)
    with full_precision():
        report = measure(steps, scale, choose_device(options.device))
    report = kept(report, out) if options.keep else report
    paths = write(report, out)
    show(markdown(report))
    say("\n".join(map(str, paths)))
    for row in report.disagreements:
        say(f"error: {row.step} differs from its definition: {row.agreement}")
    return 1 if report.disagreements else 0


if __name__ == "__main__":
    sys.exit(main())
