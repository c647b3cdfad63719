"""Checkpoint files: what is accepted, and that everything else is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from benchmarks.backbones import weights
from benchmarks.errors import WeightsError


class Net(torch.nn.Module):
    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 1)
        self.norm = torch.nn.BatchNorm2d(4)
        self.fc = torch.nn.Linear(4, classes)


STATE = Net().state_dict()
FILE = Path("net.pth")


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3},
        {"model": STATE},
        {f"module.{name}": value for name, value in STATE.items()},
        {"state_dict": {f"module.{name}": value for name, value in STATE.items()}},
    ],
)
def test_the_usual_wrappings_are_taken_off(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "net.pth")
    state = weights.read(tmp_path / "net.pth")
    assert list(state) == list(STATE)
    assert all(torch.equal(state[name], STATE[name]) for name in STATE)


def test_safetensors_hold_the_same(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "net.safetensors")
    state = weights.read(tmp_path / "net.safetensors")
    assert all(torch.equal(state[name], STATE[name]) for name in STATE)


def test_old_densenet_names_are_understood(tmp_path: Path) -> None:
    old = {
        "features.denseblock1.denselayer2.norm.1.weight": torch.ones(2),
        "features.norm0.weight": torch.ones(1),
    }
    torch.save(old, tmp_path / "net.pth")
    names = list(weights.read(tmp_path / "net.pth"))
    assert names == ["features.denseblock1.denselayer2.norm1.weight", "features.norm0.weight"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_not_finite_are_refused_by_name(value: float, tmp_path: Path) -> None:
    broken = {**STATE, "conv.bias": torch.tensor([0.0, value, 0.0, 0.0])}
    torch.save(broken, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=r"net\.pth holds NaN or infinity in conv\.bias"):
        weights.read(tmp_path / "net.pth")


@pytest.mark.parametrize("name", ["net.pth", "net.bin", "net.safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04 cut off"])
def test_files_that_are_no_checkpoints_are_refused(
    name: str, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=name) as error:
        weights.read(tmp_path / name)
    assert "\n" not in str(error.value)


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    torch.save(Net(), tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="pickled code, which is not run") as error:
        weights.read(tmp_path / "net.pth")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {}, torch.ones(2)])
def test_checkpoints_without_a_state_dict_are_refused(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="holds no state dict"):
        weights.read(tmp_path / "net.pth")


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"there is no weights file .*gone\.pth"):
        weights.checksum(tmp_path / "gone.pth")
    with pytest.raises(WeightsError, match="can't read the weights file"):
        weights.checksum(tmp_path)


def test_everything_is_set_but_a_classifier_of_another_size() -> None:
    network, other = Net(classes=3), Net(classes=7)
    weights.install(network, other.state_dict(), FILE, ["conv"])
    assert torch.equal(network.conv.weight, other.conv.weight)
    state = {name: value for name, value in other.state_dict().items() if "fc" not in name}
    weights.install(network, state, FILE, ["conv"])


def test_the_classifier_is_not_spared_where_it_is_a_level() -> None:
    with pytest.raises(WeightsError, match=r"fc\.weight is \(7, 4\), not \(3, 4\)"):
        weights.install(Net(3), Net(7).state_dict(), FILE, ["conv", "fc"])


def test_counters_of_batches_may_be_missing() -> None:
    state = {name: value for name, value in STATE.items() if "num_batches" not in name}
    network = Net()
    weights.install(network, state, FILE, ["conv"])
    assert torch.equal(network.conv.weight, STATE["conv.weight"])


def test_a_misfit_names_what_is_missing_left_over_and_of_another_shape() -> None:
    state = {**STATE, "extra": torch.ones(1), "conv.weight": torch.ones(4, 1, 1, 1)}
    del state["norm.bias"]
    network = Net()
    before = network.conv.bias
    with pytest.raises(WeightsError) as error:
        weights.install(network, state, FILE, ["conv"])
    assert str(error.value) == (
        "net.pth doesn't fit Net: missing norm.bias, unexpected extra, "
        "conv.weight is (4, 1, 1, 1), not (4, 3, 1, 1)"
    )
    assert before is network.conv.bias


def test_a_long_list_of_misfits_is_cut() -> None:
    with pytest.raises(WeightsError, match=r"missing norm\.running_mean and 1 more$"):
        weights.install(Net(), {}, FILE, ["conv"])
