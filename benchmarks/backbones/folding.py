"""Folds batch norms into the convolutions before them: the same outputs, less traffic."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from methods.lazy import Tensor, nn, torch

Outputs = dict[int, Tensor]


ROUNDING = 1e-3
"""Largest change of an output, relative to its largest value, that folding may make.

Rounding makes about 1e-6; what must not be folded, as where the output of a convolution is read
elsewhere too, changes outputs by their own size.
"""


def fold_batch_norms(network: nn.Module, run: Callable[[nn.Module], Outputs]) -> nn.Module:
    """Return a copy of a network in evaluation mode, its batch norms folded where outputs agree.

    A convolution's output that goes straight into a batch norm is scaled and shifted by it, which
    its weights and bias can do as well.

    Args:
        network: the network, which stays as it is.
        run: passes some images through a network and returns all outputs that matter.

    Returns:
        The copy, or the network itself where folding would change what it computes.
    """
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    before = run(network)
    candidate = copy.deepcopy(network)
    for convolution, norm in _pairs(candidate, run):
        pair: Any = (candidate.get_submodule(name) for name in (convolution, norm))
        candidate.set_submodule(convolution, fuse_conv_bn_eval(*pair))
        candidate.set_submodule(norm, torch.nn.Identity())
    after = run(candidate)
    changes = (
        float((after[i] - before[i]).abs().max() / before[i].abs().max().clamp(min=1e-30))
        for i in before
    )
    return candidate if max(changes) < ROUNDING else network


def _pairs(network: nn.Module, run: Callable[[nn.Module], Outputs]) -> list[tuple[str, str]]:
    """Return the names of convolutions and the batch norms that take their outputs, in a run."""
    outputs: list[tuple[str, Tensor]] = []
    pairs: list[tuple[str, str]] = []
    calls: list[str] = []

    def hook(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def seen(module: nn.Module, inputs: Any, output: Any) -> None:
            calls.append(name)
            if isinstance(module, torch.nn.Conv2d):
                outputs.append((name, output))  # kept alive: another tensor can't take its identity
            else:
                pairs.extend((conv, name) for conv, tensor in outputs if tensor is inputs[0])

        return seen

    with ExitStack() as hooks:
        for name, module in network.named_modules():
            if type(module) in (torch.nn.Conv2d, torch.nn.BatchNorm2d):
                hooks.enter_context(module.register_forward_hook(hook(name)))
        run(network)
    return [pair for pair in pairs if all(calls.count(name) == 1 for name in pair)]
