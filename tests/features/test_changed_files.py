"""Files that change while a command is at work: what is hashed is what counts, and is read once."""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from benchmarks import chosen
from benchmarks.backbones import loading as backbones
from benchmarks.backbones.choice import Choice
from benchmarks.datasets import images, index, masks
from benchmarks.errors import DataError
from benchmarks.features import Crops, Extractor, FeatureCache
from benchmarks.features.crops import whole
from benchmarks.results import Store
from benchmarks.run import __main__ as run
from benchmarks.specs import EvaluationProtocol
from tests.helpers.data_sets import SIDE, write_dataset

PROTOCOL = EvaluationProtocol(backbones.describe(Choice("filterbank")), image_size=32)
COMMAND = ["--data", "data", "--backbone", "filterbank", "--image-size", "32", "--methods", "padim"]
FILES = 6 + 3 + 4 + 4
"""Images and masks of a category."""

_counters: list[Counter[str]] = []


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if _counters and event == "open" and isinstance(arguments[0], str):
        _counters[-1][os.path.realpath(arguments[0])] += 1


sys.addaudithook(_note)


@contextmanager
def opened_files() -> Iterator[Counter[str]]:
    """Count how often each file is opened, by whatever function."""
    _counters.append(Counter())
    try:
        yield _counters[-1]
    finally:
        _counters.pop()


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The format of each image or mask of the data set that is decoded, or its thumbnail."""
    formats: list[str] = []
    original = ImageFile.ImageFile.load

    def load(image: ImageFile.ImageFile) -> Any:
        if image.tile and image.width in (SIDE, SIDE // 8):  # not the sheets that a report reads
            formats.append(str(image.format))
        return original(image)

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    return formats


def other_picture(path: Path) -> None:
    """Write another valid image in the place of one."""
    pixels = np.random.default_rng(9).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path)


def extractor(cache: FeatureCache) -> Extractor:
    return Extractor(cache, "data", PROTOCOL, (1, 2), lambda: backbones.load("filterbank"))


@pytest.mark.usefixtures("folder", "no_figures")
@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("disk", [[], ["--no-disk-cache"]])
def test_a_run_reads_each_file_twice_and_decodes_it_once(
    fit: str, disk: list[str], decoded: list[str]
) -> None:
    data = write_dataset(Path("data"), "cup", "plate")
    files = sorted(str(path.resolve()) for path in data.rglob("*.png"))
    assert len(files) == 2 * FILES
    with opened_files() as opened:
        assert run.main([*COMMAND, "--fit", fit, "--methods", "padim,spade", *disk]) == 0
    assert [opened[path] for path in files] == [2] * len(files)
    assert decoded == ["PNG"] * len(files)


@pytest.mark.usefixtures("folder", "no_figures")
@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "tif", "webp"])
def test_an_image_is_decoded_once_in_a_cold_run_and_never_in_a_warm_one(
    ending: str, decoded: list[str]
) -> None:
    data = write_dataset(Path("data"), "cup", "plate")
    pictures = list(data.glob("*/t*/*/*.png"))
    for path in pictures:
        with Image.open(path) as image:
            image.load()
        path.unlink()
        image.save(path.with_suffix(f".{ending}"))
    images, masks = len(pictures), len(list(data.rglob("*_mask.png")))

    def decodes() -> int:
        decoded.clear()
        assert run.main([*COMMAND, "--methods", "padim,spade", "--force"]) == 0
        return len(decoded)

    first_seen = 0 if ending == "png" else images  # nothing else proves these whole
    assert decodes() == images + masks + first_seen
    assert decodes() == masks
    shutil.rmtree("cache/features")
    assert decodes() == images + masks


@pytest.mark.usefixtures("folder", "no_figures")
def test_an_image_is_decoded_once_while_the_next_category_is_extracted(
    tmp_path: Path, decoded: list[str]
) -> None:
    categories = index(write_dataset(tmp_path / "data", "cup", "lid", "plate")).categories
    decoded.clear()
    crops = Crops(FeatureCache(tmp_path, limit_gb=0), "data", PROTOCOL)
    cup, lid, plate = categories
    for category in (cup, lid):
        for split in ("train", "test"):
            list(crops.batches(whole(category, split)))  # type: ignore[arg-type]
    pictures = crops.images(cup, "test")  # as its previews need them
    list(crops.batches(whole(plate, "train")))
    assert len(crops.images(lid, "test")) == len(pictures) == 7
    assert len(decoded) == 13 + 13 + 6


def test_a_changed_image_is_named_and_nothing_of_its_split_is_cached(tmp_path: Path) -> None:
    data, cache = write_dataset(tmp_path / "data", "cup"), FeatureCache(tmp_path / "cache")
    (category,) = index(data).categories
    path = category.test[1].path
    before = path.read_bytes()
    other_picture(path)
    with pytest.raises(DataError) as caught:
        extractor(cache).arrays(category, lambda images: None)
    assert str(caught.value) == (
        f"{path}: changed while the command was at work; run it again, and leave the data as they "
        "are meanwhile"
    )
    assert {array.spec["split"] for array in cache.cached()} == {"train"}
    assert not list((tmp_path / "cache").rglob("*.tmp"))
    path.write_bytes(before)
    again = extractor(cache).arrays(category, lambda images: None)
    clean = extractor(FeatureCache(tmp_path / "clean")).arrays(category, lambda images: None)
    for level in (1, 2):
        np.testing.assert_array_equal(again["test"][level], clean["test"][level])


def test_images_that_are_cached_may_change(tmp_path: Path) -> None:
    data, cache = write_dataset(tmp_path / "data", "cup"), FeatureCache(tmp_path / "cache")
    (category,) = index(data).categories
    first = extractor(cache)
    expected = first.arrays(category, lambda images: None)
    first.finish()
    other_picture(category.test[1].path)
    stored = extractor(FeatureCache(tmp_path / "cache")).arrays(category, lambda images: None)
    np.testing.assert_array_equal(stored["test"][2], expected["test"][2])


def changes(monkeypatch: pytest.MonkeyPatch, path: Path) -> bytes:
    """Let a file change as soon as the data set is indexed; return its content before."""
    before, original = path.read_bytes(), chosen.datasets.index

    def index_then_change(*arguments: Any, **named: Any) -> Any:
        dataset = original(*arguments, **named)
        other_picture(path)
        return dataset

    monkeypatch.setattr(chosen.datasets, "index", index_then_change)
    return before


@pytest.mark.usefixtures("folder", "no_figures")
@pytest.mark.parametrize("jobs", [[], pytest.param(["--jobs", "2"], marks=pytest.mark.slow)])
def test_a_run_fails_the_category_of_a_changed_image_alone(
    jobs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dataset(Path("data"), "cup", "plate")
    path = Path("data/plate/train/good/002.png")
    with monkeypatch.context() as patch:
        before = changes(patch, path)
        assert run.main([*COMMAND, *jobs, "--out", "out"]) == 1
    path.write_bytes(before)
    cup, plate = sorted(Store(Path("out")).cells(), key=lambda cell: cell.spec.category)
    assert (cup.status, plate.status) == ("ok", "failed")
    assert f"{path}: changed while the command was at work" in plate.error
    assert run.main([*COMMAND, *jobs, "--out", "out"]) == 0
    assert run.main([*COMMAND, "--cache", "other", "--out", "clean"]) == 0
    for name in ("cup", "plate"):
        (mended,) = Path("out/scores/padim").glob(f"{name}-*.csv")
        (clean,) = Path("clean/scores/padim").glob(f"{name}-*.csv")
        assert mended.read_bytes() == clean.read_bytes()


@pytest.mark.usefixtures("folder", "no_figures")
@pytest.mark.parametrize("jobs", [[], ["--jobs", "2"]])
def test_a_mask_that_changes_after_it_was_hashed_does_not_count(
    jobs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dataset(Path("data"), "cup")
    shutil.copytree("data", "copy/data")
    with monkeypatch.context() as patch:
        changes(patch, Path("data/cup/ground_truth/spot/001_mask.png"))
        assert run.main([*COMMAND, *jobs, "--out", "out"]) == 0
    assert run.main([*COMMAND, "--data", "copy/data", "--cache", "other", "--out", "clean"]) == 0
    (cell,), (clean,) = (Store(Path(name)).cells() for name in ("out", "clean"))
    assert (cell.key, cell.metrics) == (clean.key, clean.metrics)


def test_a_mask_that_changes_between_hashing_and_decoding_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_dataset(tmp_path / "data", "cup")
    path = data / "cup/ground_truth/spot/002_mask.png"
    original = masks.decode

    def change_then_decode(file: Path, sha256: str = "") -> Any:
        if file == path:
            other_picture(path)
        return original(file, sha256)

    monkeypatch.setattr(masks, "decode", change_then_decode)
    with pytest.raises(DataError, match=r"002_mask\.png: changed while the command was at work"):
        index(data)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (40, 40), (7, 8)])
def test_a_packed_mask_keeps_every_pixel(shape: tuple[int, int]) -> None:
    defect = np.random.default_rng(0).random(shape) < 0.4
    packed = masks.PackedMask.of(defect)
    np.testing.assert_array_equal(packed.defect, defect)
    assert packed.defect.dtype == np.bool_
    assert len(masks.PackedMask.of(np.zeros((1000, 1000), np.bool_)).bits) < 1000


def test_a_jpeg_cut_anywhere_is_found_without_computing_its_pixels(tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    pixels = np.random.default_rng(0).integers(0, 256, (70, 90, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path, quality=90)
    whole = path.read_bytes()
    assert images.inspect(path).shape == (90, 70)
    for length in range(1, len(whole) - 2, 97):
        path.write_bytes(whole[:length])
        assert images.inspect(path).problem is not None
        with pytest.raises(DataError):
            images.load_rgb(path)
