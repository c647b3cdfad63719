"""Networks with random weights that tests can tell apart from a network without any."""

from __future__ import annotations

import torch
import torchvision

LARGE = ("wide_resnet101_2", "resnext101_32x8d", "densenet201")
"""The paper's backbones beside its main one."""


def network(name: str) -> torch.nn.Module:
    """A network with random weights, its statistics set so that no layer is an identity."""
    torch.manual_seed(1)
    made: torch.nn.Module = torchvision.models.get_model(name, weights=None).eval()
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return made
