"""Runs survive what happens to them: kills, company, memory that is not enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import methods
from benchmarks.datasets import index
from benchmarks.evaluation.category import CategoryData, GroundTruth
from benchmarks.evaluation.evaluating import evaluate
from benchmarks.evaluation.job import Job
from benchmarks.features import Crops, FeatureCache
from benchmarks.specs import BackboneSpec, CellSpec, EvaluationProtocol
from methods import padim
from tests.helpers.data_sets import write_dataset
from tests.survival import numbers, start, survive


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing_and_change_no_number(tmp_path: Path) -> None:
    outcome = survive(tmp_path, kills=4, seed=1)
    assert outcome.lost == 0
    assert outcome.equal
    assert len(outcome.stored) == 4


@pytest.mark.slow
def test_of_two_runs_at_once_into_one_folder_one_ends_and_finds_all_later(tmp_path: Path) -> None:
    write_dataset(tmp_path / "data", "cup", "plate", "jug")
    together = [start(tmp_path, "both") for _ in range(2)]
    assert sorted(process.wait() for process in together) == [0, 2]
    assert start(tmp_path, "both").wait() == 0
    assert start(tmp_path, "alone").wait() == 0
    assert numbers(tmp_path / "both") == numbers(tmp_path / "alone")
    assert len(numbers(tmp_path / "both")) == 9
    assert [*tmp_path.rglob("*.tmp"), *tmp_path.rglob(".lock")] == []


@pytest.mark.slow
def test_two_runs_at_once_share_a_cache(tmp_path: Path) -> None:
    write_dataset(tmp_path / "data", "cup", "plate", "jug")
    together = [start(tmp_path, name) for name in ("one", "other")]
    assert [process.wait() for process in together] == [0, 0]
    assert numbers(tmp_path / "one") == numbers(tmp_path / "other")
    assert len(numbers(tmp_path / "one")) == 9
    assert list(tmp_path.rglob("*.tmp")) == []


def category_data(tmp_path: Path) -> CategoryData:
    category = index(write_dataset(tmp_path / "data", "cup")).categories[0]
    dice = np.random.default_rng(0)
    arrays: dict[Any, Any] = {
        split: {
            level: dice.random((len(samples), 4, side, side), np.float32)
            for level, side in ((1, 8), (2, 4), (3, 2))
        }
        for split, samples in (("train", category.train), ("test", category.test))
    }
    crops = Crops(FeatureCache(tmp_path / "cache"), "parts", PROTOCOL)
    return CategoryData(GroundTruth(category, PROTOCOL, crops), [arrays], "cpu", 1 << 30)


PROTOCOL = EvaluationProtocol(BackboneSpec("filterbank", "none", "x", {1: "a", 2: "b", 3: "c"}), 32)
JOB = Job(
    CellSpec("parts", "f", "cup", "padim", {}, PROTOCOL, seed=0),
    methods.resolve("padim").parameters,
)


def test_a_method_that_runs_out_of_memory_gets_less_and_gives_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = category_data(tmp_path)
    expected = evaluate(JOB, lambda: data).cell.metrics
    budgets: list[int] = []
    original = padim.Padim.fit

    def fit(self: Any, features: Any, generator: Any) -> Any:
        budgets.append(features.memory)
        if len(budgets) < 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return original(self, features, generator)

    monkeypatch.setattr(padim.Padim, "fit", fit)
    assert evaluate(JOB, lambda: data).cell.metrics == expected
    assert budgets == [1 << 30, 1 << 28, 1 << 26]


def test_a_method_that_never_has_enough_fails_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(padim.Padim, "fit", fit)
    cell = evaluate(JOB, lambda: category_data(tmp_path)).cell
    assert cell.status == "failed"
    assert cell.error.startswith("padim ran out of memory on cpu, with 0.02 GB to spare, too:")
    assert "--device cpu" in cell.error
