"""Cached features go up from the extraction's thread, through a few pinned buffers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.evaluation import anomaly_maps
from benchmarks.features.arrays import join
from benchmarks.features.uploading import on_device
from benchmarks.run import __main__ as run
from methods.base import Features
from methods.components import uploads
from methods.components.uploads import uploaded
from methods.testing.pretended import Counts, OnDevice, pretended_cuda
from tests.helpers.data_sets import write_dataset

MAIN = "pageable copy by the main thread"
CUDA = torch.device("cuda", 0)


@pytest.fixture
def device() -> Iterator[Counts]:
    with pretended_cuda() as counts:
        yield counts


@pytest.fixture
def small_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "BUFFER", 256)
    monkeypatch.setattr(uploads, "_rings", type("Rings", (), {})())


def held(tensor: Any) -> torch.Tensor:
    assert isinstance(tensor, OnDevice)
    return tensor.held


@pytest.mark.usefixtures("folder", "no_figures")
@pytest.mark.parametrize(
    ("memory", "fit"),
    [("1", ()), ("0.0001", ()), ("1", ("--fit", "pad"))],
    ids=["resident", "streamed", "padded"],
)
def test_a_warm_cache_goes_up_pinned(memory: str, fit: tuple[str, ...]) -> None:
    write_dataset(Path("data"), "cup", "plate")
    command = ["--data", "data", "--image-size", "32", "--backbone", "filterbank", "--out", "out"]
    command += ["--methods", "patchcore-25,padim,spade-5", "--memory-gb", memory, *fit]
    command += ["--cache", "cache", "--device", "cuda"]
    with pretended_cuda():
        assert run.main(command) == 0
    anomaly_maps._matrix_on.cache_clear()  # as another process begins
    with pretended_cuda() as counts:
        assert run.main([*command, "--force"]) == 0
    features = sum(path.stat().st_size for path in Path("cache/features").glob("*.npy"))
    crops = 2 * 13 * 3 * 32 * 32
    assert counts["bytes to device"] > 0.95 * (features - crops)
    assert {place for kind, place, _ in counts.sites if kind == MAIN} == set()
    uploading = {place for kind, place, _ in counts.sites if kind == "copy to device"}
    assert "methods/components/uploads.py" in uploading


@pytest.mark.usefixtures("small_buffers")
@pytest.mark.parametrize("shape", [(7, 3, 4, 4), (2, 5, 16, 16), (1, 1, 1, 1), (0, 3, 2, 2)])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_arrays_arrive_as_they_are(
    shape: tuple[int, ...], dtype: str, device: Counts, tmp_path: Path
) -> None:
    array = np.random.default_rng(0).normal(size=shape).astype(dtype)
    if len(array):
        np.save(tmp_path / "array.npy", array)
        mapped = np.load(tmp_path / "array.npy", mmap_mode="r")
    else:
        mapped = array
    there = uploaded(mapped, CUDA)
    assert there.dtype == getattr(torch, dtype)
    np.testing.assert_array_equal(held(there).numpy(), array)
    assert device["bytes to device"] == array.nbytes
    assert device["pageable copy"] == device[MAIN] == 0
    if array.nbytes > 256:
        assert device["copy to device"] >= array.nbytes // 256


@pytest.mark.usefixtures("small_buffers")
def test_arrays_of_several_files_arrive_in_order(device: Counts) -> None:
    parts = [np.full((n, 2, 3, 3), n, np.float32) for n in (3, 1, 5)]
    there = uploaded(join(parts), CUDA)
    np.testing.assert_array_equal(held(there).numpy(), np.concatenate(parts))


@pytest.mark.usefixtures("small_buffers")
def test_a_buffer_is_filled_again_once_its_copy_has_ended(
    device: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[tuple[str, int]] = []

    class Copied:
        def __init__(self, number: int) -> None:
            self.number = number

        def synchronize(self) -> None:
            happened.append(("waited", self.number))

    class Stream:
        def record_event(self) -> Copied:
            happened.append(("copied", copies := sum(kind == "copied" for kind, _ in happened)))
            return Copied(copies)

    monkeypatch.setattr(torch.cuda, "current_stream", lambda device=None: Stream())
    uploaded(np.zeros((5, 64), np.float32), CUDA)
    assert happened == [
        *(("copied", 0), ("copied", 1), ("copied", 2)),
        *(("waited", 0), ("copied", 3), ("waited", 1), ("copied", 4)),
    ]


@pytest.mark.usefixtures("small_buffers")
def test_without_pinned_memory_arrays_arrive_all_the_same(
    device: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = torch.empty

    def refuse(*arguments: Any, pin_memory: bool = False, **options: Any) -> torch.Tensor:
        if pin_memory:
            raise torch.AcceleratorError("CUDA error: out of memory")
        return empty(*arguments, **options)

    monkeypatch.setattr(torch, "empty", refuse)
    array = np.arange(640, dtype=np.float32).reshape(10, 64)
    np.testing.assert_array_equal(held(uploaded(array, CUDA)).numpy(), array)
    assert device[MAIN] > 0


def test_parts_that_are_read_go_up_pinned(device: Counts) -> None:
    array = np.random.default_rng(0).normal(size=(6, 4, 5, 5)).astype(np.float32)
    array.flags.writeable = False
    features = Features({2: array}, device="cuda")
    for part, expected in (
        (features.read(2), array),
        (features.read(2, [4, 1]), array[[4, 1]]),
        (features.read(2, slice(1, 5), [3, 0], slice(1, 3)), array[1:5][:, :, 1:3][:, [3, 0]]),
    ):
        assert part.dtype == torch.float32
        np.testing.assert_array_equal(held(part).numpy(), expected)
    assert device[MAIN] == 0


def test_features_go_up_where_they_fit(device: Counts) -> None:
    array = np.ones((2, 3, 4, 4), np.float32)
    there = uploaded(array, CUDA)
    arrays: Any = {"train": {1: array, 2: there}, "test": {1: array}}
    for unchanged in (on_device(arrays, torch.device("cpu"), 10**9), on_device(arrays, CUDA, 1)):
        assert unchanged == arrays
    brought: Any = on_device(arrays, CUDA, 3 * array.nbytes)
    assert brought["train"][2] is there
    assert held(brought["test"][1]).sum() == array.sum()


def test_pinned_memory_is_told_from_other(device: Counts) -> None:
    for number, tensor in enumerate((torch.ones(4), torch.ones(4).pin_memory())):
        assert tensor.is_pinned() == bool(number)
        tensor.to("cuda")
    torch.empty(4, pin_memory=True)[1:3].to("cuda")
    assert device[MAIN] == 1
