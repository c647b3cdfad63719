"""Features stay where they are born, the disk follows behind, and images are decoded once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.backbones import loading as backbones
from benchmarks.backbones.backbone import Backbone
from benchmarks.backbones.choice import Choice
from benchmarks.datasets import Category, index
from benchmarks.errors import BenchmarkError, StorageError
from benchmarks.evaluation.category import CategoryData, GroundTruth
from benchmarks.features import Crops, Extractor, FeatureCache, crops
from benchmarks.features.arrays import ArrayWriter
from benchmarks.features.crops import parts_of, whole
from benchmarks.run import __main__ as run
from benchmarks.specs import EvaluationProtocol
from methods.testing.pretended import Counts, OnDevice, pretended_cuda
from tests.helpers.data_sets import write_dataset

LEVELS = (1, 2, 3)
PROTOCOL = EvaluationProtocol(backbones.describe(Choice("filterbank")), image_size=32)
ENOUGH = 1 << 30


@pytest.fixture
def category(tmp_path: Path) -> Category:
    return index(write_dataset(tmp_path / "data", "cup")).categories[0]


@pytest.fixture
def device() -> Iterator[Counts]:
    with pretended_cuda() as counts:
        yield counts


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are decoded, in the order in which that begins."""
    seen: list[Path] = []
    original = crops.load_image

    def load(path: Path, *arguments: int, **named: str) -> Any:
        seen.append(path)
        return original(path, *arguments, **named)

    monkeypatch.setattr(crops, "load_image", load)
    return seen


def extractor(cache: FeatureCache, device: str = "cuda", resident: int = ENOUGH) -> Extractor:
    def load() -> Backbone:
        return backbones.load("filterbank", device=device)

    return Extractor(cache, "data", PROTOCOL, LEVELS, load, resident=resident)


def bring(one: Extractor, category: Category) -> Any:
    arrays = one.arrays(category, lambda images: None)
    one.finish()
    return arrays


def held(array: Any) -> np.ndarray[Any, Any]:
    return array.held.numpy() if isinstance(array, OnDevice) else np.asarray(array)


def test_features_stay_on_the_device_and_leave_it_once(
    tmp_path: Path, category: Category, device: Counts
) -> None:
    cache = FeatureCache(tmp_path)
    arrays = bring(extractor(cache), category)
    size = 0
    for split, samples in (("train", category.train), ("test", category.test)):
        for level in LEVELS:
            assert isinstance(arrays[split][level], OnDevice)
            assert len(arrays[split][level]) == len(samples)
            size += arrays[split][level].nbytes
    assert device["bytes from device"] == size
    up = device["copy to device"]
    truth = GroundTruth(category, PROTOCOL, Crops(cache, "data", PROTOCOL))
    data = CategoryData(truth, [arrays], "cuda", ENOUGH)
    for split, features in data.members[0].items():
        for level in LEVELS:
            assert torch.equal(features.read(level).held, arrays[split][level].held)  # type: ignore[attr-defined]
    assert device["copy to device"] == up  # nothing that is there is uploaded again


def test_what_lies_on_disk_equals_what_stayed(
    tmp_path: Path, category: Category, device: Counts
) -> None:
    cache = FeatureCache(tmp_path)
    stayed = bring(extractor(cache), category)
    second = extractor(FeatureCache(tmp_path))
    assert second.missing(category) == 0
    stored = bring(second, category)
    for split in ("train", "test"):
        for level in LEVELS:
            assert isinstance(stored[split][level], np.ndarray)
            np.testing.assert_array_equal(held(stayed[split][level]), stored[split][level])


def test_beyond_the_budget_features_stream_from_disk(
    tmp_path: Path, category: Category, device: Counts
) -> None:
    arrays = bring(extractor(FeatureCache(tmp_path), resident=1000), category)
    assert all(isinstance(one, np.ndarray) for levels in arrays.values() for one in levels.values())


def test_without_a_disk_nothing_is_written(tmp_path: Path, category: Category) -> None:
    cache = FeatureCache(tmp_path / "none", limit_gb=0)
    arrays = bring(extractor(cache, "cpu"), category)
    expected = bring(extractor(FeatureCache(tmp_path / "disk"), "cpu", resident=0), category)
    for split in ("train", "test"):
        for level in LEVELS:
            np.testing.assert_array_equal(held(arrays[split][level]), expected[split][level])
    assert not (tmp_path / "none").exists()
    with pytest.raises(BenchmarkError, match=r"cup's features take .* leave out --no-disk-cache"):
        bring(extractor(cache, "cpu", resident=1000), category)


def test_no_method_misses_a_disk_that_fills_up(
    tmp_path: Path, category: Category, device: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(writer: ArrayWriter, batch: Any) -> None:
        raise StorageError("no space left: clear the cache")

    cache = FeatureCache(tmp_path)
    with_crops = Crops(cache, "data", PROTOCOL)
    for part in parts_of(category):
        list(with_crops.batches(part))
    monkeypatch.setattr(ArrayWriter, "write", full)
    one = extractor(cache)
    arrays = one.arrays(category, lambda images: None)
    assert isinstance(arrays["train"][1], OnDevice)
    with pytest.raises(StorageError, match="no space left"):
        one.finish()
    assert not [array for array in cache.cached() if "level" in array.spec]
    with pytest.raises(StorageError, match="no space left"):  # what can't stay needs the disk
        extractor(cache, resident=0).arrays(category, lambda images: None)
    assert not list(tmp_path.rglob("*.tmp"))


def test_an_extraction_that_breaks_off_leaves_nothing_half_written(
    tmp_path: Path, category: Category, device: Counts
) -> None:
    one = extractor(FeatureCache(tmp_path))

    def stop(images: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one.arrays(category, stop)
    assert not list((tmp_path / "features").glob("*.tmp"))
    assert not [array for array in FeatureCache(tmp_path).cached() if "level" in array.spec]


def test_images_are_decoded_once_for_all_backbones(
    tmp_path: Path, category: Category, decoded: list[Path]
) -> None:
    cache = FeatureCache(tmp_path)
    for levels in ((1,), (2, 3)):
        bring(
            Extractor(cache, "data", PROTOCOL, levels, lambda: backbones.load("filterbank")),
            category,
        )
    GroundTruth(category, PROTOCOL, Crops(cache, "data", PROTOCOL)).pictures  # noqa: B018
    assert sorted(decoded) == sorted(one.path for one in (*category.train, *category.test))


@pytest.mark.usefixtures("folder", "no_figures")
def test_an_ensemble_without_a_disk_decodes_once_too(decoded: list[Path]) -> None:
    write_dataset(Path("data"), "cup", "plate")
    both = "filterbank+filterbank"
    command = ["--data", "data", "--image-size", "32", "--methods", "padim", "--no-disk-cache"]
    assert run.main([*command, "--backbone", both, "--device", "cpu", "--out", "out"]) == 0
    assert len(decoded) == len(set(decoded)) == 26


@pytest.mark.usefixtures("folder")
def test_workers_need_the_disk(capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset(Path("data"), "cup")
    command = ["--data", "data", "--backbone", "filterbank", "--methods", "padim", "--jobs", "2"]
    assert run.main([*command, "--no-disk-cache"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: --no-disk-cache is for one")
    assert run.main([*command, "--cache-gb", "0"]) == 2


def test_crops_are_what_decoding_gives(tmp_path: Path, category: Category) -> None:
    ours = Crops(FeatureCache(tmp_path), "data", PROTOCOL)
    expected = np.stack([crops.load_image(one.path, PROTOCOL.resize, 32) for one in category.test])
    for _ in range(2):
        joined = np.concatenate(list(ours.batches(whole(category, "test"))))
        np.testing.assert_array_equal(joined, expected.transpose(0, 3, 1, 2))
        np.testing.assert_array_equal(ours.images(category, "test"), joined)
    changed = EvaluationProtocol(backbones.describe(Choice("filterbank")), image_size=32, resize=40)
    other = Crops(FeatureCache(tmp_path), "data", changed).images(category, "test")
    assert not np.array_equal(other, joined)
