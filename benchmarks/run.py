"""Compares methods on every category of a data set and prints the tables.

    python -m benchmarks.run --methods patchcore-25,spade,padim

Exit status: 0 done or nothing left to do, 1 some cells failed, 2 usage or data, 130 interrupted.
"""

from __future__ import annotations

import argparse
import itertools
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import methods
from benchmarks.choices import Choice, joined, parse
from benchmarks.datasets import Dataset
from benchmarks.errors import BenchmarkError
from benchmarks.estimate import summary
from benchmarks.evaluate import KeptMaps
from benchmarks.options import (
    NOTICE,
    add_shared,
    chosen_cache,
    chosen_dataset,
    chosen_machine,
    integers,
    positive,
)
from benchmarks.plan import Asked, Plan, backbone_specs, default_run, make_plan
from benchmarks.progress import say, show
from benchmarks.protocol import MaskResize, Protocol
from benchmarks.store import Store

DEFAULT_METHODS = "patchcore-25,spade,padim"
REAL_BACKBONE, REAL_SIZE = "wide_resnet50_2", 224
EMBEDDED_BACKBONE, EMBEDDED_SIZE = "filterbank", 128


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    options = _parser().parse_args(arguments)
    return guarded(lambda: _list() if options.list else _run(options))


def guarded(program: Callable[[], int]) -> int:
    """Return a program's exit status; expected errors and interruptions become a line and one."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return program()
    except (BenchmarkError, methods.MethodNameError) as error:
        say(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        say("interrupted: every finished cell is stored; the same command continues from here")
        return 130


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--methods",
        default=DEFAULT_METHODS,
        help="comma-separated names, parameters in brackets: patchcore-25[patch_size=5] "
        "(default: %(default)s)",
    )
    add_shared(parser)
    _add_images(parser)
    add("--seeds", default="0", help="comma-separated integers (default: %(default)s)")
    add(
        "--shots",
        default="all",
        help="comma-separated numbers of nominal training images, or all (default: %(default)s)",
    )
    add(
        "--mask-resize",
        choices=get_args(MaskResize),
        default="nearest",
        help="official: as the official PatchCore code, which erodes defects (default: nearest)",
    )
    add(
        "--out",
        type=Path,
        help="the run's folder (default: results/<data set>-<backbone>-<image size>)",
    )
    add(
        "--save-maps",
        action="store_true",
        help="store all anomaly maps (default: an example of each kind, and what is misclassified)",
    )
    add("--list", action="store_true", help="list the methods with their parameters")
    return parser


def _add_images(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what becomes of an image."""
    add = parser.add_argument
    add(
        "--backbone",
        help="torchvision name, timm/<name.tag>, or filterbank; several joined by + are an "
        f"ensemble (default: {REAL_BACKBONE}; {EMBEDDED_BACKBONE} on the embedded set)",
    )
    add(
        "--weights",
        type=Path,
        help=".pth or .safetensors file (default: the pinned ImageNet weights, downloaded once); "
        "in an ensemble: NAME[weights=FILE,layers=a+b+c+d]+NAME…",
    )
    add(
        "--layers",
        help="comma-separated module names for levels 1,2,3,4 (default: known for ResNets, "
        "DenseNets and timm; needed for others)",
    )
    add(
        "--image-size",
        type=positive,
        help="side of the centre crop in pixels "
        f"(default: {REAL_SIZE}; {EMBEDDED_SIZE} on the embedded set)",
    )
    add(
        "--resize",
        type=positive,
        help="the shorter side before the crop, in pixels (default: 8/7 of the crop)",
    )


def _list() -> int:
    for name in methods.names():
        parameters = asdict(methods.resolve(name).parameters)
        print(f"{name:15}", ", ".join(f"{key}={value}" for key, value in parameters.items()))
    return 0


def _run(options: argparse.Namespace) -> int:
    plan, cache = _plan(options), chosen_cache(options)
    protocol = plan.protocol
    run = options.out or default_run(plan.dataset.name, protocol.backbone.name, protocol.image_size)
    store = Store(run)
    missing = plan.missing(store, force=options.force)
    if options.dry_run:
        for job in itertools.chain.from_iterable(missing.values()):
            shots = "" if job.spec.shots is None else f" {job.spec.shots} shots"
            print(f"{job.spec.category} {job.spec.method} s{job.spec.seed}{shots}")
        print(summary([(plan, missing)], run, cache))
        return 0
    if missing:
        from benchmarks.executors import run_plan

        with chosen_machine(options) as machine:
            passes = run_plan(plan, missing, store, cache, machine)
        say(f"{passes} images passed the backbone; every cell is in {run}")
    else:
        say(f"nothing left to do: all cells are stored in {run} (--force evaluates again)")
    _show(run, anything_new=bool(missing))
    if plan.dataset.synthetic:
        say(NOTICE)
    return 1 if plan.missing(store) else 0


def _plan(options: argparse.Namespace) -> Plan:
    variants = {
        variant.name: variant for variant in map(methods.resolve, methods.split(options.methods))
    }
    if not variants:
        raise BenchmarkError(f"--methods: name at least one of {', '.join(methods.names())}")
    seeds = integers(options.seeds, "--seeds", 0)
    shots = [
        None if part == "all" else integers(part, "--shots", 1)[0]
        for part in dict.fromkeys(part.strip() for part in options.shots.split(","))
    ]
    maps: tuple[KeptMaps, KeptMaps] = ("all", "all") if options.save_maps else ("errors", "none")
    asked = [
        Asked(variant, count, seed, *maps)
        for variant in variants.values()
        for count in shots
        for seed in seeds
    ]
    dataset = chosen_dataset(options)
    members = backbone_specs(_members(options, dataset), download=not options.dry_run)
    size = options.image_size or (EMBEDDED_SIZE if dataset.synthetic else REAL_SIZE)
    if options.resize and options.resize < size:
        raise BenchmarkError(f"--resize {options.resize} is less than the crop's {size} pixels")
    protocol = Protocol(
        backbone=joined([spec for _, spec in members]),
        image_size=size,
        dtype=options.dtype,
        mask_resize=options.mask_resize,
        resize=options.resize or 0,
    )
    return make_plan(dataset, members, protocol, asked)


def _members(options: argparse.Namespace, dataset: Dataset) -> tuple[Choice, ...]:
    named = options.backbone or (EMBEDDED_BACKBONE if dataset.synthetic else REAL_BACKBONE)
    members = parse(named)
    layers = options.layers and tuple(part.strip() for part in options.layers.split(","))
    if options.weights is None and layers is None:
        return members
    if len(members) > 1 or "[" in named:
        raise BenchmarkError(
            f"--weights and --layers are of one backbone, not of {named}: write "
            "NAME[weights=FILE,layers=a+b+c+d] for each"
        )
    return (Choice(members[0].name, options.weights, layers),)


def _show(run: Path, *, anything_new: bool) -> None:
    """Print the tables, and write them, the figures and the report where anything changed."""
    from benchmarks import figures, tables
    from benchmarks.report.page import report_path, write_report

    show(tables.terminal_tables(run))
    plots = Path("plots") / run.name
    if anything_new or not plots.exists():
        written = [*tables.write_tables(run), *figures.write_figures(run, plots)]
        say(f"{len(written)} tables and figures written to {run / 'tables'} and {plots}")
    report = report_path([run])
    if anything_new or not report.exists():
        say(f"everything on one page: {write_report([run], report)}")


if __name__ == "__main__":
    sys.exit(main())
