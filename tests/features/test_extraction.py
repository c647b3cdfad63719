"""One pass an image, a cache keyed on everything, and nothing half-written ever read."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.backbones import loading as backbones
from benchmarks.datasets import Category, index
from benchmarks.datasets import images as images_module
from benchmarks.errors import BenchmarkError, DataError, StorageError
from benchmarks.features import Extractor, FeatureCache, crops, temporary
from benchmarks.features import __main__ as features
from benchmarks.features.arrays import ArrayWriter, read_array
from benchmarks.features.crops import parts_of
from benchmarks.features.temporary import OWNER
from benchmarks.specs import BackboneSpec, EvaluationProtocol, FeatureSpec
from tests.helpers.data_sets import write_dataset

ROOT = Path(__file__).parents[2]
LEVELS = (1, 2, 3)
PROTOCOL = EvaluationProtocol(backbones.describe(backbones.Choice("filterbank")), image_size=32)


class Counting:
    """The filter bank, counting what passes it."""

    def __init__(self) -> None:
        self.backbone = backbones.load("filterbank")
        self.device = self.backbone.device
        self.images: list[bytes] = []

    def forward(self, images: torch.Tensor, levels: Collection[int]) -> dict[int, torch.Tensor]:
        self.images += [image.numpy().tobytes() for image in images]
        return self.backbone.forward(images, levels)


@pytest.fixture
def category(tmp_path: Path) -> Category:
    return index(write_dataset(tmp_path / "data", "cup")).categories[0]


def extractor(
    folder: Path, counting: Any, protocol: EvaluationProtocol = PROTOCOL, **limits: float
) -> Extractor:
    return Extractor(FeatureCache(folder, **limits), "data", protocol, LEVELS, lambda: counting)


def ignore(images: int) -> None:
    del images


def test_every_image_passes_once_and_never_again(tmp_path: Path, category: Category) -> None:
    counting = Counting()
    first = extractor(tmp_path, counting).arrays(category, ignore)
    assert len(counting.images) == len(set(counting.images)) == 6 + 7
    second = extractor(tmp_path, counting).arrays(category, ignore)
    assert len(counting.images) == 6 + 7
    for split in ("train", "test"):
        for level in LEVELS:
            np.testing.assert_array_equal(first[split][level], second[split][level])


def test_arrays_hold_the_backbones_outputs_in_order(
    tmp_path: Path, category: Category, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crops, "BATCH_IMAGES", 4)
    arrays = extractor(tmp_path, Counting()).arrays(category, ignore)
    backbone = backbones.load("filterbank")
    for number, sample in enumerate(category.test):
        image = torch.tensor(images_module.load_image(sample.path, PROTOCOL.resize, 32))
        expected = backbone.forward(image.permute(2, 0, 1)[None], LEVELS)
        for level in LEVELS:
            actual = torch.from_numpy(np.array(arrays["test"][level][number]))
            torch.testing.assert_close(actual, expected[level][0], rtol=1e-4, atol=1e-5)


def test_only_missing_levels_are_extracted(tmp_path: Path, category: Category) -> None:
    counting = Counting()
    cache = FeatureCache(tmp_path)
    Extractor(cache, "data", PROTOCOL, [2, 3], lambda: counting).arrays(category, ignore)
    assert len(cache.cached()) == 4 + 2  # and the crops
    more = Extractor(cache, "data", PROTOCOL, [1, 2, 3], lambda: counting)
    assert more.missing(category) == 13
    more.arrays(category, ignore)
    assert len(cache.cached()) == 6 + 2
    assert more.missing(category) == 0


SPEC = FeatureSpec(
    dataset="data",
    dataset_fingerprint="f",
    category="cup",
    split="train",
    backbone="b",
    weights="w",
    weights_sha256="s",
    level=2,
    layer="l",
    image_size=224,
    resize=256,
    dtype="float32",
)
OTHER: dict[str, Any] = {
    "dataset": "other",
    "dataset_fingerprint": "g",
    "category": "plate",
    "split": "test",
    "backbone": "c",
    "weights": "v",
    "weights_sha256": "t",
    "level": 3,
    "layer": "m",
    "image_size": 225,
    "resize": 257,
    "dtype": "float16",
    "extractor_version": 99,
    "fit": "pad",
    "interpolation": "lanczos",
    "batch": 8,
    "augment": "flip",
    "shift": "brightness=3",
    "tiles": 2,
}


@pytest.mark.parametrize("name", list(SPEC.__dataclass_fields__))
def test_a_change_of_any_field_misses(name: str, tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    with cache.writer(SPEC, 2) as writer:
        writer.write(np.ones((2, 1, 2, 2)))
    assert cache.load(SPEC, 2) is not None
    assert cache.load(replace(SPEC, **{name: OTHER[name]}), 2) is None


def test_specs_follow_data_split_backbone_and_protocol(category: Category) -> None:
    def keys(category: Category = category, protocol: EvaluationProtocol = PROTOCOL) -> set[str]:
        cache = FeatureCache(Path("unused"))
        extractor = Extractor(cache, "data", protocol, LEVELS, Counting)
        parts = [extractor.specs(part) for part in parts_of(category)]
        return {spec.key for part in parts for spec in part.values()}

    other = BackboneSpec("filterbank", "none", "other", PROTOCOL.backbone.layers)
    assert len(keys()) == 6
    for changed in (
        keys(replace(category, fingerprint="other")),
        keys(protocol=replace(PROTOCOL, backbone=other)),
        keys(protocol=replace(PROTOCOL, image_size=40)),
        keys(protocol=replace(PROTOCOL, dtype="float16")),
        keys(protocol=replace(PROTOCOL, fit="stretch")),
        keys(protocol=replace(PROTOCOL, interpolation="lanczos")),
    ):
        assert not changed & keys()
    assert keys(protocol=replace(PROTOCOL, mask_resize="official", smoothing_sigma=0)) == keys()


@pytest.mark.parametrize(
    "damage", ["truncated", "emptied", "text", "foreign", "description", "one bit"]
)
def test_a_broken_array_is_extracted_again_loudly(
    damage: str, tmp_path: Path, category: Category
) -> None:
    counting, warnings = Counting(), []
    cache = FeatureCache(tmp_path, warn=warnings.append)
    expected = Extractor(cache, "data", PROTOCOL, LEVELS, lambda: counting).arrays(category, ignore)
    kept = np.array(expected["train"][2])
    path = next(
        e.paths[0] for e in cache.cached() if (e.spec["split"], e.spec.get("level")) == ("train", 2)
    )
    match damage:
        case "truncated":
            path.write_bytes(path.read_bytes()[:-8])
        case "emptied":
            path.write_bytes(b"")
        case "one bit":
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
        case "text":
            path.write_text("not an array")
        case "foreign":
            np.save(path, kept[:3])
        case "description":
            path.with_suffix(".json").write_text('{"dataset": "other"}')
    cache = FeatureCache(tmp_path, warn=warnings.append)  # as another process has it
    again = Extractor(cache, "data", PROTOCOL, LEVELS, lambda: counting)
    np.testing.assert_array_equal(again.arrays(category, ignore)["train"][2], kept)
    assert again.passes == 6
    assert any(str(path) in line for line in warnings)


def test_a_backbone_that_runs_out_of_memory_says_what_to_do(
    tmp_path: Path, category: Category
) -> None:
    class Full(Counting):
        def forward(self, images: torch.Tensor, levels: Collection[int]) -> dict[int, torch.Tensor]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    with pytest.raises(BenchmarkError, match=r"one image of 32 pixels .*: pass --device cpu"):
        extractor(tmp_path, Full()).arrays(category, ignore)
    assert list((tmp_path / "features").glob("*")) == []


class Finalized:
    """Garbage whose finalizer, run by the collector, lets other threads in."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        for _ in range(200):
            pass


@pytest.fixture
def interleaved() -> Iterator[None]:
    """Threads that interleave wherever memory is allocated."""
    threshold, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.callbacks.append(lambda phase, _: Finalized() and None if phase == "stop" else None)
    gc.set_threshold(1, 1, 1)
    sys.setswitchinterval(1e-6)
    yield
    gc.callbacks.pop()
    gc.set_threshold(*threshold)
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("interleaved")
def test_threads_that_read_arrays_at_once_are_not_in_each_others_way(tmp_path: Path) -> None:
    with ArrayWriter(tmp_path / "array.npy", SPEC, range(2), whole=True) as writer:
        writer.write(np.ones((2, 3, 4, 4), SPEC.dtype))

    def shape(_: int) -> tuple[int, ...]:
        return read_array(tmp_path / "array.npy", SPEC, range(2), whole=True, check=False).shape

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(shape, range(1000))) == {(2, 3, 4, 4)}


def test_an_interrupted_extraction_leaves_nothing(tmp_path: Path, category: Category) -> None:
    class Breaking(Counting):
        def forward(self, images: torch.Tensor, levels: Collection[int]) -> dict[int, torch.Tensor]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extractor(tmp_path, Breaking()).arrays(category, ignore)
    assert list((tmp_path / "features").glob("*")) == []


LEAVING = """
import os, sys
os.getpid = lambda: 7  # as in a container, which counts its own processes
from pathlib import Path
from benchmarks.features.arrays import ArrayWriter
from tests.features.test_extraction import SPEC, np
writer = ArrayWriter(Path(sys.argv[1]), SPEC, range(2), whole=True)
with writer:
    writer.write(np.ones((1, 3, 4, 4), SPEC.dtype))
    print("open", flush=True)
    sys.stdin.readline()
    writer.write(np.full((1, 3, 4, 4), float(sys.argv[2]), SPEC.dtype))
"""


def leaving(path: Path, value: int) -> subprocess.Popen[str]:
    """Start a process that writes an array, and return it when it is in the midst."""
    command = [sys.executable, "-c", LEAVING, str(path), str(value)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


def test_leftovers_are_swept_and_what_is_being_written_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever process numbers say: other containers count their own, other systems list none."""
    monkeypatch.setattr(temporary.psutil, "pid_exists", lambda number: False)
    folder = tmp_path / "features"
    killed, alive = leaving(folder / "a.npy", 1), leaving(folder / "b.npy", 2)
    killed.kill()
    killed.communicate()
    assert len(list(folder.glob("*.tmp"))) == 2
    FeatureCache(tmp_path).sweep()
    (left,) = folder.glob("*.tmp")
    assert left.name.startswith("b.npy.")
    alive.communicate("\n")
    assert alive.returncode == 0
    assert {path.name for path in folder.iterdir()} == {"b.npy", "b.json"}


def test_processes_of_the_same_number_write_one_array_each_its_own(tmp_path: Path) -> None:
    first, second = leaving(tmp_path / "a.npy", 1), leaving(tmp_path / "a.npy", 2)
    for process, value in ((first, 1), (second, 2)):
        process.communicate("\n")
        assert process.returncode == 0
        array = read_array(tmp_path / "a.npy", SPEC, range(2), whole=True, check=True)
        assert array[1].max() == value
    assert {path.name for path in tmp_path.iterdir()} == {"a.npy", "a.json"}


def test_no_file_of_others_is_swept(tmp_path: Path) -> None:
    folder = tmp_path / "features"
    folder.mkdir()
    dead, alive, *others = (
        folder / f"{name}.tmp"
        for name in (f"a.npy.{OWNER}.99999999", f"b.npy.{OWNER}.1", "c.npy.elsewhere.99999999",
                     "download", f"copy.of.{OWNER}.99999999", f"{OWNER}.99999999")
    )  # fmt: skip
    for path in (dead, alive, *others):
        path.touch()
    (folder / f"d.npy.{OWNER}.99999999.tmp").mkdir()
    FeatureCache(tmp_path).sweep()
    assert not dead.exists()  # of an earlier version, which named the process
    assert all(path.exists() for path in (alive, *others))


def test_least_recently_used_arrays_go_first(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", "a", "b", "c")
    categories = index(root).categories
    size = 1e-9 * sum(e.bytes for e in _filled(tmp_path / "probe", categories[:1]).cached())
    cache = FeatureCache(tmp_path / "cache", limit_gb=2.001 * size)
    for name in ("a", "b", "a", "c"):
        _extract(cache, next(c for c in categories if c.name == name))
    features = [array.spec["category"] for array in cache.cached() if "level" in array.spec]
    assert [features.count(name) for name in ("a", "c")] == [6, 6]
    assert features.count("b") < 6
    assert sum(array.bytes for array in cache.cached()) <= 2.001e9 * size


def test_a_limit_below_one_category_still_serves_it(tmp_path: Path, category: Category) -> None:
    cache = FeatureCache(tmp_path, limit_gb=1e-9)
    arrays = Extractor(cache, "data", PROTOCOL, LEVELS, Counting).arrays(category, ignore)
    assert len(arrays["train"][1]) == 6


def _filled(folder: Path, categories: Collection[Category]) -> FeatureCache:
    cache = FeatureCache(folder)
    for category in categories:
        _extract(cache, category)
    return cache


def _extract(cache: FeatureCache, category: Category) -> None:
    Extractor(cache, "data", PROTOCOL, LEVELS, Counting).arrays(category, ignore)


def test_half_precision_is_stored_as_such(tmp_path: Path, category: Category) -> None:
    half = replace(PROTOCOL, dtype="float16")
    single = extractor(tmp_path, Counting()).arrays(category, ignore)["test"][1]
    stored = extractor(tmp_path, Counting(), half).arrays(category, ignore)["test"][1]
    assert stored.dtype == np.float16
    np.testing.assert_array_equal(stored, single.astype(np.float16))


def test_an_image_that_breaks_after_the_check_is_named(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", "cup")
    category = index(root).categories[0]
    category.train[3].path.write_bytes(b"no longer an image")
    with pytest.raises(DataError, match=r"train/good/003\.png"):
        extractor(tmp_path, Counting()).arrays(category, ignore)
    assert FeatureCache(tmp_path).cached() == []


def test_a_full_disk_names_the_file_and_the_remedy(tmp_path: Path, category: Category) -> None:
    cache = FeatureCache(tmp_path / "file")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=r"features.*--cache DIR"):
        Extractor(cache, "data", PROTOCOL, LEVELS, Counting).arrays(category, ignore)


def test_command_lists_and_clears(
    tmp_path: Path, category: Category, capsys: pytest.CaptureFixture[str]
) -> None:
    extractor(tmp_path, Counting()).arrays(category, ignore)
    assert features.main(["--cache", str(tmp_path)]) == 0
    listed = capsys.readouterr().out
    assert listed.count("cup") == 6 + 2  # and the crops
    assert "8 arrays" in listed
    assert features.main(["--cache", str(tmp_path), "--clear"]) == 0
    assert FeatureCache(tmp_path).cached() == []


def test_clearing_takes_what_lost_its_description_and_leaves_what_is_others(
    tmp_path: Path, category: Category
) -> None:
    extractor(tmp_path, Counting()).arrays(category, ignore)
    folder = tmp_path / "features"
    orphan, *_ = sorted(folder.glob("*.json"))
    orphan.unlink()
    (folder / f"{'a' * 64}.json").symlink_to("gone")
    foreign = {"notes.json": '{"spec": {}}', "notes.npy": "", "package.json": "[1]", "x.tmp": ""}
    for name, text in foreign.items():
        (folder / name).write_text(text)
    (folder / f"{'b' * 64}.json").write_text('{"spec": [1]}')
    (folder / f"{'b' * 64}.npy").write_bytes(b"")
    assert features.main(["--cache", str(tmp_path)]) == 0
    assert features.main(["--cache", str(tmp_path), "--clear"]) == 0
    assert {path.name for path in folder.iterdir()} == {*foreign}


def test_clearing_what_cannot_be_removed_is_one_line(
    tmp_path: Path,
    category: Category,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    extractor(tmp_path, Counting()).arrays(category, ignore)
    unlink, stays = Path.unlink, min((tmp_path / "features").glob("*.npy"))

    def guarded(path: Path, missing_ok: bool = False) -> None:
        if path.stem == stays.stem:
            raise PermissionError(13, "Permission denied")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", guarded)
    assert features.main(["--cache", str(tmp_path), "--clear"]) == 2
    err = capsys.readouterr().err
    assert (err.count("\n"), "can't be removed, as 2 files in all" in err) == (1, True)
    assert {path.stem for path in (tmp_path / "features").iterdir()} == {stays.stem}
