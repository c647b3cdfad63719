"""From the command line's options to a plan."""

from __future__ import annotations

import argparse

import methods
from benchmarks.backbones import Choice, joined, parse
from benchmarks.datasets import Dataset
from benchmarks.errors import BenchmarkError
from benchmarks.evaluation.job import KeptMaps
from benchmarks.execution import Plan, make_plan
from benchmarks.execution.plan import Request, backbone_specs
from benchmarks.options import (
    EMBEDDED_BACKBONE,
    EMBEDDED_SIZE,
    REAL_BACKBONE,
    REAL_SIZE,
    chosen_dataset,
    integers,
)
from benchmarks.specs import EvaluationProtocol


def plan_of(options: argparse.Namespace) -> Plan:
    """Return the plan of what the command line asks for.

    Raises:
        BenchmarkError: an option is wrong, or data or weights can't be had.
    """
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
    requests = [
        Request(variant, count, seed, *maps)
        for variant in variants.values()
        for count in shots
        for seed in seeds
    ]
    dataset = chosen_dataset(options)
    members = backbone_specs(_members(options, dataset), download=not options.dry_run)
    size = options.image_size or (EMBEDDED_SIZE if dataset.synthetic else REAL_SIZE)
    if options.resize and options.resize < size:
        raise BenchmarkError(f"--resize {options.resize} is less than the crop's {size} pixels")
    protocol = EvaluationProtocol(
        backbone=joined([spec for _, spec in members]),
        image_size=size,
        dtype=options.dtype,
        mask_resize=options.mask_resize,
        resize=options.resize or 0,
    )
    return make_plan(dataset, members, protocol, requests)


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
