"""Which card is taken, what cells say of it, and whose work their times include."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.backbones.backbone import Backbone
from benchmarks.errors import BenchmarkError
from benchmarks.evaluation.device import PeakMemory, card_of, choose_device, visible_gpus
from benchmarks.results import Store
from benchmarks.run import __main__ as run
from methods import padim
from methods.testing import pretended
from methods.testing.pretended import Counts, pretended_cuda
from tests.helpers.data_sets import write_dataset

WHEEL = ["sm_75", "sm_80", "sm_90a", "sm_120", "compute_120"]


@pytest.fixture
def device() -> Iterator[Counts]:
    with pretended_cuda(devices=2) as counts:
        yield counts


def own(monkeypatch: pytest.MonkeyPatch, *capabilities: tuple[int, int]) -> None:
    """Own cards of some compute capabilities, and a wheel of PyTorch for 7.5 and newer."""

    def capability(device: Any = None) -> tuple[int, int]:
        return capabilities[torch.device(device).index or 0]

    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: WHEEL)
    monkeypatch.setattr(torch.cuda, "get_device_capability", capability)


@pytest.mark.usefixtures("device")
def test_a_card_older_than_the_wheel_is_refused_in_a_line_that_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own(monkeypatch, (6, 1), (7, 5))
    for name in ("cuda", "cuda:0"):
        with pytest.raises(BenchmarkError) as raised:
            choose_device(name)
        assert str(raised.value) == (
            f"--device {name}: pretended has compute capability 6.1, and PyTorch "
            f"{torch.__version__} needs 7.5 or newer; take --device cpu or another GPU"
        )
    assert choose_device("cuda:1") == "cuda:1"
    assert capsys.readouterr().err == ""
    assert choose_device("auto") == "cpu"
    assert "compute capability 6.1" in capsys.readouterr().err
    assert visible_gpus() == ("1",)


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("capability", [(7, 5), (8, 9), (9, 0), (12, 0), (12, 1)])
def test_newer_cards_are_taken(
    capability: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    own(monkeypatch, capability, capability)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,7")
    assert choose_device("auto") == choose_device("cuda") == "cuda"
    assert visible_gpus() == ("3", "5")
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("device")
def test_a_wheel_that_names_no_cards_refuses_none(monkeypatch: pytest.MonkeyPatch) -> None:
    own(monkeypatch, (5, 0), (5, 0))
    monkeypatch.setattr(torch.cuda, "get_arch_list", list)
    assert choose_device("auto") == "cuda"


def test_a_card_is_named_with_what_drives_it(device: Counts) -> None:
    assert card_of("cpu") == {}
    assert card_of("cuda:1").keys() == {"name", "capability", "driver", "cuda", "cudnn"}
    assert (card_of("cuda")["name"], card_of("cuda")["capability"]) == ("pretended", "8.0")


class Streams:
    """Streams as CUDA has them: each thread has a current one, the default one at first."""

    def __init__(self) -> None:
        self.default, self._local = pretended._Stream("cuda"), threading.local()
        self.waited: list[Any] = []

    def current(self, device: Any = None) -> Any:
        return getattr(self._local, "current", self.default)

    @contextmanager
    def use(self, stream: Any) -> Iterator[None]:
        before, self._local.current = self.current(), stream
        yield
        self._local.current = before


@pytest.fixture
def streams(device: Counts, monkeypatch: pytest.MonkeyPatch) -> Streams:
    streams = Streams()

    def wait(stream: Any) -> None:
        streams.waited.append(stream)

    monkeypatch.setattr(torch.cuda, "current_stream", streams.current)
    monkeypatch.setattr(torch.cuda, "stream", streams.use)
    monkeypatch.setattr(pretended._Stream, "synchronize", wait)
    return streams


def test_a_method_is_waited_for_by_its_stream_alone(
    device: Counts, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    PeakMemory("cuda").synchronise()
    assert streams.waited == [streams.default]
    assert device.waits == 0


@pytest.mark.usefixtures("folder", "no_figures")
def test_extraction_has_a_stream_of_its_own_and_cells_name_the_card(
    streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, set[Any]] = {"forward": set(), "fit": set()}

    def watch(owner: type, name: str) -> None:
        original = getattr(owner, name)

        def noting(*arguments: Any) -> Any:
            seen[name].add(streams.current())
            return original(*arguments)

        monkeypatch.setattr(owner, name, noting)

    write_dataset(Path("data"), "cup", "plate")
    watch(padim.Padim, "fit")
    watch(Backbone, "forward")
    command = ["--data", "data", "--image-size", "32", "--backbone", "filterbank", "--out", "out"]
    assert run.main([*command, "--methods", "padim", "--device", "cuda"]) == 0
    assert seen["fit"] == {streams.default}
    (extracting,) = seen["forward"] - {streams.default}  # which made a trial pass when it loaded
    assert extracting in streams.waited  # before a method reads what was made there
    cells = Store(Path("out")).cells()
    assert [cell.card["name"] for cell in cells] == ["pretended"] * 2
    assert {cell.device for cell in cells} == {"cuda"}
