"""Which library a backbone's name points into."""

from __future__ import annotations

from benchmarks.backbones.levels import NetworkSource
from benchmarks.backbones.timm_networks import Timm
from benchmarks.backbones.torchvision_networks import Torchvision
from benchmarks.errors import BenchmarkError


def source(name: str) -> NetworkSource:
    """Return the library that `name` points into.

    Raises:
        BenchmarkError: the prefix is none that is known.
    """
    library, slash, bare = name.partition("/")
    if not slash:
        return Torchvision(name)
    if library == "timm":
        return Timm(bare)
    raise BenchmarkError(f"unknown backbone {name!r}: give a torchvision name or timm/NAME.TAG")
