"""Compares methods on every category of a data set and prints the tables.

    python -m benchmarks.run --methods patchcore-25,spade,padim

Exit status: 0 done or nothing left to do, 1 some cells failed, 2 usage or data, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import get_args

import methods
from benchmarks import backbones, datasets, synthetic
from benchmarks.datasets import Category, Dataset
from benchmarks.errors import BenchmarkError
from benchmarks.features import DEFAULT_LIMIT_GB, Extractor, FeatureCache, default_folder
from benchmarks.progress import Progress, say
from benchmarks.protocol import CellSpec, DType, MaskResize, Protocol
from benchmarks.store import Store

DEFAULT_METHODS = "patchcore-25,spade,padim"
REAL_BACKBONE, REAL_SIZE = "wide_resnet50_2", 224
EMBEDDED_BACKBONE, EMBEDDED_SIZE = "filterbank", 128

NOTICE = """\
################################################################################
#  SYNTHETIC DATA: neither --data nor $MVTEC_AD_ROOT names a data set, so the   #
#  embedded synthetic set is used. Its numbers say nothing about real products. #
################################################################################"""


@dataclass(frozen=True)
class Plan:
    """All cells of a run, and which of them are still missing."""

    dataset: Dataset
    protocol: Protocol
    cells: dict[Category, list[CellSpec]]
    missing: dict[Category, list[CellSpec]]
    levels: tuple[int, ...]
    run: Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if options.list:
            return _list()
        plan, cache = _plan(options), _cache(options)
        if options.dry_run:
            return _describe(plan, _extractor(plan, options, cache))
        return _execute(plan, options, cache)
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
    add(
        "--data",
        type=Path,
        help="folder of category folders in MVTec AD's layout (default: $MVTEC_AD_ROOT, "
        "else the embedded synthetic set)",
    )
    add("--categories", help="comma-separated (default: all in the data set)")
    add(
        "--backbone",
        help=f"torchvision name, timm/<name.tag>, or filterbank (default: {REAL_BACKBONE}; "
        f"{EMBEDDED_BACKBONE} on the embedded set)",
    )
    add(
        "--weights",
        type=Path,
        help=".pth or .safetensors file (default: the pinned ImageNet weights, downloaded once)",
    )
    add(
        "--layers",
        help="comma-separated module names for levels 1,2,3,4 (default: known for ResNets, "
        "DenseNets and timm; needed for others)",
    )
    add(
        "--image-size",
        type=_positive,
        help="side of the centre crop in pixels; the shorter side is resized to 8/7 of it "
        f"(default: {REAL_SIZE}; {EMBEDDED_SIZE} on the embedded set)",
    )
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
        "--dtype",
        choices=get_args(DType),
        default="float32",
        help="type of cached features (default: %(default)s)",
    )
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="(default: %(default)s)")
    add(
        "--memory-gb",
        type=_amount,
        help="memory on the device that a method may fill with what it could also make again or "
        "take in smaller parts; no number depends on it (default: half of what is free)",
    )
    add(
        "--out",
        type=Path,
        help="the run's folder (default: results/<data set>-<backbone>-<image size>)",
    )
    add("--cache", type=Path, default=default_folder(), help="(default: %(default)s)")
    add(
        "--cache-gb",
        type=_amount,
        default=DEFAULT_LIMIT_GB,
        help="size beyond which the least recently used features go (default: %(default)s)",
    )
    add("--save-maps", action="store_true", help="store all anomaly maps (default: a few examples)")
    add("--force", action="store_true", help="evaluate stored cells again (default: never)")
    add("--dry-run", action="store_true", help="say what would run, and run nothing")
    add("--list", action="store_true", help="list the methods with their parameters")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)


def _amount(text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = 0.0
    if not 0 < amount < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return amount


def _integers(text: str, what: str, least: int) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) >= least for part in parts):
        raise BenchmarkError(f"{what} {text!r}: give integers from {least}, separated by commas")
    return list(dict.fromkeys(map(int, parts)))


def _list() -> int:
    for name in methods.names():
        parameters = asdict(methods.resolve(name).parameters)
        print(f"{name:15}", ", ".join(f"{key}={value}" for key, value in parameters.items()))
    return 0


def _plan(options: argparse.Namespace) -> Plan:
    variants = {
        variant.name: variant for variant in map(methods.resolve, methods.split(options.methods))
    }
    if not variants:
        raise BenchmarkError(f"--methods: name at least one of {', '.join(methods.names())}")
    levels = tuple(sorted({level for v in variants.values() for level in v.parameters.levels}))
    seeds = _integers(options.seeds, "--seeds", 0)
    shots = [
        None if part == "all" else _integers(part, "--shots", 1)[0]
        for part in dict.fromkeys(part.strip() for part in options.shots.split(","))
    ]
    dataset = _dataset(options)
    protocol = _protocol(options, dataset, levels)
    cells = {
        category: [
            CellSpec(
                dataset=dataset.name,
                dataset_fingerprint=category.fingerprint,
                category=category.name,
                method=variant.name,
                params=asdict(variant.parameters),
                protocol=protocol,
                seed=seed,
                shots=count,
            )
            for variant in variants.values()
            for count in shots
            for seed in seeds
        ]
        for category in dataset.categories
    }
    run = options.out or _default_run(dataset, protocol)
    store = Store(run)
    missing = {
        category: [s for s in specs if options.force or not _done(store, s)]
        for category, specs in cells.items()
    }
    missing = {category: specs for category, specs in missing.items() if specs}
    return Plan(dataset, protocol, cells, missing, levels, run)


def _done(store: Store, spec: CellSpec) -> bool:
    cell = store.find(spec)
    return cell is not None and cell.status == "ok"


def _dataset(options: argparse.Namespace) -> Dataset:
    named = options.data or os.environ.get("MVTEC_AD_ROOT")
    if named is None:
        say(NOTICE)
    root = Path(named) if named else synthetic.ensure(options.cache)
    names = [name.strip() for name in options.categories.split(",")] if options.categories else None
    dataset = datasets.index(root, names)
    for warning in dataset.warnings:
        say(f"warning: {warning}")
    return dataset


def _protocol(options: argparse.Namespace, dataset: Dataset, levels: Sequence[int]) -> Protocol:
    name = options.backbone or (EMBEDDED_BACKBONE if dataset.synthetic else REAL_BACKBONE)
    size = options.image_size or (EMBEDDED_SIZE if dataset.synthetic else REAL_SIZE)
    spec = backbones.describe(
        name, weights=options.weights, layers=_layers(options), download=not options.dry_run
    )
    absent = [level for level in levels if level not in spec.layers]
    if absent:
        raise BenchmarkError(
            f"the chosen methods read level {', '.join(map(str, absent))}, for which {name} has no "
            "layer: name one with --layers a,b,c,d"
        )
    return Protocol(
        backbone=spec,
        image_size=size,
        dtype=options.dtype,
        mask_resize=options.mask_resize,
    )


def _layers(options: argparse.Namespace) -> list[str] | None:
    return [part.strip() for part in options.layers.split(",")] if options.layers else None


def _default_run(dataset: Dataset, protocol: Protocol) -> Path:
    backbone = protocol.backbone.name.replace("/", "-")
    return Path("results") / f"{dataset.name}-{backbone}-{protocol.image_size}"


def _extractor(
    plan: Plan, options: argparse.Namespace, cache: FeatureCache, device: str = "cpu"
) -> Extractor:
    backbone = partial(
        backbones.load,
        plan.protocol.backbone.name,
        weights=options.weights,
        layers=_layers(options),
        device=device,
    )
    return Extractor(cache, plan.dataset.name, plan.protocol, plan.levels, backbone)


def _cache(options: argparse.Namespace) -> FeatureCache:
    return FeatureCache(options.cache, options.cache_gb, warn=lambda line: say(f"warning: {line}"))


def _describe(plan: Plan, extractor: Extractor) -> int:
    """Print what a run would do."""
    total = sum(map(len, plan.cells.values()))
    to_do = sum(map(len, plan.missing.values()))
    images = sum(extractor.missing(category) for category in plan.missing)
    for category, specs in plan.missing.items():
        for spec in specs:
            shots = "" if spec.shots is None else f" {spec.shots} shots"
            print(f"{category.name} {spec.method} s{spec.seed}{shots}")
    print(
        f"{to_do} of {total} cells to evaluate, {total - to_do} stored in {plan.run}; "
        f"{images} images to pass {plan.protocol.backbone.name}, levels "
        f"{', '.join(map(str, plan.levels))}, the rest is cached"
    )
    return 0


def _execute(plan: Plan, options: argparse.Namespace, cache: FeatureCache) -> int:
    """Evaluate what is missing, then print and write tables and figures."""
    from benchmarks.executors import run_locally
    from benchmarks.machine import choose_device, free_memory

    device = choose_device(options.device)
    memory = int(options.memory_gb * 1e9 if options.memory_gb else free_memory(device) / 2)
    store = Store(plan.run)
    if plan.missing:
        cache.sweep()
        extractor = _extractor(plan, options, cache, device)
        images = sum(extractor.missing(category) for category in plan.missing)
        if images:
            extractor.prepare()  # unfit weights stop the run here, before they fail every cell
        progress = Progress(images, sum(map(len, plan.missing.values())))
        try:
            run_locally(
                plan.missing,
                plan.protocol,
                extractor,
                store,
                progress,
                device=device,
                memory=memory,
                all_maps=options.save_maps,
            )
        finally:
            progress.close()
            store.write_metrics(lambda line: say(f"warning: {line}"))
        say(f"{extractor.passes} images passed the backbone; every cell is in {plan.run}")
    else:
        say(f"nothing left to do: all cells are stored in {plan.run} (--force evaluates again)")
    _show(plan.run, anything_new=bool(plan.missing))
    if plan.dataset.synthetic:
        say(NOTICE)
    return 0 if all(_done(store, spec) for specs in plan.cells.values() for spec in specs) else 1


def _show(run: Path, *, anything_new: bool) -> None:
    """Print the tables, and write them and the figures where anything changed."""
    from benchmarks import figures, tables

    print(tables.terminal_tables(run))
    plots = Path("plots") / run.name
    if anything_new or not plots.exists():
        written = [*tables.write_tables(run), *figures.write_figures(run, plots)]
        say(f"{len(written)} tables and figures written to {run / 'tables'} and {plots}")


if __name__ == "__main__":
    sys.exit(main())
