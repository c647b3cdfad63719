"""Backbones by name: networks with verified weights, cut into pyramid levels.

Level 1 has stride 4, 2 has 8, 3 has 16 and 4 has 32. Names are torchvision's as they stand,
`timm/<name.tag>`, and `filterbank`, which needs no weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.backbones import filterbank, sources
from benchmarks.backbones import levels as networks
from benchmarks.backbones import weights as checkpoints
from benchmarks.backbones.backbone import Backbone
from benchmarks.backbones.pyramid import Cut
from benchmarks.errors import BenchmarkError
from benchmarks.specs import BackboneSpec
from methods.lazy import torch

if TYPE_CHECKING:
    from torch import nn

    from benchmarks.backbones.backbone import Extract


def describe(
    name: str,
    weights: Path | None = None,
    layers: Sequence[str] | None = None,
    *,
    download: bool = False,
) -> BackboneSpec:
    """Return the specification that `load` with the same arguments gives.

    For the filter bank, the ResNets, the DenseNets, timm's usual architectures and wherever
    `layers` are named this doesn't import torch, unless there is something to download.

    Args:
        name: as for `load`.
        weights: as for `load`.
        layers: as for `load`.
        download: fetch weights that aren't here yet; without it their sha256 is left empty.

    Raises:
        BenchmarkError: the name or the layers can't be right, as far as names tell.
        WeightsError: the weights can't be had.
    """
    return _resolve(name, weights, layers, download)[0]


def load(
    name: str,
    *,
    weights: Path | None = None,
    layers: Sequence[str] | None = None,
    device: torch.device | str = "cpu",
    image_size: int | None = None,
) -> Backbone:
    """Return the backbone `name` with its weights, on `device`.

    Args:
        name: `wide_resnet50_2` and all other torchvision classifiers, `timm/<name.tag>`, or
            `filterbank`.
        weights: a checkpoint to read instead of the published ImageNet weights.
        layers: 1 to 4 module names, for levels 1, 2, …; None for the network's own pyramid.
        device: where it runs.
        image_size: side of the images to come, in pixels, for networks that take one size only.

    Raises:
        BenchmarkError: no such network, no such layer, or layers without (B, C, h, w) maps.
        WeightsError: weights that can't be had, read, or don't fit; random ones are never used.
    """
    spec, file = _resolve(name, weights, layers, download=True)
    if file is None:
        return Backbone(spec, filterbank.FilterBank(device), device, side=64)
    source = sources.source(name)
    source.check()
    network, normalisation = source.build()
    _require_modules(network, spec.layers.values())
    cut = Cut(spec, network, normalisation, device)
    _choose_side(cut, name, image_size)
    found = checkpoints.readings(file)
    checkpoints.install(network, found, file, spec.layers.values(), cut.is_finite)
    cut.fold()
    backbone = Backbone(spec, cut, device, cut.side)
    flat = len(set(backbone.strides.values())) == 1
    if layers is None and not flat and backbone.strides != networks.STRIDES:
        raise BenchmarkError(f"{name} has strides {backbone.strides}: choose its --layers")
    return backbone


def _choose_side(cut: Cut, name: str, image_size: int | None) -> None:
    """Let a network be probed at the usual size, or at the one asked for if it takes only that.

    Raises:
        BenchmarkError: it runs at neither.
    """
    for side in dict.fromkeys((cut.side, image_size or cut.side)):
        cut.side = side
        try:
            cut.is_finite()
            return
        except torch.OutOfMemoryError:
            raise
        except (AssertionError, RuntimeError) as error:  # how networks refuse an image's size
            reason = str(error).partition("\n")[0]
            refused = BenchmarkError(f"{name} doesn't run at {side} pixels: {reason}")
            refused.__cause__ = error
    raise refused


def shapes(
    name: str, layers: Sequence[str] | None, image_size: int
) -> dict[int, tuple[int, int, int]]:
    """Return level → (C, h, w) of the features of one image; needs no weights and computes nothing.

    Args:
        name: as for `load`.
        layers: as for `load`.
        image_size: side of the crop, in pixels.

    Raises:
        BenchmarkError: as `load` does.
    """
    if name == filterbank.NAME:
        extract: Extract = filterbank.FilterBank("cpu")
        blank = torch.zeros(1, 3, image_size, image_size, dtype=torch.uint8)
        levels = tuple(filterbank.spec().layers)
    else:
        source = sources.source(name)
        source.check()
        with torch.device("meta"):
            network, normalisation = source.build()
        chosen = source.pyramid() if layers is None else dict(enumerate(layers, start=1))
        _require_modules(network, chosen.values())
        extract = Cut(BackboneSpec(name, "", "", chosen), network, normalisation, "meta")
        blank = torch.zeros(1, 3, image_size, image_size, dtype=torch.uint8, device="meta")
        levels = tuple(chosen)
    with torch.no_grad():
        maps = extract(blank, levels)
    return {level: tuple(one.shape[1:]) for level, one in maps.items()}  # type: ignore[misc]


def _resolve(
    name: str, weights: Path | None, layers: Sequence[str] | None, download: bool
) -> tuple[BackboneSpec, Path | None]:
    """Return the specification and the weights file, None where there is none (yet)."""
    if name == filterbank.NAME:
        if weights is not None or layers is not None:
            raise BenchmarkError("filterbank takes no --weights and no --layers: it has its own")
        return filterbank.spec(), None
    source = sources.source(name)
    if layers is not None and not 1 <= len(layers) <= len(networks.STRIDES):
        raise BenchmarkError(f"--layers takes 1 to 4 names, for levels 1, 2, …, not {len(layers)}")
    levels = source.pyramid() if layers is None else dict(enumerate(layers, start=1))
    tag = source.tag() if weights is None else f"file:{weights.name}"
    file = source.cached() if weights is None else weights
    if file is None and download:
        source.check()
        file = source.fetch()
    sha256 = checkpoints.checksum(file) if file else ""
    return BackboneSpec(name, tag, sha256, levels), file


def _require_modules(network: nn.Module, layers: Iterable[str]) -> None:
    known = dict(network.named_modules())
    for layer in layers:
        if not layer or layer not in known:
            raise BenchmarkError(f"there is no layer {layer!r}{networks.suggest(layer, known)}")
