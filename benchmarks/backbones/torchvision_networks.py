"""Networks of torchvision: where their weights and their pyramids are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.backbones.levels import (
    DENSENET,
    RESNET,
    Normalisation,
    unavailable,
    without_pyramid,
)
from benchmarks.backbones.weights import checksum
from benchmarks.errors import BenchmarkError, WeightsError
from benchmarks.names import suggest
from benchmarks.places import user_cache, written_path
from methods.lazy import nn, torch

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
        raise without_pyramid(self.name, f"torchvision.models.get_model('{self.name}')")

    def cached(self) -> Path | None:
        """Return the file in torch's download folder, if its sha256 begins as its name says."""
        file = _hub_folder() / f"{self.name}-{TORCHVISION_FILES.get(self.name, '')}.pth"
        return file if file.is_file() and _holds_what_it_says(file) else None

    def fetch(self) -> Path:
        """Download into torch's folder, unless it is there, and verify the checksum."""
        published = self._published()
        if published is None:
            raise WeightsError(
                f"torchvision has no {TORCHVISION_TAG} weights of {self.name}: pass --weights FILE"
            )
        file = _hub_folder() / published.url.rpartition("/")[2]
        if not file.is_file():
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                torch.hub.download_url_to_file(
                    published.url, str(file), hash_prefix=_promised(file), progress=False
                )
            except (OSError, RuntimeError) as error:
                raise unavailable(self.name, TORCHVISION_TAG, error) from error
        if not _holds_what_it_says(file):
            raise WeightsError(f"{file} isn't what was published (other sha256): delete it")
        return file

    def build(self) -> tuple[nn.Module, Normalisation]:
        """Make the classifier."""
        from torchvision import models

        published = self._published() or next(iter(models.get_model_weights(self.name)))
        network = models.get_model(self.name, weights=None)
        if hasattr(network, "transform_input"):
            network.transform_input = True  # their ImageNet weights were ported from TensorFlow
        preset = published.transforms()
        return network, (preset.mean, preset.std)

    def _published(self) -> Any:
        """Return torchvision's record of the weights, None where it has none of that tag."""
        from torchvision import models

        return models.get_model_weights(self.name).__members__.get(TORCHVISION_TAG)


def _hub_folder() -> Path:
    """Return where torch keeps downloads, by torch's rule but without importing it."""
    named = os.environ.get("TORCH_HOME")
    home = written_path(named) if named else user_cache("torch")
    return home / "hub" / "checkpoints"


def _promised(file: Path) -> str:
    """Return the beginning of the sha256 that torchvision writes into its file names."""
    return file.stem.rpartition("-")[2]


def _holds_what_it_says(file: Path) -> bool:
    return checksum(file).startswith(_promised(file))
