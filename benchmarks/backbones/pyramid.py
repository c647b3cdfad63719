"""A network whose forward pass is cut after the last pyramid level asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from benchmarks.backbones.folding import fold_batch_norms
from benchmarks.backbones.levels import Normalisation, split_layer
from benchmarks.errors import BenchmarkError
from benchmarks.specs import BackboneSpec
from methods.base import GLOBAL
from methods.components.precision import full_precision
from methods.lazy import Tensor, nn, torch


class _AllCollected(Exception):  # noqa: N818 - a signal, not an error
    """The maps of all requested levels are there; nothing behind them needs to run."""


class TruncatedNetwork:
    """A network whose forward pass is cut after the last level asked for."""

    def __init__(
        self,
        spec: BackboneSpec,
        network: nn.Module,
        normalisation: Normalisation,
        device: torch.device | str,
    ) -> None:
        self._spec = spec
        self.network = network.to(device).eval().requires_grad_(False)
        self._mean, self._std = (
            torch.tensor(part, device=device).view(1, 3, 1, 1) for part in normalisation
        )
        self.network.to(memory_format=torch.channels_last)
        patches: Any = getattr(network, "patch_embed", None)
        cuts_patches = hasattr(patches, "strict_img_size")  # timm's layer, not its namesakes
        self._multiple = patches.patch_size[0] if cuts_patches else 1
        self._fixed = patches.img_size if cuts_patches and patches.strict_img_size else None
        self.side = self._fixed[0] if self._fixed else math.lcm(64, self._multiple)

    def fold(self) -> None:
        """Fold the network's batch norms, checked on an image of noise."""
        batch, levels = self._noise(), tuple(self._spec.layers)
        with torch.no_grad(), full_precision():
            self.network = fold_batch_norms(
                self.network, lambda net: self._pass(net, batch, levels)
            )

    def is_finite(self) -> bool:
        """Whether all levels of an image of noise are free of NaN and infinity."""
        with torch.no_grad(), full_precision():
            maps = self._pass(self.network, self._noise(), tuple(self._spec.layers))
        return all(bool(torch.isfinite(features).all()) for features in maps.values())

    def _noise(self) -> Tensor:
        """Return a trial image, (1, 3, side, side): noise, normalised."""
        draw = torch.Generator().manual_seed(0)
        noise = torch.randint(0, 256, (1, 3, self.side, self.side), generator=draw)
        return self._normalised(noise.to(self._mean.device))

    def __call__(self, images: Tensor, levels: Sequence[int]) -> dict[int, Tensor]:
        """Return the features of `levels`, of uint8 images (B, 3, H, W)."""
        self._require_size(*images.shape[-2:])
        return self._pass(self.network, self._normalised(images), levels)

    def _normalised(self, images: Tensor) -> Tensor:
        batch = (images.float() / 255 - self._mean) / self._std
        return batch.contiguous(memory_format=torch.channels_last)

    def _pass(self, network: nn.Module, batch: Tensor, levels: Sequence[int]) -> dict[int, Tensor]:
        """Return the maps of some levels; the pass stops after the last of them."""
        layers = {level: split_layer(self._spec.every_layer[level]) for level in levels}
        outputs: dict[int, list[Tensor]] = {level: [] for level in levels}

        def collect(level: int) -> Callable[[nn.Module, Any, Any], None]:
            def hook(module: nn.Module, inputs: Any, output: Any) -> None:
                # A copy, since an in-place activation may follow.
                maps = self._maps(level, output, batch)
                outputs[level].append(maps.clone(memory_format=torch.contiguous_format))
                if all(len(outputs[level]) == len(layers[level]) for level in levels):
                    raise _AllCollected

            return hook

        with ExitStack() as hooks, suppress(_AllCollected):
            for level in levels:
                for layer in layers[level]:
                    module = network.get_submodule(layer)
                    hooks.enter_context(module.register_forward_hook(collect(level)))
            network(batch)
        if unseen := [", ".join(layers[i]) for i in levels if len(outputs[i]) < len(layers[i])]:
            raise BenchmarkError(f"{self._spec.name} never runs its layers {', '.join(unseen)}")
        return {level: self._averaged(level, outputs[level]) for level in levels}

    def _averaged(self, level: int, maps: Sequence[Tensor]) -> Tensor:
        """Return the mean of the layers that a level is made of; of one, the layer as it is."""
        if len(shapes := {tuple(layer.shape[1:]) for layer in maps}) > 1:
            raise BenchmarkError(
                f"{self._spec.layers[level]}: a mean of layers needs maps of one shape (C, h, w), "
                f"not {', '.join(map(str, sorted(shapes)))}"
            )
        return maps[0] if len(maps) == 1 else torch.stack(list(maps)).mean(dim=0)

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
        """Return a layer's output as (B, C, h, w); a class token, or the tokens' mean, as 1 × 1."""
        if level == GLOBAL:
            has_token = getattr(self.network, "cls_token", None) is not None
            token = output[:, 0] if has_token else output.mean(dim=1)
            return token[:, :, None, None].float()
        shape = tuple(getattr(output, "shape", ()))
        if len(shape) == 4 and str(getattr(self.network, "output_fmt", "")).endswith("NHWC"):
            return output.permute(0, 3, 1, 2).float()
        if len(shape) == 4:
            return output.float()
        if len(shape) == 3:
            height, width = (side // self._multiple for side in batch.shape[-2:])
            prefix = shape[1] - height * width
            if prefix in (0, getattr(self.network, "num_prefix_tokens", 0)):
                return output[:, prefix:].transpose(1, 2).unflatten(2, (height, width)).float()
        kind = f"has shape {shape}" if shape else f"is a {type(output).__name__}"
        raise BenchmarkError(
            f"the output of {self._spec.name}'s layer {self._spec.every_layer[level]} {kind}, "
            "not (B, C, h, w): name another in --layers"
        )
