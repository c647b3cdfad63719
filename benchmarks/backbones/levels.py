"""The interface to a library's networks, and pyramids that several share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from benchmarks.errors import BenchmarkError, WeightsError
from methods.lazy import nn

Normalisation = tuple[Sequence[float], Sequence[float]]


STRIDES = {1: 4, 2: 8, 3: 16, 4: 32}

RESNET = {1: "layer1", 2: "layer2", 3: "layer3", 4: "layer4"}

DENSENET = {level: f"features.denseblock{level}" for level in STRIDES}


JOINER = "/"
"""Joins the names of layers whose mean is a level: `blocks.8/blocks.9`."""


def split_layer(name: str) -> list[str]:
    """Return the modules that a level's layer is the mean of; mostly one."""
    return name.split(JOINER)


class NetworkSource(Protocol):
    """Where a network and its weights come from."""

    def tag(self) -> str:
        """Return the name of the weights."""

    def check(self) -> None:
        """Raise BenchmarkError, with suggestions, where there is no such network."""

    def pyramid(self) -> dict[int, str]:
        """Return the network's own layers for levels 1–4; raise BenchmarkError if it has none."""

    def cached(self) -> Path | None:
        """Return the weights file if it has been downloaded, without importing torch."""

    def fetch(self) -> Path:
        """Return the weights file, downloading it; raise WeightsError where that fails."""

    def build(self) -> tuple[nn.Module, Normalisation]:
        """Return the network, its weights not set, and the mean and deviation of its input."""


def without_pyramid(name: str, expression: str) -> BenchmarkError:
    """Return the error of a network whose layers have to be named."""
    return BenchmarkError(
        f"{name} has no known pyramid: pass --layers a,b,c,d, 1 to 4 names for levels 1, 2, …; "
        f'python -c "import timm, torchvision; print(*dict({expression}.named_modules()))" '
        "lists them"
    )


def unavailable(name: str, tag: str, error: Exception) -> WeightsError:
    """Return the error of weights that can't be downloaded."""
    cause = getattr(error, "reason", None) or error.__cause__ or error
    reason = str(cause).strip().splitlines()[0]
    return WeightsError(
        f"ImageNet weights for {name} ({tag}) can't be downloaded ({reason}): pass --weights "
        "FILE, or --backbone filterbank, which needs none"
    )
