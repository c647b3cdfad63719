"""The cells to evaluate under one protocol, and which of them are still missing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np

from benchmarks.backbones.choice import Choice
from benchmarks.backbones.loading import load, shapes
from benchmarks.console import say
from benchmarks.datasets import Category, Dataset
from benchmarks.errors import BenchmarkError
from benchmarks.evaluation.category import resident_bytes
from benchmarks.evaluation.job import Job, KeptMaps
from benchmarks.evaluation.method_code import method_code
from benchmarks.evaluation.scoring import describe_missing_levels
from benchmarks.features import Crops, Extractor, FeatureCache
from benchmarks.features.crops import Part, parts_of
from benchmarks.results import Store
from benchmarks.specs import CONDITIONS, BackboneSpec, CellSpec, EvaluationProtocol
from methods.base import Variant, identity

JobsByCategory = dict[Category, list[Job]]


@dataclass(frozen=True)
class Request:
    """One requested evaluation: method, shots (None for all images), seed, other conditions."""

    variant: Variant
    shots: int | None
    seed: int
    kept_maps: KeptMaps = "errors"
    needed_maps: KeptMaps = "none"
    calibrate: float | None = None
    contamination: float = 0.0
    reserve: float = 0.0
    shift: str = ""


@dataclass(frozen=True)
class Plan:
    """All cells that share a protocol.

    Attributes:
        dataset: the data set.
        protocol: what the cells share; its backbone is the members' joined.
        members: the backbones of the ensemble, mostly one, with their specifications.
        levels: the union of the levels that the methods read.
        work: category → all of its cells.
        shifts: what the test images of some cells undergo.
    """

    dataset: Dataset
    protocol: EvaluationProtocol
    members: tuple[tuple[Choice, BackboneSpec], ...]
    levels: tuple[int, ...]
    work: JobsByCategory
    shifts: tuple[str, ...] = ()

    def parts(self, category: Category) -> list[Part]:
        """Return all images of a category that pass the backbones, split by split."""
        return parts_of(category, self.protocol.augment, self.shifts)

    @property
    def specs(self) -> list[CellSpec]:
        """What all of its cells depend on."""
        return [job.spec for jobs in self.work.values() for job in jobs]

    def missing(self, *stores: Store, force: bool = False) -> JobsByCategory:
        """Return the cells that no store holds, or only as failed; all of them by `force`."""
        left = {
            category: [job for job in jobs if force or not any(is_done(s, job) for s in stores)]
            for category, jobs in self.work.items()
        }
        return {category: jobs for category, jobs in left.items() if jobs}

    def image_bytes(self, *choices: Choice) -> int:
        """Return the bytes of one image's features, of some members of the ensemble or all."""
        size, total = self.protocol.image_size, 0
        for choice, spec in self.members:
            if choice in (choices or [choice]):
                of_image = _shapes(choice, size, self.protocol.tiles)
                total += sum(math.prod(of_image[level]) for level in spec.extracted(self.levels))
        return total * np.dtype(self.protocol.dtype).itemsize

    def extractors(
        self, cache: FeatureCache, device: str = "cpu", memory: int = 0, decoders: int | None = None
    ) -> list[Extractor]:
        """Return the extractor of each member's features.

        Args:
            cache: where features are kept.
            device: where images pass the backbone.
            memory: bytes on it for resident features, caches and blocks; changes no result.
            decoders: threads that decode images; None for one a processor.
        """
        crops = Crops(cache, self.dataset.name, self.protocol, decoders)
        stays, size = device != "cpu" or not cache.on_disk, self.protocol.image_size
        resident = resident_bytes(memory, len(self.members)) if stays else 0
        return [
            Extractor(
                cache,
                self.dataset.name,
                replace(self.protocol, backbone=spec),
                self.levels,
                partial(load, choice, device=device, image_size=size, tiles=self.protocol.tiles),
                crops=crops,
                shifts=self.shifts,
                resident=resident,
                device=device,
            )
            for choice, spec in self.members
        ]


_shapes = cache(shapes)
"""Each call of `shapes` builds the network."""


def images_to_pass(
    extractors: Sequence[Extractor], work: JobsByCategory
) -> Counter[tuple[str, str]]:
    """Return (category, backbone) → images that must pass it, summed over an ensemble's members."""
    images = Counter[tuple[str, str]]()
    for extractor in extractors:
        for category in work:
            images[category.name, extractor.backbone] += extractor.missing(category)
    return images


def is_done(store: Store, job: Job) -> bool:
    """Whether `store` holds this cell whole, it did not fail, and has the maps it needs."""
    cell = store.find(job.spec)
    if cell is None or cell.status != "ok" or not store.is_whole(cell):
        return False
    if job.needed_maps == "none":
        return True
    images = (cell.n_test_good or 0) + (cell.n_test_defect or 0)
    return store.count_maps(cell) >= (images if job.needed_maps == "all" else 1)


def say_changed_code(plan: Plan, missing: JobsByCategory, store: Store) -> None:
    """Print which methods' code has changed since their stored cells, which stay as they are."""
    again = {job.spec.key for jobs in missing.values() for job in jobs}
    stored = [job for jobs in plan.work.values() for job in jobs if job.spec.key not in again]
    cells = [(job, store.find(job.spec)) for job in stored]
    changed = Counter(j.spec.method for j, cell in cells if cell and cell.is_of_other_code(j.code))
    for method, count in changed.items():
        kept = f"{count} stored cell{'s' * (count > 1)}"
        say(f"warning: {method}'s code has changed since: --force evaluates again ({kept})")


def make_plan(
    dataset: Dataset,
    members: Sequence[tuple[Choice, BackboneSpec]],
    protocol: EvaluationProtocol,
    requests: Iterable[Request],
) -> Plan:
    """Return the plan of what is requested, on every category.

    Args:
        dataset: the data set.
        members: from `backbone_specs`.
        protocol: what the cells share; its backbone is the members' joined.
        requests: methods, shots and seeds.

    Raises:
        BenchmarkError: a method reads a level that the backbone doesn't have.
    """
    requests = list(requests)
    variants = [request.variant for request in requests]
    levels = sorted({level for variant in variants for level in variant.parameters.levels})
    if lacking := describe_missing_levels(protocol.backbone, variants):
        raise BenchmarkError(lacking)
    work = {
        category: [_job(dataset, category, protocol, request) for request in requests]
        for category in dataset.categories
    }
    shifts = tuple(dict.fromkeys(request.shift for request in requests if request.shift))
    return Plan(dataset, protocol, tuple(members), tuple(levels), work, shifts)


def _job(
    dataset: Dataset, category: Category, protocol: EvaluationProtocol, request: Request
) -> Job:
    parameters = request.variant.parameters
    spec = CellSpec(
        dataset=dataset.name,
        dataset_fingerprint=category.fingerprint,
        category=category.name,
        method=request.variant.name,
        params=identity(parameters),
        protocol=protocol,
        seed=request.seed,
        **{name: getattr(request, name) for name in CONDITIONS},
    )
    return Job(spec, parameters, request.kept_maps, request.needed_maps, method_code(parameters))
