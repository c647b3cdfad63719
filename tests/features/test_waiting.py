"""What waits for the disk is bounded over all splits and categories, and a full disk is seen."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from benchmarks.backbones import loading as backbones
from benchmarks.backbones.choice import Choice
from benchmarks.datasets import index
from benchmarks.errors import StorageError
from benchmarks.features import Extractor, FeatureCache, waiting
from benchmarks.features.arrays import ArrayWriter
from benchmarks.features.cache import CacheSettings
from benchmarks.features.crops import whole
from benchmarks.features.waiting import WaitingMemory, usual_bound
from benchmarks.run import __main__ as run
from benchmarks.specs import EvaluationProtocol
from methods.testing.pretended import Counts, OnDevice, pretended_cuda
from tests.helpers.data_sets import write_dataset

LEVELS = (1, 2, 3)
PROTOCOL = EvaluationProtocol(backbones.describe(Choice("filterbank")), image_size=32)
NAMES = ("bolt", "cup", "gear", "plate")


@pytest.fixture
def device() -> Iterator[Counts]:
    with pretended_cuda() as counts:
        yield counts


def extractor(cache: FeatureCache, device: str, resident: int = 1 << 30) -> Extractor:
    def load() -> Any:
        return backbones.load("filterbank", device=device)

    return Extractor(cache, "data", PROTOCOL, LEVELS, load, resident=resident)


class SlowDisk:
    """Writes only so many batches; counts what has left the device and isn't written."""

    def __init__(self, counts: Counts, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts, self.written, self.peak = counts, 0, 0
        self._turns, self._lock = threading.Semaphore(0), threading.Lock()
        write = ArrayWriter.write

        def slowly(writer: ArrayWriter, batch: np.ndarray[Any, Any]) -> None:
            if "level" in writer._spec.as_dict():
                self._turns.acquire()
                self.look()
                time.sleep(0.002)
            write(writer, batch)
            with self._lock:
                self.written += batch.nbytes if "level" in writer._spec.as_dict() else 0

        monkeypatch.setattr(ArrayWriter, "write", slowly)

    def look(self) -> None:
        with self._lock:
            self.peak = max(self.peak, self.counts["bytes from device"] - self.written)

    def turn(self, batches: int) -> None:
        for _ in range(batches):
            self._turns.release()


def largest_batch(folder: Path) -> int:
    """Return the bytes of all levels of a split's one batch, rounded as pinned memory is."""
    sizes: dict[tuple[str, str], int] = {}
    for array in FeatureCache(folder).cached():
        if "level" in array.spec:
            bytes_ = np.load(array.paths[0], mmap_mode="r").nbytes
            key = array.spec["category"], array.spec["split"]
            sizes[key] = sizes.get(key, 0) + (1 << (bytes_ - 1).bit_length())
    return max(sizes.values())


def test_what_waits_is_bounded_over_categories_and_splits(
    tmp_path: Path, device: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    categories = index(write_dataset(tmp_path / "data", *NAMES)).categories
    with monkeypatch.context() as patched:
        disk = SlowDisk(device, patched)
        disk.turn(1000)
        first = extractor(FeatureCache(tmp_path / "free"), "cuda")
        expected = {c.name: first.arrays(c, lambda images: None) for c in categories}
        first.finish()
    bound = 2 * largest_batch(tmp_path / "free")
    assert sum(one.nbytes for levels in expected["cup"].values() for one in levels.values()) < bound

    before, disk = device["bytes from device"], SlowDisk(device, monkeypatch)
    disk.written = before
    cache = FeatureCache(tmp_path / "slow", waiting=WaitingMemory(bound))
    one, brought = extractor(cache, "cuda"), dict[str, Any]()

    one.prepare()

    def bring() -> None:
        for category in categories:
            brought[category.name] = one.arrays(category, lambda images: None)

    thread = threading.Thread(target=bring)
    thread.start()
    while thread.is_alive() and disk.peak < bound // 4:
        disk.look()
        thread.join(0.1)
    thread.join(1)  # to go on, were there no bound
    disk.look()
    assert thread.is_alive()  # it waits for the disk
    assert 0 < disk.peak <= bound
    disk.turn(1000)
    thread.join(60)
    one.finish()
    assert not thread.is_alive()
    assert disk.peak <= bound
    assert cache.waiting.bytes == 0
    assert disk.written == device["bytes from device"]
    for name in NAMES:
        for split in ("train", "test"):
            for level in LEVELS:
                there = brought[name][split][level]
                assert isinstance(there, OnDevice)
                assert there.held.equal(expected[name][split][level].held)
    assert extractor(FeatureCache(tmp_path / "slow"), "cuda").missing(categories[0]) == 0


@pytest.mark.parametrize("where", ["cpu", "cuda"])
def test_a_bound_below_one_batch_lets_it_wait_alone(
    where: str, tmp_path: Path, device: Counts
) -> None:
    category = index(write_dataset(tmp_path / "data", "cup")).categories[0]
    cache = FeatureCache(tmp_path, waiting=WaitingMemory(1))
    one = extractor(cache, where, 0)
    arrays = one.arrays(category, lambda images: None)
    assert len(arrays["test"][3]) == len(category.test)
    assert cache.waiting.bytes == 0


def test_a_writer_that_fails_holds_nothing_back(
    tmp_path: Path, device: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(writer: ArrayWriter, batch: Any) -> None:
        if "level" in writer._spec.as_dict():
            raise StorageError("no space left")
        write(writer, batch)

    write = ArrayWriter.write
    monkeypatch.setattr(ArrayWriter, "write", full)
    cache = FeatureCache(tmp_path, waiting=WaitingMemory(1))
    one = extractor(cache, "cuda")
    for category in index(write_dataset(tmp_path / "data", *NAMES)).categories:
        assert isinstance(one.arrays(category, lambda images: None)["train"][1], OnDevice)
    with pytest.raises(StorageError, match="no space left"):
        one.finish()
    assert cache.waiting.bytes == 0
    one.finish()  # nothing is left


def test_an_interrupted_extraction_does_not_wait_for_a_slow_disk(
    tmp_path: Path, device: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    category = index(write_dataset(tmp_path / "data", "cup")).categories[0]
    disk = SlowDisk(device, monkeypatch)
    disk.turn(len(LEVELS))  # a turn each, after which the threads would wait for ever
    cache = FeatureCache(tmp_path)

    def stop(images: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extractor(cache, "cuda").arrays(category, stop)
    assert cache.waiting.bytes == 0
    assert not list((tmp_path / "features").glob("*.tmp"))


def test_waiting_memory_is_given_back_and_taken_in_turn() -> None:
    memory, taken = WaitingMemory(10), list[int]()
    memory.take(6)
    memory.take(4)

    def take() -> None:
        memory.take(5)
        taken.append(memory.bytes)

    thread = threading.Thread(target=take)
    thread.start()
    thread.join(0.1)
    assert not taken
    memory.give_back(4)
    thread.join(0.1)
    assert not taken
    memory.give_back(6)
    thread.join(10)
    assert taken == [5]


def test_the_usual_bound_follows_free_memory_and_who_shares_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(waiting, "free_memory", lambda: 8 << 30)
    assert [usual_bound(), usual_bound(4)] == [1 << 30, 1 << 28]
    monkeypatch.setattr(waiting, "free_memory", lambda: 800 << 30)
    assert usual_bound() == 2 << 30
    opened = [CacheSettings(tmp_path).open(print, WaitingMemory(123)) for _ in range(2)]
    assert opened[0].waiting._bound == 123


# A full disk


class Disk:
    """A disk of so many bytes, of which the files in a folder take theirs."""

    def __init__(self, folder: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.size = folder, size
        monkeypatch.setattr(shutil, "disk_usage", self.usage)

    def usage(self, folder: Path) -> SimpleNamespace:
        assert folder.exists()
        used = 0
        for path in filter(Path.is_file, self.folder.rglob("*")):
            file = path.stat()  # one that is being written takes less than it is long
            written = 512 * file.st_blocks if path.suffix == ".tmp" else file.st_size
            used += min(file.st_size, written)
        return SimpleNamespace(total=self.size, used=used, free=max(0, self.size - used))


def size_of(cache: FeatureCache, category: str) -> int:
    return sum(array.bytes for array in cache.cached() if array.spec["category"] == category)


@pytest.fixture
def one_category(tmp_path: Path) -> int:
    """Return the bytes that one category takes in the cache."""
    categories = index(write_dataset(tmp_path / "data", *NAMES)).categories
    cache = FeatureCache(tmp_path / "probe")
    extractor(cache, "cpu", 0).arrays(categories[0], lambda images: None)
    return size_of(cache, NAMES[0])


def test_earlier_categories_make_room_on_a_small_disk(
    tmp_path: Path, one_category: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    cache = FeatureCache(tmp_path / "cache", warn=warnings.append)
    disk = Disk(cache.folder, int(2.5 * one_category), monkeypatch)
    one = extractor(cache, "cpu", 0)
    for category in index(tmp_path / "data").categories:
        arrays = one.arrays(category, lambda images: None)
        assert len(arrays["train"][1]) == len(category.train)
        assert disk.usage(tmp_path).used <= 0.98 * disk.size
    assert size_of(cache, NAMES[-1]) == pytest.approx(one_category, rel=0.01)
    assert size_of(cache, NAMES[0]) == 0
    assert warnings == []


def test_a_disk_that_is_too_small_is_seen_before_it_is_full(
    tmp_path: Path, one_category: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = FeatureCache(tmp_path / "cache")
    disk = Disk(cache.folder, int(0.5 * one_category), monkeypatch)
    category = index(tmp_path / "data").categories[0]
    with pytest.raises(StorageError) as raised:
        extractor(cache, "cpu", 0).arrays(category, lambda images: None)
    line = str(raised.value)
    assert line.startswith(f"{cache.folder}: ")
    assert "0.1 MB are to be written, and the disk takes 0." in line
    assert line.endswith("or name another folder (--cache DIR)")
    assert disk.usage(tmp_path).used < 0.98 * disk.size
    assert not list(tmp_path.rglob("*.tmp"))


def test_features_that_stay_on_the_device_need_no_disk(
    tmp_path: Path, one_category: int, device: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    cache = FeatureCache(tmp_path / "cache", warn=warnings.append)
    Disk(cache.folder, 100, monkeypatch)
    one = extractor(cache, "cuda")
    arrays = one.arrays(index(tmp_path / "data").categories[0], lambda images: None)
    one.finish()
    assert isinstance(arrays["test"][1], OnDevice)
    assert cache.cached() == []
    assert len(warnings) == 2  # a split each
    assert warnings[0].startswith("bolt's features aren't kept: ")


def test_what_others_are_writing_is_left_to_them(
    tmp_path: Path, one_category: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    category = index(tmp_path / "data").categories[0]
    others, cache = FeatureCache(tmp_path / "cache"), FeatureCache(tmp_path / "cache")
    extractor = Extractor(cache, "data", PROTOCOL, LEVELS, Mock())
    spec = extractor.specs(whole(category, "train"))[1]
    Disk(cache.folder, 10**7, monkeypatch)
    assert cache.room == pytest.approx(10**7 - 10**7 // 50, rel=0.001)
    assert cache.make_room(5 * 10**6) == ""
    batch = np.ones((1, 24, 8, 8), np.float32)
    writer = others.writer(spec, 1000)
    writer.write(batch)
    assert cache.room == pytest.approx(10**7 - 10**7 // 50 - 1000 * batch.nbytes, rel=0.01)
    assert "5.0 MB are to be written, and the disk takes 3.7" in cache.make_room(5 * 10**6)
    writer.close(keep=False)
    assert cache.make_room(5 * 10**6) == ""


@pytest.mark.usefixtures("folder", "no_figures")
def test_a_run_on_a_full_disk_says_so_in_one_line_a_category_and_keeps_its_cells(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(Path("data"), "cup", "plate")
    command = ["--data", "data", "--image-size", "32", "--backbone", "filterbank"]
    command += ["--methods", "padim", "--out", "out", "--device", "cpu", "--cache", "cache"]
    assert run.main([*command, "--categories", "cup"]) == 0
    with monkeypatch.context() as patched:
        free = SimpleNamespace(total=10**12, free=0)
        patched.setattr(shutil, "disk_usage", lambda folder: free)
        capsys.readouterr()
        assert run.main(command) == 1
    told = capsys.readouterr()
    lines = [line for line in (told.out + told.err).splitlines() if "to be written" in line]
    assert len(lines) == 1
    assert "plate padim s0: FAILED: cache/features: 0.1 MB are" in lines[0]
    assert "Traceback" not in told.err
    assert run.main(command) == 0


def test_what_others_own_stays_and_is_named_once(
    tmp_path: Path, one_category: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_permitted(cache: FeatureCache, array: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    warnings: list[str] = []
    cache = FeatureCache(tmp_path / "cache", one_category / 2e9, warn=warnings.append)
    monkeypatch.setattr(FeatureCache, "remove", not_permitted)
    one = extractor(cache, "cpu", 0)
    for category in index(tmp_path / "data").categories[:2]:
        assert len(one.arrays(category, lambda images: None)["train"][1]) == len(category.train)
    assert len(warnings) == 1
    assert "can't be removed (Operation not permitted)" in warnings[0]
