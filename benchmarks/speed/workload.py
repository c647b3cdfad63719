"""A category of random features, and the methods that are evaluated on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import methods
from benchmarks.datasets import GOOD, Category, Sample
from benchmarks.errors import BenchmarkError
from benchmarks.evaluation.category import CategoryData, GroundTruth
from benchmarks.evaluation.evaluating import OnStage, evaluate
from benchmarks.evaluation.job import Evaluated, Job, KeptMaps
from benchmarks.features import Crops, FeatureCache, Split
from benchmarks.features.uploading import Arrays
from benchmarks.specs import BackboneSpec, CellSpec, EvaluationProtocol
from benchmarks.speed.inputs import Inputs

METHODS = ("patchcore-25", "patchcore-10", "patchcore-1", "spade", "padim")

Workload = Callable[[int], CategoryData]
"""Bytes of memory → a category's data, anew."""


def workload(inputs: Inputs, device: str) -> Workload:
    """Return what gives a category of random features, without defects, to a device."""
    arrays: dict[Split, Arrays] = {
        "train": {level: inputs.train.read(level).cpu().numpy() for level in inputs.train.levels},
        "test": {level: inputs.test.read(level).cpu().numpy() for level in inputs.test.levels},
    }
    scale, sample = inputs.scale, (Sample(inputs.folder, "", GOOD),)
    protocol = EvaluationProtocol(BackboneSpec(scale.backbone, "random", "", {}), scale.image_size)
    category = Category("random", scale.train * sample, scale.test * sample, "")
    truth = GroundTruth(category, protocol, Crops(FeatureCache(inputs.folder, 0), "", protocol))
    return lambda memory: CategoryData(truth, [arrays], device, memory)


def evaluated(
    names: Iterable[str],
    data: CategoryData,
    at: OnStage = lambda stage: None,
    kept_maps: KeptMaps = "none",
) -> Iterator[Evaluated]:
    """Yield cells of methods, one after the other, which share what they can as in a run.

    Raises:
        BenchmarkError: a cell failed.
    """
    truth = data.truth
    for name in names:
        spec = CellSpec("", "", truth.category.name, name, {}, truth.protocol, 0)
        job = Job(spec, methods.resolve(name).parameters, kept_maps)
        outcome = evaluate(job, lambda: data, at)
        if outcome.cell.status != "ok":
            raise BenchmarkError(f"{spec.label} on {data.device}: {outcome.cell.error}")
        yield outcome
