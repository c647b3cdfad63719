"""Networks of timm: where their weights and their pyramids are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.backbones.levels import (
    DENSENET,
    RESNET,
    STRIDES,
    Normalisation,
    unavailable,
    without_pyramid,
)
from benchmarks.errors import BenchmarkError, WeightsError
from benchmarks.names import suggest
from methods.lazy import nn

CONVNEXT = {level: f"stages.{level - 1}" for level in STRIDES}

TRANSFORMER = {1: "blocks.2", 2: "blocks.5", 3: "blocks.8", 4: "blocks.11"}

TIMM_FAMILIES = {
    r"(wide_)?resnet\d+[cdst]?(_2)?": RESNET,
    r"resnext\d+d?_\d+x\d+d": RESNET,
    r"densenet\d+": DENSENET,
    r"convnext(v2)?_[a-z]+": CONVNEXT,
    r"(vit|deit)_(tiny|small|base)_patch\d+(_reg4)?(_(dinov[23]|clip|siglip))?(_\d+)?": TRANSFORMER,
}
"""Layers of the usual architectures, as timm names them, so that a plan needn't import it.

DenseNets end with block 4 here as in torchvision; timm's own list ends with the norm after it.
"""

DINO = (
    "vit_small_patch14_dinov2.lvd142m",
    "vit_small_patch14_reg4_dinov2.lvd142m",
    "vit_base_patch14_dinov2.lvd142m",
    "vit_base_patch14_reg4_dinov2.lvd142m",
    "vit_small_patch16_dinov3.lvd1689m",
    "vit_base_patch16_dinov3.lvd1689m",
)
"""Transformers that recent methods are published with, and their weights. timm knows no sha256 of
these; that of the file which was read is in every cell."""


@dataclass(frozen=True)
class Timm:
    """A timm network, `architecture.tag`."""

    name: str

    def tag(self) -> str:
        """Return the tag; raise BenchmarkError with one to use where there is none."""
        architecture, _, tag = self.name.partition(".")
        if tag:
            return tag
        import timm

        self.check()
        known = timm.list_pretrained(f"{architecture}.*")
        # The papers' weights where there are such, else whatever comes first.
        known.sort(key=lambda full: not full.endswith(".tv_in1k"))
        example = f"such as timm/{known[0]}, " if known else ""
        raise BenchmarkError(
            f"timm/{self.name} doesn't say which weights: add their tag, {example}"
            "or pass --weights FILE"
        )

    def check(self) -> None:
        """Look the architecture and the tag up."""
        import timm

        architecture, _, tag = self.name.partition(".")
        if not timm.is_model(architecture):
            hint = suggest(architecture, timm.list_models())
            raise BenchmarkError(f"unknown backbone 'timm/{self.name}'{hint}")
        known = timm.list_pretrained(f"{architecture}.*")
        if tag and self.name not in known:
            hint = suggest(self.name, known)
            raise BenchmarkError(f"timm has no weights 'timm/{self.name}'{hint}")

    def pyramid(self) -> dict[int, str]:
        """Return what timm lists at strides 4 to 32; four evenly spaced layers if all are alike."""
        for pattern, layers in TIMM_FAMILIES.items():
            if re.fullmatch(pattern, self.name.partition(".")[0]):
                return layers
        self.check()
        network: Any = self.build()[0]
        listed = [(info["reduction"], info["module"]) for info in network.feature_info]
        by_stride = dict(listed)
        if set(by_stride) >= set(STRIDES.values()):
            return {level: by_stride[stride] for level, stride in STRIDES.items()}
        if len(by_stride) == 1 and len(listed) >= len(STRIDES):
            return {level: listed[len(listed) * level // 4 - 1][1] for level in STRIDES}
        raise without_pyramid(f"timm/{self.name}", f"timm.create_model('{self.name}')")

    def cached(self) -> Path | None:
        """Return the file in Hugging Face's download folder."""
        from huggingface_hub import try_to_load_from_cache

        for file in ("model.safetensors", "pytorch_model.bin"):
            path = try_to_load_from_cache(f"timm/{self.name}", file)
            if isinstance(path, str):
                return Path(path)
        return None

    def fetch(self) -> Path:
        """Download from the Hugging Face hub, unless it is there."""
        import timm
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        configuration: Any = timm.get_pretrained_cfg(self.name)
        repository = configuration.hf_hub_id
        if not repository:
            raise WeightsError(f"timm/{self.name} has no weights on the hub: pass --weights FILE")
        try:
            try:
                return Path(hf_hub_download(repository, "model.safetensors"))
            except LocalEntryNotFoundError:  # no network, though it is an EntryNotFoundError too
                raise
            except EntryNotFoundError:
                return Path(hf_hub_download(repository, "pytorch_model.bin"))
        except (OSError, EntryNotFoundError) as error:
            raise unavailable(f"timm/{self.name}", self.tag(), error) from error

    def build(self) -> tuple[nn.Module, Normalisation]:
        """Make the network; a vision transformer takes images of any multiple of its patch."""
        import timm

        try:
            network = timm.create_model(self.name, pretrained=False, dynamic_img_size=True)
        except TypeError:  # all but vision transformers refuse that argument
            network = timm.create_model(self.name, pretrained=False)
        configuration: Any = network.pretrained_cfg
        return network, (configuration["mean"], configuration["std"])
