"""Compares methods on every category of a data set and prints the tables.

    python -m benchmarks.run --methods patchcore-25,spade,padim

Exit status: 0 done or nothing left to do, 1 some cells failed, 2 usage or data, 130 interrupted.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import methods
from benchmarks.backbones.loading import check_size
from benchmarks.backbones.tiling import TILES
from benchmarks.backbones.timm_networks import DINO
from benchmarks.console import CONTINUES, command_parser, run_program, say, show
from benchmarks.evaluation.device import free_memory
from benchmarks.execution import Plan, run_plan, say_changed_code, summary
from benchmarks.execution.plan import JobsByCategory
from benchmarks.features import FeatureCache
from benchmarks.figures import writing
from benchmarks.figures.ahead import Ahead
from benchmarks.files import require_writable, write_file
from benchmarks.options import (
    EMBEDDED_BACKBONE,
    EMBEDDED_SIZE,
    NOTICE,
    REAL_BACKBONE,
    REAL_SIZE,
    add_shared,
    chosen_cache,
    chosen_machine,
    share_or_number,
    shares,
    side,
    simulated_machine,
)
from benchmarks.places import written_path
from benchmarks.report.page import write_report
from benchmarks.results import Store, derived, result_sets
from benchmarks.results.command import add_metrics, unless_read_only
from benchmarks.results.folders import plots_folder, report_path
from benchmarks.results.lock import only_writer
from benchmarks.results.plans import as_toml
from benchmarks.run.plan_file import add_plan, parse_with_plan, plan_to_store
from benchmarks.run.request import (
    plan_of,
    require_room,
    run_folder,
    say_promises,
    say_what_is_cut_off,
)
from benchmarks.specs import Augment, Fit, Interpolation, MaskResize, Regions
from benchmarks.tables.metric_tables import terminal_tables, write_tables

DEFAULT_METHODS = "patchcore-25,spade,padim"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return run_program(lambda: _main(parse_with_plan(_parser(), arguments)), CONTINUES)


def _main(options: argparse.Namespace) -> int:
    for problem in methods.problems():
        say(f"warning: {problem}")
    return _list() if options.list else _run(options)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("benchmarks.run", __doc__)
    add = parser.add_argument
    add(
        "--methods",
        default=DEFAULT_METHODS,
        help="comma-separated names, parameters in brackets: patchcore-25[patch_size=5]; all: what "
        "is registered and reads no level that the backbone lacks (default: %(default)s)",
    )
    add_shared(parser)
    _add_images(parser)
    _add_conditions(parser)
    add(
        "--mask-resize",
        choices=get_args(MaskResize),
        default="nearest",
        help="official: as the official PatchCore code, which erodes defects (default: nearest)",
    )
    add(
        "--regions",
        choices=get_args(Regions),
        default="resized",
        help="where AUPRO's regions are connected: in the resized masks, as the official PatchCore "
        "code; original: at the images' own size (default: resized)",
    )
    add(
        "--out",
        type=written_path,
        help="the run's folder (default: results/<data set>-<backbone>-<image size>)",
    )
    add(
        "--save-maps",
        action="store_true",
        help="store all anomaly maps (default: an example of each kind, and what is misclassified)",
    )
    add_metrics(parser)
    add("--list", action="store_true", help="list methods, and timm's DINO networks")
    add_plan(parser)
    return parser


def _add_conditions(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what methods learn from, and what they judge."""
    add = parser.add_argument
    add("--seeds", default="0", help="comma-separated integers (default: %(default)s)")
    add(
        "--shots",
        default="all",
        help="comma-separated numbers of nominal training images, or all (default: %(default)s)",
    )
    add(
        "--calibrate",
        type=share_or_number,
        metavar="SHARE|NUMBER",
        help="hold out a share of the nominal training images, as 0.35, or a number, as 100, and "
        "set thresholds by their scores (default: none)",
    )
    add(
        "--contamination",
        type=shares,
        metavar="SHARES",
        help="comma-separated shares of the training images that anomalous test images replace, as "
        "0,0.05,0.1; none of them is judged at any share (default: none)",
    )
    add(
        "--shift",
        metavar="SHIFTS",
        help="comma-separated shifts of the test images alone, each at a severity from 1 to 5, as "
        "brightness=3,motion_blur=2; unshifted ones are judged, too (default: none)",
    )
    add(
        "--augment",
        choices=get_args(Augment),
        default="none",
        help="learn from copies of the training images, too: mirrored, or turned by each multiple "
        "of 45 degrees (default: %(default)s)",
    )


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
        type=written_path,
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
        type=side,
        help="side of the centre crop in pixels "
        f"(default: {REAL_SIZE}; {EMBEDDED_SIZE} on the embedded set)",
    )
    add(
        "--tiles",
        type=int,
        choices=(1, TILES),
        default=1,
        help="2: the backbone sees 2 × 2 overlapping windows of images twice as large as "
        "--image-size and --resize say, and maps are so, too (default: %(default)s)",
    )
    add(
        "--fit",
        choices=get_args(Fit),
        default="crop",
        help="how an image becomes a square: its centre, as in the paper; the whole of it "
        "stretched; or padded, in its proportions (default: %(default)s)",
    )
    add(
        "--resize",
        type=side,
        help="the shorter side before the crop, in pixels (default: 8/7 of the crop)",
    )
    add(
        "--interpolation",
        choices=get_args(Interpolation),
        default="bilinear",
        help="how images are resized: bilinear, as the official PatchCore code; lanczos, as "
        "popular code of PaDiM and SPADE (default: %(default)s)",
    )


def _list() -> int:
    for name in methods.names():
        try:
            parameters = asdict(methods.resolve(name).parameters)
        except methods.MethodNameError as error:
            say(f"warning: {error}")
            continue
        values = ", ".join(f"{key}={value}" for key, value in parameters.items())
        show(f"{name:15} {values}")
    for name in DINO:
        patch = name.partition("_patch")[2][:2]
        show(f"--backbone timm/{name:38} --image-size: a multiple of {patch}")
    return 0


def _run(options: argparse.Namespace) -> int:
    plan, cache = plan_of(options), chosen_cache(options)
    run, stored_plan = run_folder(options, plan), plan_to_store(_parser(), options, plan)
    if options.save_plan:
        write_file(options.save_plan, as_toml(stored_plan))
    if options.dry_run:
        missing = _missing(plan, Store(run), options)
        for job in itertools.chain.from_iterable(missing.values()):
            show(job.spec.label)
        device, workers = simulated_machine(options)
        show(summary([(plan, missing)], run, cache, device, workers))
        return 0
    plots = run / "plots" if options.out else plots_folder(run)
    with only_writer(run), Ahead(run, plots) as ahead:
        left = _evaluate(plan, Store(run), cache, options, stored_plan, ahead=ahead)
        _show(run, plots, options.metrics, ahead)
    if plan.dataset.synthetic:
        say(NOTICE)
    return 1 if left else 0


def _missing(plan: Plan, store: Store, options: argparse.Namespace) -> JobsByCategory:
    missing = plan.missing(store, force=options.force)
    say_what_is_cut_off(plan.protocol, missing)
    say_promises(options.calibrate, missing)
    say_changed_code(plan, missing, store)
    if plan.protocol.tiles > 1:
        device, _ = simulated_machine(options)
        require_room(plan, missing, int((options.memory_gb or 0) * 1e9) or free_memory(device) // 2)
    if missing:
        for choice, _ in plan.members:
            check_size(choice, plan.protocol.image_size, plan.protocol.tiles)
    return missing


def _evaluate(
    plan: Plan,
    store: Store,
    cache: FeatureCache,
    options: argparse.Namespace,
    stored_plan: Mapping[str, object],
    *,
    ahead: Ahead,
) -> bool:
    """Evaluate what the store lacks; return whether anything failed or is still missing."""
    missing, run = _missing(plan, store, options), store.run
    if not missing:
        store.ask(plan.specs, plan.dataset.place)
        say(f"nothing left to do: all cells are stored in {run} (--force evaluates again)")
        return False
    require_writable(run)
    with chosen_machine(options) as machine:
        if machine.device != "cpu":  # on which there is nothing to overlap with
            ahead.begin({category.name: len(jobs) for category, jobs in missing.items()})
        passes, failed = run_plan(
            plan, missing, store, cache, machine, options=stored_plan, stored=ahead.stored
        )
    say(f"{passes} images passed the backbone; every cell is in {run}")
    return bool(failed or plan.missing(store))


def _show(run: Path, plots: Path, metrics: Sequence[str], ahead: Ahead) -> None:
    """Print the tables, and write them, the figures and the report unless they match the cells."""
    sets = result_sets(run)
    show(terminal_tables(sets, metrics))
    if derived.is_current(run, metrics):
        return
    with unless_read_only(run):
        written = [*write_tables(sets), *writing.write_figures(sets, plots, drawn=ahead.drawn())]
        say(f"{len(written)} tables and figures written to {run / 'tables'} and {plots}")
        report = write_report([sets], report_path([run]), metrics)
        say(f"everything on one page: {report}")
        derived.record(run, [*written, report], metrics)


if __name__ == "__main__":
    sys.exit(main())
