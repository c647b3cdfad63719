"""Backbones by name: networks with verified weights, cut into pyramid levels.

Level 1 has stride 4, 2 has 8, 3 has 16 and 4 has 32. Names are torchvision's as they stand,
`timm/<name.tag>`, and `filterbank`, which needs no weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import filterbank, networks
from benchmarks import weights as checkpoints
from benchmarks.errors import BenchmarkError
from benchmarks.folding import folded
from benchmarks.protocol import BackboneSpec
from methods.components.precision import full_precision
from methods.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor, nn

    from benchmarks.networks import Normalisation

    Extract = Callable[[Tensor, Sequence[int]], dict[int, Tensor]]


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
) -> Backbone:
    """Return the backbone `name` with its weights, on `device`.

    Args:
        name: `wide_resnet50_2` and all other torchvision classifiers, `timm/<name.tag>`, or
            `filterbank`.
        weights: a checkpoint to read instead of the published ImageNet weights.
        layers: 1 to 4 module names, for levels 1, 2, …; None for the network's own pyramid.
        device: where it runs.

    Raises:
        BenchmarkError: no such network, no such layer, or layers without (B, C, h, w) maps.
        WeightsError: weights that can't be had, read, or don't fit; random ones are never used.
    """
    spec, file = _resolve(name, weights, layers, download=True)
    if file is None:
        return Backbone(spec, filterbank.FilterBank(device), device, side=64)
    source = networks.source(name)
    source.check()
    network, normalisation = source.build()
    _require_modules(network, spec.layers.values())
    checkpoints.install(network, checkpoints.read(file), file, spec.layers.values())
    cut = _Cut(spec, network, normalisation, device)
    try:
        cut.fold()
        backbone = Backbone(spec, cut, device, cut.side)
    except torch.OutOfMemoryError:
        raise
    except (AssertionError, RuntimeError) as error:  # how networks refuse an image's size
        reason = str(error).partition("\n")[0]
        raise BenchmarkError(f"{name} doesn't run at {cut.side} pixels: {reason}") from error
    flat = len(set(backbone.strides.values())) == 1
    if layers is None and not flat and backbone.strides != networks.STRIDES:
        raise BenchmarkError(f"{name} has strides {backbone.strides}: choose its --layers")
    return backbone


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
        source = networks.source(name)
        source.check()
        with torch.device("meta"):
            network, normalisation = source.build()
        chosen = source.pyramid() if layers is None else dict(enumerate(layers, start=1))
        _require_modules(network, chosen.values())
        extract = _Cut(BackboneSpec(name, "", "", chosen), network, normalisation, "meta")
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
    source = networks.source(name)
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


class Backbone:
    """Images in, pyramid levels out; made by `load`.

    Attributes:
        spec: what identifies its features.
        levels: the levels it has, ascending.
        channels: channels per level.
        strides: pixels between neighbouring positions, per level.
    """

    def __init__(
        self, spec: BackboneSpec, extract: Extract, device: torch.device | str, side: int
    ) -> None:
        self.spec = spec
        self.levels = tuple(sorted(spec.layers))
        self._extract = extract
        self.device = torch.device(device)
        blank = torch.zeros(1, 3, side, side, dtype=torch.uint8, device=device)
        maps = self.forward(blank, self.levels)
        self.channels = {level: maps[level].shape[1] for level in maps}
        self.strides = {level: round(side / maps[level].shape[2]) for level in maps}

    def forward(self, images: Tensor, levels: Collection[int]) -> dict[int, Tensor]:
        """Return the maps of `levels`; the pass stops after the last of them.

        Args:
            images: uint8 RGB, (B, 3, H, W), on any device; moved to the backbone's as they are,
                and normalised there.
            levels: which levels to return.

        Returns:
            Level → float32, (B, C, h, w), contiguous.

        Raises:
            BenchmarkError: a level that the backbone doesn't have, or an image size that the
                network doesn't take.
        """
        wanted = sorted(set(levels))
        if absent := sorted(set(wanted) - set(self.levels)):
            raise BenchmarkError(f"{self.spec.name} has levels {self.levels}, not {absent}")
        if not wanted:
            return {}
        with torch.inference_mode(), full_precision():
            return self._extract(_on_device(images, self.device), wanted)


def _on_device(images: Tensor, device: torch.device) -> Tensor:
    """Return images on a device, from pinned memory and without waiting where it is a GPU."""
    if device.type == "cuda" and images.device.type == "cpu":
        return images.pin_memory().to(device, non_blocking=True)
    return images.to(device)


class _Collected(Exception):  # noqa: N818 - a signal, not an error
    """Every requested level has been seen."""


class _Cut:
    """A network whose forward pass is cut after the last level asked for."""

    def __init__(
        self,
        spec: BackboneSpec,
        network: nn.Module,
        normalisation: Normalisation,
        device: torch.device | str,
    ) -> None:
        self._spec = spec
        self._network = network.to(device).eval().requires_grad_(False)
        self._mean, self._std = (
            torch.tensor(part, device=device).view(1, 3, 1, 1) for part in normalisation
        )
        self._network.to(memory_format=torch.channels_last)
        patches: Any = getattr(network, "patch_embed", None)
        cuts_patches = hasattr(patches, "strict_img_size")  # timm's layer, not its namesakes
        self._multiple = patches.patch_size[0] if cuts_patches else 1
        self._fixed = patches.img_size if cuts_patches and patches.strict_img_size else None
        self.side = self._fixed[0] if self._fixed else math.lcm(64, self._multiple)

    def fold(self) -> None:
        """Fold the network's batch norms, checked on an image of noise."""
        draw, levels = torch.Generator().manual_seed(0), tuple(self._spec.layers)
        noise = torch.randint(0, 256, (1, 3, self.side, self.side), generator=draw)
        batch = self._normalised(noise.to(self._mean.device))
        with torch.no_grad(), full_precision():
            self._network = folded(self._network, lambda net: self._pass(net, batch, levels))

    def __call__(self, images: Tensor, levels: Sequence[int]) -> dict[int, Tensor]:
        self._require_size(*images.shape[-2:])
        return self._pass(self._network, self._normalised(images), levels)

    def _normalised(self, images: Tensor) -> Tensor:
        batch = (images.float() / 255 - self._mean) / self._std
        return batch.contiguous(memory_format=torch.channels_last)

    def _pass(self, network: nn.Module, batch: Tensor, levels: Sequence[int]) -> dict[int, Tensor]:
        """Return the maps of some levels; the pass stops after the last of them."""
        found: dict[int, Tensor] = {}

        def collect(level: int) -> Callable[[nn.Module, Any, Any], None]:
            def hook(module: nn.Module, inputs: Any, output: Any) -> None:
                # A copy, since an in-place activation may follow.
                maps = self._maps(level, output, batch)
                found[level] = maps.clone(memory_format=torch.contiguous_format)
                if len(found) == len(levels):
                    raise _Collected

            return hook

        with ExitStack() as hooks, suppress(_Collected):
            for level in levels:
                module = network.get_submodule(self._spec.layers[level])
                hooks.enter_context(module.register_forward_hook(collect(level)))
            network(batch)
        if unseen := [self._spec.layers[level] for level in levels if level not in found]:
            raise BenchmarkError(f"{self._spec.name} never runs its layers {', '.join(unseen)}")
        return found

    def _require_size(self, height: int, width: int) -> None:
        if self._fixed is not None and (height, width) != tuple(self._fixed):
            raise BenchmarkError(
                f"{self._spec.name} takes images of {self._fixed[0]} × {self._fixed[1]} pixels "
                f"only, not {height} × {width}: pass --image-size {self._fixed[0]}"
            )
        if height % self._multiple or width % self._multiple:
            raise BenchmarkError(
                f"{self._spec.name} takes image sizes that are multiples of {self._multiple}, "
                f"not {height} × {width}: pass --image-size {height - height % self._multiple}"
            )

    def _maps(self, level: int, output: Any, batch: Tensor) -> Tensor:
        """Return a layer's output as (B, C, h, w)."""
        shape = tuple(getattr(output, "shape", ()))
        if len(shape) == 4 and str(getattr(self._network, "output_fmt", "")).endswith("NHWC"):
            return output.permute(0, 3, 1, 2).float()
        if len(shape) == 4:
            return output.float()
        if len(shape) == 3:
            height, width = (side // self._multiple for side in batch.shape[-2:])
            prefix = shape[1] - height * width
            if prefix in (0, getattr(self._network, "num_prefix_tokens", 0)):
                return output[:, prefix:].transpose(1, 2).unflatten(2, (height, width)).float()
        found = f"has shape {shape}" if shape else f"is a {type(output).__name__}"
        raise BenchmarkError(
            f"the output of {self._spec.name}'s layer {self._spec.layers[level]} {found}, "
            "not (B, C, h, w): name another in --layers"
        )
