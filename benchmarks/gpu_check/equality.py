"""Whether the card's numbers are the CPU's, of every method, on the embedded set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import methods
from benchmarks.backbones import loading
from benchmarks.compare.baseline import Baseline, read
from benchmarks.compare.check import compare
from benchmarks.datasets import index
from benchmarks.evaluation.category import CategoryData, GroundTruth
from benchmarks.evaluation.job import Evaluated
from benchmarks.features import Crops, FeatureCache
from benchmarks.gpu_check.check import Check, Row, require
from benchmarks.places import default_folder
from benchmarks.specs import EvaluationProtocol
from benchmarks.speed.workload import evaluated
from benchmarks.synthetic import writing as synthetic
from methods.components.coreset import farthest_first, starting_distances
from methods.components.precision import full_precision
from methods.lazy import torch

BASELINE = Path(__file__).parents[2] / "results/baselines/embedded.json"
"""Says how far metrics may differ."""

RELATIVE = 1e-5
"""Difference of scores and maps of the same features, of the largest, that is none."""

LEVELS = (1, 2, 3, 4)


def equality(check: Check) -> Iterator[Row]:
    """Evaluate every method by the CPU, by the card from the CPU's features, and by its own twice.

    Raises:
        BenchmarkError: a cell fails, or numbers differ by more than they may.
    """
    card, names = check.device, methods.names()
    networks = [loading.load("filterbank", device=place) for place in ("cpu", card, card)]
    protocol = EvaluationProtocol(networks[0].spec, check.image_size)
    for category in index(synthetic.ensure(default_folder()), check.categories).categories:
        crops = Crops(FeatureCache(check.folder, 0), "", protocol)
        images = {split: crops.images(category, split) for split in ("train", "test")}
        arrays: list[Any] = [
            {
                split: {level: maps.cpu().numpy() for level, maps in features.items()}
                for split, pixels in images.items()
                if (features := network.forward(torch.from_numpy(pixels), LEVELS))
            }
            for network in networks
        ]
        expected, actual = (levels["train"] for levels in arrays[:2])
        relative = {str(level): difference(actual[level], expected[level]) for level in LEVELS}
        first = _first_difference(expected[2], card)
        yield {"category": category.name, "features": relative, "first_other_centre": first}
        truth, memory = GroundTruth(category, protocol, crops), check.memory()
        sources = ("cpu", arrays[0]), *((card, levels) for levels in arrays)
        data = [CategoryData(truth, [levels], place, memory) for place, levels in sources]
        cells = [evaluated(names, source, kept_maps="all") for source in data]
        yield from (_judged(*together) for together in zip(*cells, strict=True))


def _judged(expected: Evaluated, same: Evaluated, first: Evaluated, again: Evaluated) -> Row:
    """Compare a cell with those of the card, from the same features and, twice, from its own."""
    label = expected.cell.spec.label
    baseline = Baseline((expected.cell,), read(BASELINE).tolerances)
    for other in (same, first, again):
        for row in compare(baseline, [other.cell]):
            line = f"{label}: {row.metric} {row.value} on the card, {row.baseline} on the CPU"
            require(row.mark in ("unchanged", "new"), line)
    arrays = [cell.maps or {} for cell in (expected, same, first, again)]
    kinds = ("scores", "maps")
    differences = {kind: difference(arrays[1][kind], arrays[0][kind]) for kind in kinds}
    line = f"{label}: relative differences on the card, of the same features: {differences}"
    require(max(differences.values()) <= RELATIVE, line)
    twice = all(np.array_equal(arrays[2][kind], arrays[3][kind]) for kind in kinds)
    return {"cell": label, **differences, "bit_equal_twice": twice}


def difference(actual: Any, expected: Any) -> float:
    """Return the largest difference of two arrays, of the largest magnitude expected."""
    largest = float(np.abs(expected).max()) or 1.0
    return float(np.abs(np.subtract(actual, expected, dtype=np.float64)).max()) / largest


@full_precision()
def _first_difference(maps: Any, card: str) -> int | None:
    """Return which centre of a coreset is the first that isn't the CPU's.

    Equally far points may change places by rounding; where that matters the scores differ.
    """
    points = torch.from_numpy(maps).permute(0, 2, 3, 1).flatten(0, 2).contiguous()
    start, size = starting_distances(points, 10, torch.Generator().manual_seed(0)), len(points) // 4
    chosen = farthest_first(points.to(card), size, start.to(card)).cpu()
    different = (chosen != farthest_first(points, size, start)).nonzero()[:, 0].tolist()
    return different[0] if different else None
