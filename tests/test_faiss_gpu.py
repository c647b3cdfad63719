"""faiss on the GPU, played by a stand-in: resources once a device, and PyTorch where it fails."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from methods.components import faiss_gpu
from methods.components.neighbours import nearest
from methods.pretended import pretended_cuda

USABLE = faiss_gpu.usable


class Played:
    """A faiss built for GPUs that counts the resources it makes, and fails where told to."""

    def __init__(self, error: str = "", wrong: bool = False) -> None:
        self.made: list[int] = []
        self.searches = 0
        self.error, self.wrong = error, wrong
        self.module = SimpleNamespace(StandardGpuResources=self.resources, knn_gpu=self.search)

    def resources(self) -> Any:
        return SimpleNamespace(setTempMemory=self.made.append)

    def search(self, resources: Any, queries: Any, bank: Any, k: int, **options: Any) -> Any:
        self.searches += 1
        if self.error:
            raise RuntimeError(self.error)
        found = torch.cdist(queries, bank).topk(k, largest=self.wrong)
        return found.values, found.indices


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return what puts a stand-in in faiss's place, on a pretended device."""
    monkeypatch.setitem(sys.modules, "faiss.contrib.torch_utils", ModuleType("torch_utils"))
    made = (faiss_gpu._works, faiss_gpu._resources)
    for cached in made:
        cached.cache_clear()
    with pretended_cuda():
        monkeypatch.setattr(faiss_gpu, "usable", USABLE)

        def start(played: Played) -> Played:
            monkeypatch.setattr(faiss_gpu, "faiss", played.module)
            return played

        yield start
    for cached in made:
        cached.cache_clear()


def search() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    queries, bank = (torch.rand(count, 5, generator=generator) for count in (7, 20))
    distances, rows = nearest(queries.to("cuda"), bank.to("cuda"), 3)
    expected = torch.cdist(queries.double(), bank.double()).topk(3, largest=False)
    torch.testing.assert_close(distances.cpu().double(), expected.values, rtol=1e-5, atol=1e-6)
    assert torch.equal(rows.cpu(), expected.indices)
    return distances, rows


def test_resources_are_made_once_with_bounded_memory(play: Any) -> None:
    played = play(Played())
    for _ in range(3):
        search()
    assert played.made == [faiss_gpu.TEMPORARY_BYTES]
    assert played.searches == 4  # and the trial


@pytest.mark.parametrize(
    "played", [Played("no kernel image is available\nfor execution"), Played(wrong=True)]
)
def test_a_build_that_cannot_use_the_device_gives_way_to_pytorch(
    play: Any, caplog: pytest.LogCaptureFixture, played: Played
) -> None:
    play(played)
    with caplog.at_level(logging.WARNING):
        search()
        search()
    assert played.searches == 1
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("faiss can't use cuda:0 (")
    assert line.endswith("); PyTorch searches instead")
    assert "\n" not in line


def test_a_build_without_gpus_is_left_alone(play: Any, caplog: pytest.LogCaptureFixture) -> None:
    play(Played()).module.__dict__.pop("StandardGpuResources")
    search()
    assert not caplog.records


def test_running_out_of_memory_is_said_as_such(play: Any) -> None:
    played = play(Played())
    search()
    played.error = "Error in virtual void* GpuResources: cudaMalloc error out of memory [2]"
    with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
        search()
