"""Checkpoint files: what is accepted, and that everything else is refused in one line."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from benchmarks.backbones import loading as backbones
from benchmarks.backbones import weights
from benchmarks.backbones.choice import Choice
from benchmarks.errors import WeightsError


class Net(torch.nn.Module):
    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 1)
        self.norm = torch.nn.BatchNorm2d(4)
        self.fc = torch.nn.Linear(4, classes)


STATE = Net().state_dict()


def named(prefix: str, state: dict[str, torch.Tensor] = STATE) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": value for name, value in state.items()}


def never() -> bool:
    raise AssertionError("nothing is lacking")


def put(
    content: Any, folder: Path, layers: Sequence[str] = ("conv",), runs: Callable[[], bool] = never
) -> Net:
    """Return a network that took a checkpoint."""
    torch.save(content, folder / "net.pth")
    network = Net()
    state = weights.read_state(folder / "net.pth")
    weights.install(network, state, folder / "net.pth", layers, runs)
    return network


@pytest.mark.parametrize("prefix", ["", *weights.PREFIXES, "module._orig_mod.", "model.backbone."])
@pytest.mark.parametrize("wrapper", ["", "state_dict", "model", "net", "model_state_dict"])
def test_the_usual_wrappings_are_taken_off(wrapper: str, prefix: str, tmp_path: Path) -> None:
    content: Any = named(prefix)
    if wrapper:
        optimizer = {"state": {0: {"step": torch.ones(1)}}, "param_groups": []}
        content = {wrapper: content, "epoch": 3, "optimizer": optimizer}
    state = put(content, tmp_path).state_dict()
    assert all(torch.equal(state[name], STATE[name]) for name in STATE)


@pytest.mark.parametrize(
    ("content", "holds"),
    [
        (
            {"state_dict": STATE, "state_dict_ema": STATE},
            r"several .* \(state_dict, state_dict_ema\)",
        ),
        ({"model": {"state_dict": STATE}, "epoch": 3}, r"no state dict \(model, epoch\)"),
    ],
)
def test_several_and_nested_ones_are_refused(content: Any, holds: str, tmp_path: Path) -> None:
    remedy = re.escape("save one alone with torch.save(net.state_dict(), FILE)")
    with pytest.raises(WeightsError, match=rf"net\.pth holds {holds}: {remedy}"):
        put(content, tmp_path)


def test_a_prefix_that_only_some_names_have_is_refused(tmp_path: Path) -> None:
    content = {"state_dict": {**named("model."), "loss.weight": torch.ones(2)}}
    with pytest.raises(WeightsError, match=r"unexpected model\.conv\.weight"):
        put(content, tmp_path)


def test_names_of_something_else_are_shown_beside_those_wanted(tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as error:
        put({"state_dict": named("encoder.")}, tmp_path)
    assert str(error.value) == (
        f"{tmp_path / 'net.pth'} doesn't fit Net, whose own state dict is wanted: missing "
        "conv.weight, conv.bias, norm.weight, norm.bias and 4 more; unexpected "
        "encoder.conv.weight, encoder.conv.bias, encoder.norm.weight, encoder.norm.bias and 4 more"
    )


def test_safetensors_hold_the_same(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "net.safetensors")
    state = weights.read_state(tmp_path / "net.safetensors")
    assert all(torch.equal(state[name], STATE[name]) for name in STATE)


def test_old_densenet_names_are_understood(tmp_path: Path) -> None:
    old = {
        "features.denseblock1.denselayer2.norm.1.weight": torch.ones(2),
        "features.norm0.weight": torch.ones(1),
    }
    torch.save(old, tmp_path / "net.pth")
    assert list(weights.read_state(tmp_path / "net.pth")) == [
        "features.denseblock1.denselayer2.norm1.weight",
        "features.norm0.weight",
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_not_finite_are_refused_by_name(value: float, tmp_path: Path) -> None:
    broken = {**STATE, "conv.bias": torch.tensor([0.0, value, 0.0, 0.0])}
    with pytest.raises(WeightsError, match=r"net\.pth holds NaN or infinity in conv\.bias"):
        put(broken, tmp_path)


@pytest.mark.parametrize("name", ["net.pth", "net.bin", "net.safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04 cut off"])
def test_files_that_are_no_checkpoints_are_refused(
    name: str, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=name) as error:
        weights.read_state(tmp_path / name)
    assert "\n" not in str(error.value)


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    torch.save(Net(), tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="pickled code, which is not run") as error:
        weights.read_state(tmp_path / "net.pth")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {}, torch.ones(2)])
def test_checkpoints_without_a_state_dict_are_refused(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="holds no state dict"):
        weights.read_state(tmp_path / "net.pth")


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"there is no weights file .*gone\.pth"):
        weights.checksum(tmp_path / "gone.pth")
    with pytest.raises(WeightsError, match="can't read the weights file"):
        weights.checksum(tmp_path)


def test_everything_is_set_but_a_classifier_of_another_size(tmp_path: Path) -> None:
    other = Net(classes=7)
    network = put(other.state_dict(), tmp_path, runs=lambda: True)
    assert torch.equal(network.conv.weight, other.conv.weight)
    assert bool(torch.isnan(network.fc.weight).all())
    state = {name: value for name, value in other.state_dict().items() if "fc" not in name}
    assert torch.equal(put(state, tmp_path, runs=lambda: True).conv.weight, other.conv.weight)
    renamed = {name.replace("fc", "head"): value for name, value in other.state_dict().items()}
    assert torch.equal(put(renamed, tmp_path, runs=lambda: True).conv.bias, other.conv.bias)


def test_the_classifier_is_not_spared_where_it_is_a_level(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"fc\.weight is \(7, 4\), not \(3, 4\)"):
        put(Net(7).state_dict(), tmp_path, ["conv", "fc"], lambda: False)


def test_counters_of_batches_may_be_missing(tmp_path: Path) -> None:
    state = {name: value for name, value in STATE.items() if "num_batches" not in name}
    assert torch.equal(put(state, tmp_path).conv.weight, STATE["conv.weight"])


def test_a_misfit_names_what_is_missing_left_over_and_of_another_shape(tmp_path: Path) -> None:
    state = {**STATE, "extra": torch.ones(1), "conv.weight": torch.ones(4, 1, 1, 1)}
    del state["norm.bias"]
    with pytest.raises(WeightsError) as error:
        put(state, tmp_path)
    assert str(error.value) == (
        f"{tmp_path / 'net.pth'} doesn't fit Net, whose own state dict is wanted: missing "
        "norm.bias; unexpected extra; conv.weight is (4, 1, 1, 1), not (4, 3, 1, 1)"
    )


def test_what_is_lacking_and_needed_is_a_misfit(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"doesn't fit Net, .*: missing conv\.weight$"):
        put({n: v for n, v in STATE.items() if n != "conv.weight"}, tmp_path, runs=lambda: False)


def test_a_checkpoint_may_end_with_the_last_level(tmp_path: Path) -> None:
    """Nothing behind that level runs, so nothing behind it is needed."""
    torch.manual_seed(0)
    whole = torchvision.models.resnet18(num_classes=5)
    begun = {n: v for n, v in whole.state_dict().items() if not n.startswith(("layer3", "layer4"))}
    torch.save({"state_dict": named("backbone.", begun)}, tmp_path / "net.pth")
    file, layers = tmp_path / "net.pth", ["layer1", "layer2"]
    backbone = backbones.load("resnet18", weights=file, layers=layers)
    torch.save(whole.state_dict(), tmp_path / "whole.pth")
    other = backbones.load("resnet18", weights=tmp_path / "whole.pth", layers=layers)
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    maps, expected = (one.forward(images, [1, 2]) for one in (backbone, other))
    assert all(torch.equal(maps[level], expected[level]) for level in (1, 2))
    with pytest.raises(WeightsError, match=r"missing layer3\.0\.conv1\.weight.* and \d+ more"):
        backbones.load("resnet18", weights=file, layers=["layer1", "layer2", "layer3"])


def test_a_stage_in_the_middle_is_needed(tmp_path: Path) -> None:
    state = torchvision.models.resnet18().state_dict()
    gone = {name: value for name, value in state.items() if not name.startswith("layer2.1.bn2")}
    torch.save(gone, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=r"missing layer2\.1\.bn2\.weight"):
        backbones.load("resnet18", weights=tmp_path / "net.pth", layers=["layer1", "layer2"])


def begun(folder: Path, *gone: str, name: str = "begun.pth") -> Choice:
    """Return a ResNet18 whose checkpoint lacks what begins so."""
    state = torchvision.models.resnet18(num_classes=5).state_dict()
    torch.save({n: v for n, v in state.items() if not n.startswith(gone)}, folder / name)
    return Choice("resnet18", folder / name)


@pytest.mark.parametrize(
    ("gone", "levels", "first"),
    [
        (("layer4", "fc"), 3, "level 4 of resnet18 (it lacks layer4.0.conv1.weight)"),
        (("layer4.1.conv2",), 3, "level 4 of resnet18 (it lacks layer4.1.conv2.weight)"),
        (("layer3.1", "layer4"), 2, "levels 3, 4 of resnet18 (it lacks layer3.1.conv1.weight)"),
    ],
)
def test_a_checkpoint_that_ends_early_serves_the_levels_before(
    gone: tuple[str, ...], levels: int, first: str, tmp_path: Path
) -> None:
    choice, said = backbones.fit_to_checkpoint(begun(tmp_path, *gone))
    assert choice.layers == ("layer1", "layer2", "layer3", "layer4")[:levels]
    assert said == f"{tmp_path / 'begun.pth'} ends before {first}: no method can read it"
    backbone = backbones.load(choice)
    whole = backbones.load(begun(tmp_path, "nothing", name="whole.pth"))
    assert backbone.levels == tuple(range(1, levels + 1))
    assert whole.levels == (1, 2, 3, 4)


@pytest.mark.parametrize("gone", [("nothing",), ("fc",), ("layer2.1.bn2",), ("conv1",), ("layer",)])
def test_whole_and_broken_checkpoints_are_left_to_loading(
    gone: tuple[str, ...], tmp_path: Path
) -> None:
    choice = begun(tmp_path, *gone)
    assert backbones.fit_to_checkpoint(choice) == (choice, "")
    if gone not in [("nothing",), ("fc",)]:
        with pytest.raises(WeightsError, match=r"doesn't fit ResNet, .*: missing"):
            backbones.load(choice)


def test_another_networks_checkpoint_does_not_end_early(tmp_path: Path) -> None:
    choice = Choice("resnet34", begun(tmp_path, "layer4").weights)
    assert backbones.fit_to_checkpoint(choice) == (choice, "")
    named = Choice("resnet18", choice.weights, ("layer1", "layer2"))
    assert backbones.fit_to_checkpoint(named) == (named, "")
