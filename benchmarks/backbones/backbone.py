"""A backbone: images in, pyramid levels out."""

from __future__ import annotations

from collections.abc import Collection

from benchmarks.backbones.tiling import Extract, Tiled
from benchmarks.errors import BenchmarkError
from benchmarks.specs import BackboneSpec
from methods.components.precision import full_precision
from methods.lazy import Tensor, torch


class Backbone:
    """Images in, pyramid levels out; made by `load`.

    Attributes:
        spec: what identifies its features.
        levels: its pyramid's levels, ascending.
        channels: channels per level.
        strides: pixels between neighbouring positions, per level.
    """

    def __init__(
        self, spec: BackboneSpec, extract: Extract, device: torch.device | str, side: int
    ) -> None:
        self.spec = spec
        self.levels = tuple(sorted(spec.layers))
        self._extract, self._lost = extract, set[int]()
        self.device = torch.device(device)
        blank = torch.zeros(1, 3, side, side, dtype=torch.uint8, device=device)
        maps = self.forward(blank, spec.every_layer)
        self.channels = {level: maps[level].shape[1] for level in self.levels}
        self.strides = {level: round(side / maps[level].shape[2]) for level in self.levels}
        beside = spec.every_layer.keys() - spec.layers.keys()
        self._lost = {i for i in beside if not bool(torch.isfinite(maps[i]).all())}

    def tile(self) -> Backbone:
        """See images in windows from now on, as `Tiled` does; return the backbone."""
        self._extract = Tiled(self._extract)
        return self

    def forward(self, images: Tensor, levels: Collection[int]) -> dict[int, Tensor]:
        """Return the maps of `levels`; the pass stops after the last of them.

        Args:
            images: uint8 RGB, (B, 3, H, W), on any device; moved to the backbone's as they are,
                and normalised there.
            levels: which levels to return, of the specification's `every_layer`.

        Returns:
            Level → float32, (B, C, h, w), contiguous; a descriptor's h and w are 1.

        Raises:
            BenchmarkError: a level that the backbone or its weights don't have, or an image size
                that the network doesn't take.
        """
        wanted = sorted(set(levels))
        if absent := sorted(set(wanted) - self.spec.every_layer.keys()):
            raise BenchmarkError(f"{self.spec.name} has levels {self.levels}, not {absent}")
        if lost := sorted(self._lost.intersection(wanted)):
            raise BenchmarkError(
                f"{self.spec.name}: its weights ({self.spec.weights}) end before its last norm, "
                f"behind which level {', '.join(map(str, lost))} is read: leave out the methods "
                "that read it, or name weights that hold the last block and `norm`"
            )
        if not wanted:
            return {}
        with torch.inference_mode(), full_precision():
            return self._extract(_on_device(images, self.device), wanted)


def _on_device(images: Tensor, device: torch.device) -> Tensor:
    """Return images on a device, from pinned memory and without waiting where it is a GPU."""
    if device.type == "cuda" and images.device.type == "cpu":
        return images.pin_memory().to(device, non_blocking=True)
    return images.to(device)
