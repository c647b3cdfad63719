"""How far two computations of the same numbers may differ because they round differently."""

from __future__ import annotations

import torch

UNIT = 2.0**-24
"""The unit roundoff of single precision: the largest relative error of one operation."""


def tolerance(network: torch.nn.Module) -> float:
    """Return what two passes of a network may differ by, as a share of a map's largest value.

    Which instructions a processor has decides in which order a sum's terms are added. The error of
    a sum of n terms is a random walk of n steps of one unit roundoff: √n of them (Higham and Mary,
    A new approach to probabilistic rounding error analysis, 2019). Those of the layers on the way
    are as independent, so that their terms add up under the root.
    """
    terms = sum(
        module.weight[0].numel()
        for module in network.modules()
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)
    )
    return UNIT * float(terms) ** 0.5


def same_but_for_rounding(
    actual: torch.Tensor, expected: torch.Tensor, network: torch.nn.Module
) -> bool:
    """Whether maps differ by no more than two passes of the network may."""
    return bool((actual - expected).abs().max() <= tolerance(network) * expected.abs().max())
