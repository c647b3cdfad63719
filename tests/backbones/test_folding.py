"""Folding changes what a network costs, and nothing that it computes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from benchmarks.backbones.folding import fold_batch_norms
from tests.helpers.rounding import same_but_for_rounding


def trained(network: nn.Module) -> nn.Module:
    """Give batch norms statistics and weights that matter."""
    draw = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn(module.num_features, generator=draw)
            module.running_var = torch.rand(module.num_features, generator=draw) + 0.5
            module.weight.data = torch.rand(module.num_features, generator=draw) + 0.5
            module.bias.data = torch.randn(module.num_features, generator=draw)
    return network.eval().requires_grad_(False)


def output(side: int = 64) -> Callable[[nn.Module], dict[int, Tensor]]:
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    return lambda network: {1: network(images)}


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize(
    ("name", "before", "left"),
    # a DenseNet's norms mostly come before its convolutions
    [("resnet18", 20, 0), ("mobilenet_v2", 52, 0), ("densenet121", 121, 62)],
)
def test_norms_after_convolutions_are_folded(name: str, before: int, left: int) -> None:
    torch.manual_seed(0)
    network = trained(models.get_model(name, weights=None))
    result = fold_batch_norms(network, output())
    expected, actual = output(96)(network)[1], output(96)(result)[1]
    assert (norms(network), norms(result)) == (before, left)
    assert same_but_for_rounding(actual, expected, network)


class Read(nn.Module):
    """Its convolution's output is read beside the norm as well."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, images: Tensor) -> Tensor:
        found = self.convolution(images)
        return self.norm(found) + found


class Twice(nn.Module):
    """Its convolution runs twice, once without the norm."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)

    def forward(self, images: Tensor) -> Tensor:
        return self.norm(self.convolution(self.convolution(images)))


@pytest.mark.parametrize("network", [Read(), Twice()])
def test_what_must_not_be_folded_is_left_alone(network: nn.Module) -> None:
    result = fold_batch_norms(trained(network), output())
    assert norms(result) == 1
    assert torch.equal(output()(result)[1], output()(network)[1])


def test_a_level_before_the_norm_stays_what_it_is() -> None:
    network = trained(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    images = torch.randn(1, 3, 8, 8)

    def run(candidate: nn.Module) -> dict[int, Tensor]:
        first = candidate.get_submodule("0")(images)
        return {1: first, 2: candidate.get_submodule("1")(first)}

    assert fold_batch_norms(network, run) is network
