"""From the command line's options to a plan."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import methods
from benchmarks.backbones.choice import Choice, choices, ensemble_spec
from benchmarks.backbones.loading import backbone_specs
from benchmarks.chosen import chosen_dataset, chosen_size
from benchmarks.console import say
from benchmarks.datasets import Category, Dataset
from benchmarks.datasets.seen import losses
from benchmarks.datasets.shifting import check_shift
from benchmarks.errors import BenchmarkError
from benchmarks.evaluation.drawing import describe_promise, draw_images, held_out_count
from benchmarks.evaluation.job import KeptMaps
from benchmarks.evaluation.scoring import describe_missing_levels
from benchmarks.execution import Plan, make_plan
from benchmarks.execution.plan import JobsByCategory, Request
from benchmarks.execution.progress.forecast import QUADRATIC
from benchmarks.names import printable
from benchmarks.options import EMBEDDED_BACKBONE, REAL_BACKBONE, integers
from benchmarks.results.folders import default_run
from benchmarks.specs import GREATEST_SEED, BackboneSpec, EvaluationProtocol
from methods.base import Variant

EVERY = "all"
"""What --methods takes for all that the backbone allows."""

LONGEST_NAME = 200
"""Bytes of a folder's name; file systems take 255, and temporary names are longer."""


def plan_of(options: argparse.Namespace) -> Plan:
    """Return the plan that the command line asks for.

    Raises:
        BenchmarkError: an option is wrong, or data or weights can't be had.
    """
    named = methods.split(options.methods)
    every = named == [EVERY]
    variants = {v.name: v for v in map(methods.resolve, methods.names() if every else named)}
    if not variants:
        raise BenchmarkError(f"--methods: name at least one of {', '.join(methods.names())}")
    conditions = _conditions(options)
    if long := [name for name in variants if len(name.encode()) > LONGEST_NAME]:
        raise BenchmarkError(
            f"--methods {long[0]}: longer than {LONGEST_NAME} bytes, too long for a folder's name"
        )
    dataset = chosen_dataset(options)
    members = backbone_specs(_members(options, dataset), download=not options.dry_run)
    backbone = ensemble_spec([spec for _, spec in members])
    if every:
        variants = _readable(variants, backbone)
    size = chosen_size(options, dataset, options.fit)
    _require_agreement(options, len(members))
    protocol = EvaluationProtocol(
        backbone=backbone,
        image_size=size * options.tiles,
        smoothing_sigma=EvaluationProtocol.smoothing_sigma * options.tiles,
        dtype=options.dtype,
        mask_resize=options.mask_resize,
        resize=(options.resize or 0) * options.tiles,
        fit=options.fit,
        interpolation=options.interpolation,
        regions=options.regions,
        augment=options.augment,
        tiles=options.tiles,
    )
    requests = [Request(variant, *each) for variant in variants.values() for each in conditions]
    plan = make_plan(dataset, members, protocol, requests)
    _require_defects(plan)
    return plan


def _conditions(options: argparse.Namespace) -> list[tuple[Any, ...]]:
    """Return all combinations of conditions and seeds, as a `Request` has them behind its method.

    Raises:
        BenchmarkError: an option is wrong.
    """
    shots = [
        None if part == "all" else integers(part, "--shots", 1)[0]
        for part in dict.fromkeys(part.strip() for part in options.shots.split(","))
    ]
    shares = options.contamination or (0.0,)
    named = filter(None, (text.strip() for text in (options.shift or "").split(",")))
    shifts = dict.fromkeys(["", *map(check_shift, named)])
    seeds = integers(options.seeds, "--seeds", 0, GREATEST_SEED)
    maps: tuple[KeptMaps, KeptMaps] = ("all", "all") if options.save_maps else ("errors", "none")
    return [
        (count, seed, *maps, options.calibrate, share, max(shares), shift)
        for count, share, seed, shift in product(shots, shares, seeds, shifts)
    ]


def _require_agreement(options: argparse.Namespace, members: int) -> None:
    """Raise BenchmarkError where two options, or one and an ensemble, can't be had together."""
    if options.calibrate and members > 1:
        raise BenchmarkError(
            "--calibrate takes no ensemble: its scores are normalised over the test images, and "
            "held-out images' aren't exchangeable with them; name a single backbone"
        )
    if any(options.contamination or ()) and options.augment != "none":
        raise BenchmarkError(
            "--contamination takes no --augment: anomalous images have no copies; leave one out"
        )


def _require_defects(plan: Plan) -> None:
    """Raise BenchmarkError where a category has too few anomalous images to contaminate with."""
    for category, jobs in plan.work.items():
        labels = [sample.label for sample in category.test]
        for spec in (replace(job.spec, shots=None, calibrate=None) for job in jobs):
            try:
                draw_images(spec, len(category.train), labels)
            except BenchmarkError as error:
                raise BenchmarkError(f"{printable(category.name)}: {error}") from error


def require_room(plan: Plan, missing: JobsByCategory, memory: int) -> None:
    """Raise BenchmarkError where what SPADE compares a tiled image with needs more memory."""
    for category, jobs in missing.items() if plan.protocol.tiles > 1 else ():
        for spec in (job.spec for job in jobs if job.spec.method.startswith(QUADRATIC)):
            count = min(spec.params["neighbours"], spec.shots or len(category.train))
            if (needed := count * plan.image_bytes()) > memory:
                raise BenchmarkError(
                    f"{spec.method}: with --tiles its work is 16 times an image's, and the {count} "
                    f"images that each is compared with take {needed / 1e9:.3g} GB, more than the "
                    f"{memory / 1e9:.3g} GB of --memory-gb; leave it out, or take fewer neighbours"
                )


def _readable(variants: dict[str, Variant], backbone: BackboneSpec) -> dict[str, Variant]:
    """Return the methods that read no level that a backbone lacks, and say which others do."""
    lacking = {name for name, v in variants.items() if describe_missing_levels(backbone, [v])}
    if lacking:
        say(f"{backbone.name} lacks levels that these read: {', '.join(sorted(lacking))}; left out")
    return {name: variant for name, variant in variants.items() if name not in lacking}


def run_folder(options: argparse.Namespace, plan: Plan) -> Path:
    """Return where the results go.

    Raises:
        BenchmarkError: a default name would be too long for a folder.
    """
    if options.out:
        return Path(options.out)
    p = plan.protocol
    run = default_run(plan.dataset.name, p.backbone.name, p.image_size)
    if len(run.name.encode()) > LONGEST_NAME:
        raise BenchmarkError(f"{run.name}: too long for the name of a folder; name one with --out")
    return run


def say_what_is_cut_off(protocol: EvaluationProtocol, categories: Iterable[Category]) -> None:
    """Print what crop and resizing take from each category's defects, with the remedies."""
    for line in losses(categories, protocol):
        say(line)


def say_promises(calibrate: float | None, categories: Iterable[Category]) -> None:
    """Print which false-alarm rates each category's held-out images can promise."""
    for category in categories if calibrate else ():
        held_out = held_out_count(calibrate, len(category.train))
        say(f"{printable(category.name)}: {describe_promise(held_out)}")


def _members(options: argparse.Namespace, dataset: Dataset) -> tuple[Choice, ...]:
    named = options.backbone or (EMBEDDED_BACKBONE if dataset.synthetic else REAL_BACKBONE)
    return choices(named, options.weights, options.layers)
