"""Networks by name, from torchvision and timm: where their weights and their pyramids are."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from benchmarks.errors import BenchmarkError, WeightsError
from benchmarks.weights import checksum
from methods.lazy import torch

if TYPE_CHECKING:
    from torch import nn

    Normalisation = tuple[Sequence[float], Sequence[float]]

TORCHVISION_TAG = "IMAGENET1K_V1"
"""The papers' weights; torchvision's own default is another tag for many networks."""

TORCHVISION_FILES = {
    "densenet121": "a639ec97",
    "densenet161": "8d451a50",
    "densenet169": "b2777c0a",
    "densenet201": "c1103571",
    "resnet18": "f37072fd",
    "resnet34": "b627a593",
    "resnet50": "0676ba61",
    "resnet101": "63fe2227",
    "resnet152": "394f9c45",
    "resnext50_32x4d": "7cdf4587",
    "resnext101_32x8d": "8ba56ff5",
    "resnext101_64x4d": "173b62eb",
    "wide_resnet50_2": "95faca4d",
    "wide_resnet101_2": "32ee1156",
}
"""Networks with a pyramid of their own, and how the sha256 of their weights begins.

Other files in torch's folder may hold other tags' weights under the same network's name.
"""

STRIDES = {1: 4, 2: 8, 3: 16, 4: 32}

RESNET = {1: "layer1", 2: "layer2", 3: "layer3", 4: "layer4"}
DENSENET = {level: f"features.denseblock{level}" for level in STRIDES}
CONVNEXT = {level: f"stages.{level - 1}" for level in STRIDES}
TRANSFORMER = {1: "blocks.2", 2: "blocks.5", 3: "blocks.8", 4: "blocks.11"}

TIMM_FAMILIES = {
    r"(wide_)?resnet\d+[cdst]?(_2)?": RESNET,
    r"resnext\d+d?_\d+x\d+d": RESNET,
    r"densenet\d+": DENSENET,
    r"convnext(v2)?_[a-z]+": CONVNEXT,
    r"(vit|deit)_(tiny|small|base)_patch\d+(_(dinov2|dinov3|clip|siglip))?(_\d+)?": TRANSFORMER,
}
"""What timm would answer, for the usual architectures, so that a plan needn't import it.

DenseNets end with block 4 here as in torchvision; timm's own list ends with the norm after it.
"""


class Source(Protocol):
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


def source(name: str) -> Source:
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


@dataclass(frozen=True)
class Torchvision:
    """A torchvision classifier."""

    name: str

    def tag(self) -> str:
        """Return the one tag that is used."""
        return TORCHVISION_TAG

    def check(self) -> None:
        """Look the name up."""
        from torchvision import models

        known = models.list_models(module=models)
        if self.name not in known:
            hint = suggest(self.name, [*known, "filterbank"])
            raise BenchmarkError(f"unknown backbone {self.name!r}{hint}")

    def pyramid(self) -> dict[int, str]:
        """Return the stages of a ResNet or the blocks of a DenseNet."""
        if self.name in TORCHVISION_FILES:
            return DENSENET if self.name.startswith("densenet") else RESNET
        self.check()
        raise _without_pyramid(self.name, f"torchvision.models.get_model('{self.name}')")

    def cached(self) -> Path | None:
        """Look into torch's folder of downloads."""
        file = _hub_folder() / f"{self.name}-{TORCHVISION_FILES.get(self.name, '')}.pth"
        return file if file.is_file() and _holds_what_it_says(file) else None

    def fetch(self) -> Path:
        """Download into torch's folder, unless it is there, and verify the checksum."""
        entry = self._entry()
        if entry is None:
            raise WeightsError(
                f"torchvision has no {TORCHVISION_TAG} weights of {self.name}: pass --weights FILE"
            )
        file = _hub_folder() / entry.url.rpartition("/")[2]
        if not file.is_file():
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                torch.hub.download_url_to_file(
                    entry.url, str(file), hash_prefix=_promised(file), progress=False
                )
            except (OSError, RuntimeError) as error:
                raise _unavailable(self.name, TORCHVISION_TAG, error) from error
        if not _holds_what_it_says(file):
            raise WeightsError(f"{file} isn't what was published (other sha256): delete it")
        return file

    def build(self) -> tuple[nn.Module, Normalisation]:
        """Make the classifier."""
        from torchvision import models

        entry = self._entry() or next(iter(models.get_model_weights(self.name)))
        network = models.get_model(self.name, weights=None)
        if hasattr(network, "transform_input"):
            network.transform_input = True  # their ImageNet weights were ported from TensorFlow
        preset = entry.transforms()
        return network, (preset.mean, preset.std)

    def _entry(self) -> Any:
        from torchvision import models

        return models.get_model_weights(self.name).__members__.get(TORCHVISION_TAG)


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
        raise _without_pyramid(f"timm/{self.name}", f"timm.create_model('{self.name}')")

    def cached(self) -> Path | None:
        """Look into the Hugging Face folder of downloads."""
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
            raise _unavailable(f"timm/{self.name}", self.tag(), error) from error

    def build(self) -> tuple[nn.Module, Normalisation]:
        """Make the network, a vision transformer such that it takes images of any size."""
        import timm

        try:
            network = timm.create_model(self.name, pretrained=False, dynamic_img_size=True)
        except TypeError:  # all but vision transformers refuse that argument
            network = timm.create_model(self.name, pretrained=False)
        configuration: Any = network.pretrained_cfg
        return network, (configuration["mean"], configuration["std"])


def suggest(word: str, known: Iterable[str]) -> str:
    """Return `: did you mean …?` with the names that look like `word`; empty if none does."""
    close = difflib.get_close_matches(word, list(known), n=3)
    return f": did you mean {', '.join(close)}?" if close else ""


def _without_pyramid(name: str, expression: str) -> BenchmarkError:
    return BenchmarkError(
        f"{name} has no known pyramid: pass --layers a,b,c,d, 1 to 4 names for levels 1, 2, …; "
        f'python -c "import timm, torchvision; print(*dict({expression}.named_modules()))" '
        "lists them"
    )


def _hub_folder() -> Path:
    """Return where torch keeps downloads, by torch's rule but without importing it."""
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("TORCH_HOME") or os.path.join(caches, "torch")
    return Path(home).expanduser() / "hub" / "checkpoints"


def _promised(file: Path) -> str:
    """Return the beginning of the sha256 that torchvision writes into its file names."""
    return file.stem.rpartition("-")[2]


def _holds_what_it_says(file: Path) -> bool:
    return checksum(file).startswith(_promised(file))


def _unavailable(name: str, tag: str, error: Exception) -> WeightsError:
    cause = getattr(error, "reason", None) or error.__cause__ or error
    reason = str(cause).strip().splitlines()[0]
    return WeightsError(
        f"ImageNet weights for {name} ({tag}) can't be downloaded ({reason}): pass --weights "
        "FILE, or --backbone filterbank, which needs none"
    )
