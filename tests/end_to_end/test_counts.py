"""What a GPU would do and wait for, counted on a pretended one: bounds that no slip may exceed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import methods
from benchmarks.datasets import index
from benchmarks.run import __main__ as run
from benchmarks.synthetic import writing as synthetic
from methods.components.precision import full_precision
from methods.conformance import make_features
from methods.testing.pretended import Counts, pretended_cuda

METHODS = "patchcore-25,padim,spade,spade-5"
SIDE = 64
PROJECTION_BYTES = 1024 * 128 * 4
"""The coreset's random projection, drawn on the CPU: the one constant of a size that shows here."""


@pytest.mark.slow
@pytest.mark.usefixtures("folder", "no_figures")
def test_a_category_moves_once_and_hardly_waits() -> None:
    with pretended_cuda() as counts:
        status = run.main(
            ["--methods", METHODS, "--categories", "washer", "--image-size", str(SIDE),
             "--device", "cuda", "--out", "out", "--cache", "cache"]
        )  # fmt: skip
    assert status == 0
    assert counts["operations"] <= 12_000
    assert counts.waits <= 400
    assert counts["copy to device"] <= 60
    category = index(synthetic.ensure(Path("cache")), ["washer"]).categories[0]
    images = len(category.train) + len(category.test)
    assert counts["bytes to device"] <= 1.1 * images * 3 * SIDE * SIDE + PROJECTION_BYTES
    features = sum(path.stat().st_size for path in Path("cache/features").glob("*.npy"))
    maps = 4 * len(category.test) * (SIDE * SIDE + 2) * len(METHODS.split(","))
    assert counts["bytes from device"] <= features + maps


def score(name: str, training: int, test: int) -> Counts:
    """Count what scoring takes beyond fitting."""
    levels = methods.resolve(name).parameters.levels
    with pretended_cuda() as counts, full_precision():
        fitted = methods.create(name)
        features = make_features(training, 1, levels, "cuda")
        fitted.fit(features, torch.Generator().manual_seed(0))
        before = Counts()
        before.update(counts)
        fitted.score(make_features(test, 2, levels, "cuda"))
    counts.subtract(before)
    return counts


def test_spade_grows_with_images_not_with_pairs() -> None:
    once, twice = score("spade", 60, 40), score("spade", 60, 80)
    assert twice["operations"] <= 2 * once["operations"]
    assert twice.waits <= 2 * once.waits


def test_more_neighbours_cost_no_more_waits() -> None:
    few = score("spade[neighbours=5]", 60, 40)
    many = score("spade[neighbours=50]", 60, 40)
    assert many.waits <= few.waits
