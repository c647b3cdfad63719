"""Where a backbone runs out of memory, a category's features are made in smaller batches, alike."""

from __future__ import annotations

import gc
import json
import threading
import weakref
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import device_memory
from benchmarks.backbones import loading as backbones
from benchmarks.backbones.backbone import Backbone
from benchmarks.backbones.choice import Choice
from benchmarks.datasets import Category, index
from benchmarks.device_memory import RUNNING, let_go, ran_out, size_that_fits
from benchmarks.errors import BenchmarkError
from benchmarks.features import Extractor, FeatureCache
from benchmarks.features.crops import Part
from benchmarks.specs import EvaluationProtocol
from methods.testing.pretended import OnDevice, pretended_cuda
from tests.helpers.data_sets import write_dataset

LEVELS = (2, 3)
PROTOCOL = EvaluationProtocol(backbones.describe(Choice("filterbank")), image_size=32)
WAYS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    torch.AcceleratorError("CUDA error: out of memory\nmore"),
    RuntimeError("GET was unable to find an engine to execute this computation"),
    RuntimeError("Unable to find a valid cuDNN algorithm to run convolution"),
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
    MemoryError(),
]


class Small(Backbone):
    """A backbone that holds only so many images, or fails so often, and notes its batches."""

    def __init__(self, most: int = 99, error: BaseException = WAYS[0], failures: int = 0) -> None:
        whole = backbones.load("filterbank")
        vars(self).update(vars(whole))
        self.most, self.error, self.failures = most, error, failures
        self.batches: list[int] = []

    def forward(self, images: torch.Tensor, levels: Collection[int]) -> dict[int, torch.Tensor]:
        self.batches.append(len(images))
        if len(images) > self.most or self.failures:
            self.failures -= self.failures > 0
            raise self.error
        return super().forward(images, levels)


@pytest.fixture
def category(tmp_path: Path) -> Category:
    return index(write_dataset(tmp_path / "data", "cup")).categories[0]


def extractor(folder: Path, backbone: Backbone) -> Extractor:
    return Extractor(FeatureCache(folder), "data", PROTOCOL, LEVELS, lambda: backbone)


def bring(one: Extractor, category: Category) -> tuple[dict[str, Any], int]:
    """Return the arrays, and how many images were noted."""
    noted: list[int] = []
    arrays = one.arrays(category, noted.append)
    one.finish()
    return arrays, sum(noted)  # type: ignore[return-value]


def described(folder: Path) -> list[int]:
    stored = [json.loads(path.read_text()) for path in (folder / "features").glob("*.json")]
    return [one["spec"].get("batch", 16) for one in stored if "level" in one["spec"]]


@pytest.mark.parametrize("error", WAYS, ids=lambda error: str(error)[:40] or "MemoryError")
def test_every_way_of_running_out_is_answered_by_smaller_batches(
    tmp_path: Path, category: Category, error: BaseException
) -> None:
    expected, images = bring(extractor(tmp_path / "whole", Small()), category)
    one = extractor(tmp_path / "small", backbone := Small(most=2, error=error))
    arrays, noted = bring(one, category)
    assert one.passes == noted == images  # what was made twice counts once
    assert max(backbone.batches[-2:]) <= 2
    for split in expected:
        for level in LEVELS:
            near = 1e-5 * float(np.abs(expected[split][level]).max())
            np.testing.assert_allclose(arrays[split][level], expected[split][level], atol=near)
    assert described(tmp_path / "whole") == [16] * 4
    assert described(tmp_path / "small") == [2] * 4


def test_other_errors_are_no_want_of_memory(tmp_path: Path, category: Category) -> None:
    backbone = Small(most=0, error=RuntimeError("shape '[1]' is invalid"))
    with pytest.raises(RuntimeError, match="is invalid"):
        extractor(tmp_path, backbone).arrays(category, lambda images: None)
    assert len(backbone.batches) == 1


def test_all_arrays_of_a_category_are_made_again(tmp_path: Path, category: Category) -> None:
    """What came before the shortage, of this call or another, isn't mixed with what follows it."""
    first = Extractor(FeatureCache(tmp_path), "data", PROTOCOL, (2,), Small)
    bring(first, category)
    backbone = Small()
    one, passed = extractor(tmp_path, backbone), []

    def shrink(images: int) -> None:
        passed.append(images)
        if len(passed) == 1:
            backbone.most = 4  # after the training images, which are written by now

    one.arrays(category, shrink)
    one.finish()
    assert sorted(described(tmp_path)) == [4] * 4 + [16] * 3
    assert backbone.batches == [6, 7, 6, 6, 4, 2, 4, 3]
    again = extractor(tmp_path, Small())
    assert again.missing(category) == 0
    assert bring(again, category)[1] == 0


def test_once_short_later_categories_begin_small(tmp_path: Path) -> None:
    categories = index(write_dataset(tmp_path / "data", "cup", "plate")).categories
    one = extractor(tmp_path, backbone := Small(most=4))
    bring(one, categories[0])
    backbone.batches.clear()
    bring(one, categories[1])
    assert max(backbone.batches) == 4


def test_arrays_of_several_batches_are_never_mixed(tmp_path: Path, category: Category) -> None:
    """As where one worker of several ran out of memory midway."""
    one = extractor(tmp_path, Small(most=2))
    one.part(Part(category, "train", range(len(category.train))), lambda images: None)()
    one.finish()
    other = extractor(tmp_path, Small())
    other.part(Part(category, "test", range(len(category.test))), lambda images: None)()
    other.finish()
    assert sorted(described(tmp_path)) == [2, 2, 16, 16]
    last = extractor(tmp_path, backbone := Small())
    assert last.missing(category) == len(category.train)
    arrays, _ = bring(last, category)
    expected, _ = bring(extractor(tmp_path / "whole", Small()), category)
    for split in expected:
        for level in LEVELS:
            np.testing.assert_array_equal(arrays[split][level], expected[split][level])
    assert set(backbone.batches) == {len(category.train)}


def test_a_method_that_runs_beside_is_waited_for(tmp_path: Path, category: Category) -> None:
    backbone = Small(failures=1)
    one, failed = extractor(tmp_path, backbone), threading.Event()
    done: list[Any] = []
    forward = backbone.forward

    def noting(*arguments: Any) -> Any:
        if backbone.failures:
            failed.set()
        return forward(*arguments)

    backbone.forward = noting  # type: ignore[method-assign]
    thread = threading.Thread(target=lambda: done.append(bring(one, category)))
    with RUNNING:
        thread.start()
        assert failed.wait(20)
        thread.join(0.3)
        assert not done
        assert len(backbone.batches) == 1
    thread.join(20)
    assert done
    assert described(tmp_path) == [16] * 4  # the method had had the memory


def test_a_failed_try_holds_no_tensors() -> None:
    seen: list[weakref.ref[torch.Tensor]] = []

    def hold() -> None:
        large = torch.zeros(1000)
        seen.append(weakref.ref(large))
        raise torch.OutOfMemoryError("CUDA out of memory")

    gc.disable()
    try:
        try:
            hold()
        except torch.OutOfMemoryError as error:
            assert seen[0]() is not None
            let_go(error)
            assert seen[0]() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("error", WAYS, ids=lambda error: str(error)[:40] or "MemoryError")
def test_all_ways_are_known(error: BaseException) -> None:
    assert ran_out(error)
    assert not ran_out(BenchmarkError(str(error)))


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A card of 8 GiB of which 6 are held."""
    with pretended_cuda():
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device=None: 6 << 30)
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device=None: 6 << 30)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device=None: (2 << 30, 8 << 30))
        yield


@pytest.mark.usefixtures("card")
def test_the_size_that_fits_is_named() -> None:
    """Of 6 GiB held and 26 wanted 8 GiB are a quarter: half the side."""
    device, error = torch.device("cuda:0"), torch.OutOfMemoryError
    wanted = "CUDA out of memory. Tried to allocate {}. GPU 0 has a total capacity of 8.00 GiB"
    assert size_that_fits(error(wanted.format("26.00 GiB")), 448, device) == (
        " (about 224 would fit)"
    )
    assert size_that_fits(error(wanted.format("2.00 MiB")), 448, device) == ""
    assert size_that_fits(error("CUDA out of memory"), 448, device) == ""
    assert size_that_fits(error(wanted.format("26.00 GiB")), 448, torch.device("cpu")) == ""


def test_what_fits_stands_in_the_line(
    tmp_path: Path, category: Category, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_memory, "size_that_fits", lambda *_: " (about 16 would fit)")
    with pytest.raises(BenchmarkError) as raised:
        extractor(tmp_path, Small(most=0)).arrays(category, lambda images: None)
    assert str(raised.value) == (
        "filterbank ran out of memory with one image of 32 pixels (CUDA out of memory): "
        "pass --device cpu or a smaller --image-size (about 16 would fit)"
    )
    assert described(tmp_path) == []


def test_what_cant_be_pinned_is_copied_all_the_same(
    tmp_path: Path, category: Category, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(tensor: torch.Tensor, *arguments: Any, **options: Any) -> Any:
        if arguments[0] != "cpu":
            return torch.Tensor.to(tensor, *arguments, **options)
        refused.append(1)
        raise torch.AcceleratorError("CUDA error: out of memory\nCompile with")

    refused: list[int] = []
    expected, _ = bring(extractor(tmp_path / "whole", Small()), category)
    with pretended_cuda():
        backbone = backbones.load("filterbank", device="cuda")
        monkeypatch.setattr(OnDevice, "to", failing)  # features that go to the host
        arrays, _ = bring(extractor(tmp_path / "unpinned", backbone), category)
    assert len(refused) >= 4
    assert described(tmp_path / "unpinned") == [16] * 4
    for split in expected:
        for level in LEVELS:
            np.testing.assert_array_equal(arrays[split][level], expected[split][level])
