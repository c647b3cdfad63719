"""Shards of a category's images, whoever makes them, are read as the one array they are of."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.backbones import loading as backbones
from benchmarks.datasets import Category, index
from benchmarks.execution.dividing import shards_of
from benchmarks.features import Extractor, FeatureCache
from benchmarks.features.arrays import JoinedArray
from benchmarks.features.crops import BATCH_IMAGES, Part
from benchmarks.specs import EvaluationProtocol
from tests.features.test_extraction import SPEC
from tests.helpers.data_sets import write_category

LEVELS = (1, 2)
PROTOCOL = EvaluationProtocol(backbones.describe(backbones.Choice("filterbank")), image_size=32)
IMAGES = 4 * BATCH_IMAGES + 5
ARRAY = np.random.default_rng(0).random((IMAGES, 2, 3, 3)).astype(np.float32)


def ignore(images: int) -> None:
    del images


def extractor(folder: Path) -> Extractor:
    cache = FeatureCache(folder)
    return Extractor(cache, "data", PROTOCOL, LEVELS, lambda: backbones.load("filterbank"))


@pytest.fixture(scope="module")
def category(tmp_path_factory: pytest.TempPathFactory) -> Category:
    root = tmp_path_factory.mktemp("data")
    write_category(root / "cup", train=IMAGES, good=2, defect=2)
    return index(root).categories[0]


@given(st.integers(1, 2000), st.integers(1, 600))
def test_shards_are_whole_batches_that_cover_all_images_once(images: int, workers: int) -> None:
    shards = shards_of(images, workers)
    assert [row for shard in shards for row in shard] == list(range(images))
    assert len(shards) <= workers
    assert all(shard.start % BATCH_IMAGES == 0 for shard in shards)
    assert max(map(len, shards)) - min(map(len, shards)) <= 2 * BATCH_IMAGES


@pytest.mark.parametrize("workers", [2, 3])
def test_the_number_of_shards_changes_no_bit(
    tmp_path: Path, category: Category, workers: int
) -> None:
    expected = extractor(tmp_path / "alone").arrays(category, ignore)["train"]
    shards = shards_of(IMAGES, workers)
    assert len(shards) == min(workers, 2)
    for shard in reversed(shards):  # each by a worker of its own, in any order
        one = extractor(tmp_path / "many")
        one.part(Part(category, "train", shard), ignore)()
        assert one.passes == len(shard)
    reader = extractor(tmp_path / "many")
    found = reader.arrays(category, ignore)["train"]
    assert reader.passes == len(category.test)
    for level in LEVELS:
        assert np.array_equal(np.array(found[level]), np.array(expected[level]))


@pytest.mark.parametrize("damage", ["gone", "half", "a bit"])
def test_an_array_with_a_damaged_shard_is_not_there(
    tmp_path: Path, category: Category, damage: str
) -> None:
    first, second = shards_of(IMAGES, 2)
    one = extractor(tmp_path)
    one.arrays(category, ignore)
    for path in tmp_path.glob("features/*"):
        path.unlink()
    one = extractor(tmp_path)
    for shard in (first, second):
        one.part(Part(category, "train", shard), ignore)()
    expected = one.arrays(category, ignore)["train"]
    kept = {level: np.array(expected[level]) for level in LEVELS}
    path = next(tmp_path.glob(f"features/*.{second.start}-{second.stop}.npy"))
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    elif damage == "half":
        path.write_bytes(content[: len(content) // 2])
    else:
        content[-1] ^= 1
        path.write_bytes(content)
    again = extractor(tmp_path)
    again.part(Part(category, "train", first), ignore)()
    assert again.passes == 0
    again.part(Part(category, "train", second), ignore)()
    assert again.passes == len(second)
    found = again.arrays(category, ignore)["train"]
    assert again.passes == len(second)
    for level in LEVELS:
        assert np.array_equal(np.array(found[level]), kept[level])


def test_a_damaged_whole_gives_way_to_shards(tmp_path: Path, category: Category) -> None:
    extractor(tmp_path).arrays(category, ignore)
    whole = [path for path in tmp_path.glob("features/*.npy") if "-" not in path.name]
    for path in whole:
        path.write_bytes(path.read_bytes()[:-1])
    for shard in shards_of(IMAGES, 2):
        extractor(tmp_path).part(Part(category, "train", shard), ignore)()
    reader = extractor(tmp_path)
    reader.arrays(category, ignore)
    assert reader.passes == len(category.test)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, IMAGES - 1), st.integers(1, IMAGES)).map(
            lambda pair: range(pair[0], min(IMAGES, sum(pair)))
        ),
        max_size=6,
    ),
    st.integers(0, IMAGES - 1),
    st.integers(1, IMAGES),
)
def test_files_that_overlap_are_read_where_they_cover_what_is_wanted(
    tmp_path_factory: pytest.TempPathFactory, files: list[range], first: int, count: int
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    cache, wanted = FeatureCache(folder), range(first, min(IMAGES, first + count))
    for rows in files:
        with cache.writer(SPEC, IMAGES, rows) as writer:
            writer.write(ARRAY[rows.start : rows.stop])
    found = cache.load(SPEC, IMAGES, wanted, check=True)
    if all(any(row in rows for rows in files) for row in wanted):
        assert found is not None
        assert np.array_equal(np.array(found), ARRAY[first : wanted.stop])
    else:
        assert found is None
    assert len(cache.cached()) == bool(files)
    for array in cache.cached():
        cache.remove(array)
    assert not list(folder.glob("features/*"))
    shutil.rmtree(folder)


def indices() -> st.SearchStrategy[int | slice | Sequence[int]]:
    rows = st.integers(0, IMAGES - 1)
    return st.one_of(rows, st.slices(IMAGES), st.lists(rows, min_size=1, max_size=9))


@given(st.sets(st.integers(1, IMAGES - 1), max_size=4), indices())
def test_joined_arrays_are_read_as_one(cuts: set[int], rows: int | slice | list[int]) -> None:
    parts = np.split(ARRAY, sorted(cuts))
    joined = JoinedArray(parts)
    assert (joined.shape, joined.nbytes, len(joined)) == (ARRAY.shape, ARRAY.nbytes, IMAGES)
    assert np.array_equal(joined[rows], ARRAY[rows])
    assert np.array_equal(np.asarray(joined), ARRAY)
