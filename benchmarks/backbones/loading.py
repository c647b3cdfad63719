"""Backbones by name: networks with verified weights, cut into pyramid levels.

Level 1 has stride 4, 2 has 8, 3 has 16 and 4 has 32. Names are torchvision's as they stand,
`timm/<name.tag>`, and `filterbank`, which needs no weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from benchmarks.backbones import filterbank, sources
from benchmarks.backbones import weights as checkpoints
from benchmarks.backbones.backbone import Backbone
from benchmarks.backbones.choice import Choice
from benchmarks.backbones.levels import STRIDES, NetworkSource, split_layer
from benchmarks.backbones.pyramid import TruncatedNetwork
from benchmarks.backbones.tiling import Extract, Tiled, window_side
from benchmarks.console import say
from benchmarks.device_memory import ran_out
from benchmarks.errors import BenchmarkError
from benchmarks.names import suggest
from benchmarks.specs import BackboneSpec
from methods.lazy import nn, torch


def describe(choice: Choice, *, download: bool = False) -> BackboneSpec:
    """Return the specification of what `load` gives.

    For the filter bank, the ResNets, the DenseNets, timm's usual architectures and wherever
    layers are named this doesn't import torch, unless there is something to download.

    Args:
        choice: the backbone.
        download: fetch weights that aren't here yet; without it their sha256 is left empty.

    Raises:
        BenchmarkError: the name or the layers can't be right, as far as names tell.
        WeightsError: the weights can't be had.
    """
    return _resolve(choice, download)[0]


def fit_to_checkpoint(choice: Choice) -> tuple[Choice, str]:
    """Return a choice limited to the layers in its checkpoint, and a line on what that lacks.

    A checkpoint may end before the network's last levels. The choice stays as it is, and the words
    are empty, where the checkpoint holds all levels, is no beginning of this network, which `load`
    says, or where the weights are published ones or the layers chosen.

    Raises:
        BenchmarkError: the name can't be right, or the network has no known pyramid.
        WeightsError: the checkpoint can't be read.
    """
    if choice.weights is None or choice.layers is not None or choice.name == filterbank.NAME:
        return choice, ""
    source = sources.source(choice.name)
    pyramid = source.pyramid()
    source.check()
    with torch.device("meta"):
        network, _ = source.build()
    missing = checkpoints.missing_tail(network, checkpoints.read_state(choice.weights))
    gone = {
        level: names
        for level, layer in pyramid.items()
        if (names := [name for name in missing if name.startswith(f"{layer}.")])
    }
    kept = [level for level in pyramid if level not in gone]
    if not gone or not kept or min(gone) < max(kept):
        return choice, ""
    lost = f"level{'s' * (len(gone) > 1)} {', '.join(map(str, gone))} of {choice.name}"
    first = next(iter(gone.values()))[0]
    said = f"{choice.weights} ends before {lost} (it lacks {first}): no method can read it"
    return replace(choice, layers=tuple(pyramid[level] for level in kept)), said


def backbone_specs(
    members: Sequence[Choice], *, download: bool
) -> tuple[tuple[Choice, BackboneSpec], ...]:
    """Return each member of an ensemble with its specification.

    A checkpoint that ends before the network's last levels serves the others; a line says so.

    Raises:
        BenchmarkError: there is no such backbone, or its weights can't be had.
    """
    choices, notes = zip(*map(fit_to_checkpoint, members), strict=True)
    for note in dict.fromkeys(filter(None, notes)):
        say(note)
    return tuple((choice, describe(choice, download=download)) for choice in choices)


def load(
    choice: Choice | str,
    *,
    weights: Path | None = None,
    layers: Sequence[str] | None = None,
    device: torch.device | str = "cpu",
    image_size: int | None = None,
    tiles: int = 1,
) -> Backbone:
    """Return a backbone with its weights, on `device`.

    Args:
        choice: the backbone, or its name: `wide_resnet50_2` and all other torchvision classifiers,
            `timm/<name.tag>`, or `filterbank`.
        weights: of a name: a checkpoint to read instead of the published ImageNet weights.
        layers: of a name: 1 to 4 modules for levels 1, 2, …, or several joined by / whose mean is
            the level; None for the network's own pyramid.
        device: where it runs.
        image_size: side of the images to come, in pixels, for networks that take one size only.
        tiles: 2 where these are seen in 2 × 2 windows.

    Raises:
        BenchmarkError: no such network, no such layer, or layers without (B, C, h, w) maps.
        WeightsError: weights that can't be had, read, or don't fit; random ones are never used.
    """
    if isinstance(choice, str):
        choice = Choice(choice, weights, None if layers is None else tuple(layers))
    spec, file = _resolve(choice, download=True)
    if file is None:
        bank = Backbone(spec, filterbank.FilterBank(device), device, side=64)
        return bank.tile() if tiles > 1 else bank
    if image_size and tiles > 1:
        image_size = window_side(image_size)
    cut = _truncated_network(spec, device)
    _choose_side(cut, choice.name, image_size)
    state = checkpoints.read_state(file)
    read = [module for layer in spec.layers.values() for module in split_layer(layer)]
    checkpoints.install(cut.network, state, file, read, cut.is_finite)
    cut.fold()
    backbone = Backbone(spec, cut, device, cut.side)
    flat = len(set(backbone.strides.values())) == 1
    if choice.layers is None and not flat and backbone.strides != STRIDES:
        raise BenchmarkError(f"{choice.name} has strides {backbone.strides}: choose its --layers")
    return backbone.tile() if tiles > 1 else backbone


def _choose_side(cut: TruncatedNetwork, name: str, image_size: int | None) -> None:
    """Set the size of trial images: the usual one, or `image_size` if the network takes only that.

    Raises:
        BenchmarkError: it runs at neither.
    """
    for side in dict.fromkeys((cut.side, image_size or cut.side)):
        cut.side = side
        try:
            cut.is_finite()
            return
        except (AssertionError, RuntimeError) as error:  # how networks refuse an image's size
            if ran_out(error):
                raise
            reason = str(error).partition("\n")[0]
            refused = BenchmarkError(f"{name} doesn't run at {side} pixels: {reason}")
            refused.__cause__ = error
    raise refused


def shapes(choice: Choice, image_size: int, tiles: int = 1) -> dict[int, tuple[int, int, int]]:
    """Return level → (C, h, w) of one image's features, without weights or computation.

    Args:
        choice: the backbone.
        image_size: side of the crop, in pixels.
        tiles: as in `load`.

    Raises:
        BenchmarkError: as `load` does.
    """
    if choice.name == filterbank.NAME:
        extract: Extract = filterbank.FilterBank("cpu")
        blank = torch.zeros(1, 3, image_size, image_size, dtype=torch.uint8)
        levels = tuple(filterbank.spec().layers)
    else:
        chosen = _layers(choice, sources.source(choice.name))
        spec = BackboneSpec(choice.name, "", "", chosen)
        extract = _truncated_network(spec, "meta")
        blank = torch.zeros(1, 3, image_size, image_size, dtype=torch.uint8, device="meta")
        levels = tuple(spec.every_layer)
    with torch.no_grad():
        maps = (Tiled(extract) if tiles > 1 else extract)(blank, levels)
    return {level: tuple(features.shape[1:]) for level, features in maps.items()}  # type: ignore[misc]


def check_size(choice: Choice, image_size: int, tiles: int = 1) -> None:
    """Raise BenchmarkError where a backbone refuses images of a size; computes nothing."""
    try:
        shapes(choice, image_size, tiles)
    except (RuntimeError, AssertionError, ValueError) as error:  # how networks refuse a size
        reason = str(error).partition("\n")[0]
        raise BenchmarkError(
            f"--image-size {image_size}: {choice.name} doesn't take it ({reason}); choose another"
        ) from error


def _truncated_network(spec: BackboneSpec, device: torch.device | str) -> TruncatedNetwork:
    """Return a specification's network, its weights not set, cut at the layers."""
    source = sources.source(spec.name)
    source.check()
    with torch.device("meta") if device == "meta" else nullcontext():
        network, normalisation = source.build()
    _require_modules(network, spec.layers.values())
    return TruncatedNetwork(spec, network, normalisation, device)


def _resolve(choice: Choice, download: bool) -> tuple[BackboneSpec, Path | None]:
    """Return the specification and the weights file, None where there is none (yet)."""
    if choice.name == filterbank.NAME:
        if choice.weights is not None or choice.layers is not None:
            raise BenchmarkError("filterbank takes no --weights and no --layers: it has its own")
        return filterbank.spec(), None
    source = sources.source(choice.name)
    layers = _layers(choice, source)
    tag = source.tag() if choice.weights is None else f"file:{choice.weights.name}"
    file = source.cached() if choice.weights is None else choice.weights
    if file is None and download:
        source.check()
        file = source.fetch()
    sha256 = checkpoints.checksum(file) if file else ""
    return BackboneSpec(choice.name, tag, sha256, layers), file


def _layers(choice: Choice, source: NetworkSource) -> dict[int, str]:
    """Return level → layer, the network's own where none are chosen."""
    if choice.layers is None:
        return source.pyramid()
    if not 1 <= len(choice.layers) <= len(STRIDES):
        count = len(choice.layers)
        raise BenchmarkError(f"--layers takes 1 to 4 names, for levels 1, 2, …, not {count}")
    return dict(enumerate(choice.layers, start=1))


def _require_modules(network: nn.Module, layers: Iterable[str]) -> None:
    known = dict(network.named_modules())
    for layer in (module for level in layers for module in split_layer(level)):
        if not layer or layer not in known:
            raise BenchmarkError(f"there is no layer {layer!r}{suggest(layer, known)}")
