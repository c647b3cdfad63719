"""Finds the library of a backbone by its name."""

from __future__ import annotations

from benchmarks.backbones.levels import NetworkSource
from benchmarks.backbones.timm_networks import Timm
from benchmarks.backbones.torchvision_networks import Torchvision
from benchmarks.errors import BenchmarkError


def source(name: str) -> NetworkSource:
    """Return the network of that name, with its library.

    Raises:
        BenchmarkError: the prefix is none that is known.
    """
    library, slash, bare = name.partition("/")
    if not slash:
        return Torchvision(name)
    if library == "timm":
        return Timm(bare)
    raise BenchmarkError(f"unknown backbone {name!r}: give a torchvision name or timm/NAME.TAG")
