"""What `benchmarks.speed` times on: sizes, features, images, maps, all seeded.

Trained networks' features lie near surfaces of few dimensions, which exact pruning lives on, and
white noise does not. So features here are fixed random smooth maps of 12 latent variables, which
vary smoothly over positions and from image to image, plus noise, rectified.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.array_types import Masks
from benchmarks.backbones.backbone import Backbone
from benchmarks.backbones.loading import load
from benchmarks.datasets import GOOD, Category, Sample, index
from benchmarks.evaluation.anomaly_maps import upsample_and_smooth
from benchmarks.features import Extractor, FeatureCache
from benchmarks.places import default_folder, written_path
from benchmarks.specs import EvaluationProtocol
from methods.base import Features, Scores
from methods.components.coreset import farthest_first, projection, starting_distances
from methods.components.embedding import embed, level_projections
from methods.components.memory_bank import gather
from methods.lazy import Tensor, torch

LATENT = 12

HIDDEN = 96

NOISE = 0.07
"""Deviation of the noise, relative to the features' own."""

BATCH_IMAGES = 16

FILE_SIDE = 256
"""Pixels of the image files that are extracted."""

PATCH_SIZE, DIMS, PROJECTED = 3, 1024, 128

REAL_CATEGORY, REAL_WEIGHTS = "screw", "mobilenet_v2_imagenet.pth"

REAL_LAYERS = ("features.3", "features.6", "features.13", "features.18")


@dataclass(frozen=True)
class Scale:
    """How much is timed, by default at full size.

    Attributes:
        name: what the command line calls it.
        image_size: side of the crop in pixels.
        train: training images.
        test: test images.
        backbone: torchvision's name; its weights are random.
        channels: level → channels of the features.
        repeats: rounds; medians are reported.
        searched: test images whose patches are searched for.
        centres: centres that the plain coreset loop runs for.
        extracted: images that are extracted.
        percent: size of the coreset, of all patches.
        steps: the steps that can be timed so; empty: all.
    """

    name: str
    image_size: int = 224
    train: int = 320
    test: int = 160
    backbone: str = "wide_resnet50_2"
    channels: Mapping[int, int] = field(default_factory=lambda: {1: 256, 2: 512, 3: 1024, 4: 2048})
    repeats: int = 3
    searched: int = 40
    centres: int = 200
    extracted: int = 128
    percent: int = 25
    steps: tuple[str, ...] = ()

    def grid(self, level: int) -> int:
        """Return the side of a level's grid."""
        return self.image_size >> (level + 1)


SCALES = {
    "small": Scale("small", image_size=128, train=80, test=16, repeats=1, searched=4, extracted=16),
    "full": Scale("full"),
    "large": Scale(  # Real-IAD's largest category
        "large",
        train=5000,
        channels={2: 32, 3: 96},  # MobileNetV2's
        repeats=1,
        searched=4,
        centres=40,
        percent=10,
        steps=("coreset", "search"),
    ),
}


class Inputs:
    """The inputs of one scale, each made when first asked for.

    Args:
        scale: how much.
        device: where tensors lie.
        folder: for image files and weights.
    """

    def __init__(self, scale: Scale, device: str, folder: Path) -> None:
        self.scale, self.device, self.folder = scale, device, folder

    @cached_property
    def train(self) -> Features:
        """Nominal features, levels 1–4."""
        return self._features(1, np.zeros((self.scale.train, 3)))

    @cached_property
    def test(self) -> Features:
        """Features of which every other image has a defect."""
        return self._features(2, self._defects)

    @cached_property
    def masks(self) -> Masks:
        """Defect pixels (test, S, S): a disc in every other image."""
        return _discs(self._defects, self.scale.image_size).numpy() > 0.5

    @cached_property
    def maps(self) -> NDArray[np.float32]:
        """Finished anomaly maps (test, S, S): a random background, higher at most of a defect."""
        side = self.scale.grid(2)
        draw = torch.Generator().manual_seed(3)
        background = _smooth(torch.randn(self.scale.test, 1, 8, 8, generator=draw), side)[:, 0]
        noise = torch.randn(background.shape, generator=draw)
        scores = (0.5 * background + 0.2 * noise).exp() + 2 * _discs(self._defects, side)
        sigma = EvaluationProtocol.smoothing_sigma
        return upsample_and_smooth(Scores(scores), self.scale.image_size, sigma).numpy()

    @cached_property
    def real_files(self) -> tuple[Path, Path] | None:
        """Data and weights for real patch features, at full scale where $MVTEC_AD_ROOT has both."""
        root = written_path(os.environ.get("MVTEC_AD_ROOT") or ".")
        files = root / REAL_CATEGORY, root.parent / REAL_WEIGHTS
        usable = self.scale.name == "full" and all(file.exists() for file in files)
        return (root, files[1]) if usable else None

    @property
    def patch_source(self) -> str:
        """What the patch features come from."""
        return f"{REAL_CATEGORY}, mobilenet_v2" if self.real_files else "synthetic"

    @cached_property
    def real(self) -> dict[str, Features]:
        """The screw category's levels 2 and 3 by MobileNetV2, through the user's feature cache."""
        assert self.real_files is not None
        root, weights = self.real_files
        (category,) = index(root, [REAL_CATEGORY]).categories
        backbone = load("mobilenet_v2", weights=weights, layers=REAL_LAYERS, device=self.device)
        cache = FeatureCache(default_folder())
        protocol = EvaluationProtocol(backbone.spec)
        extractor = Extractor(cache, "mvtec_ad", protocol, (2, 3), lambda: backbone)
        arrays = extractor.arrays(category, lambda count: None)
        return {split: Features(dict(a), device=self.device) for split, a in arrays.items()}

    def patches(self) -> Iterator[Tensor]:
        """Yield PatchCore's patch features of the training images, (n, 1024), (n, 1024), …"""
        yield from self._embedded(self.real["train"] if self.real_files else self.train)

    @cached_property
    def queries(self) -> Tensor:
        """The patch features (n, 1024) of test images evenly spread over them all."""
        features = self.real["test"] if self.real_files else self.test
        step = len(features) // self.scale.searched
        spread = features.select(range(0, step * self.scale.searched, step))
        return torch.cat([*self._embedded(spread)])

    @cached_property
    def points(self) -> Tensor:
        """The training patches as the coreset sees them, (N, 128)."""
        mapping = projection(DIMS, PROJECTED, torch.Generator().manual_seed(0)).to(self.device)
        return torch.cat([part @ mapping for part in self.patches()])

    def start(self, points: Tensor) -> Tensor:
        """Return the official code's initial distances, (N,)."""
        return starting_distances(points, 10, torch.Generator().manual_seed(0))

    @cached_property
    def bank(self) -> Tensor:
        """The coreset of the training patches, in its order, (m, 1024)."""
        size = len(self.points) * self.scale.percent // 100
        chosen = farthest_first(self.points, size, self.start(self.points))
        return gather(self.patches, chosen, DIMS, chosen.device)

    @cached_property
    def backbone(self) -> Backbone:
        """The scale's backbone with random weights: its speed is that of trained ones."""
        from torchvision import models

        torch.manual_seed(0)
        weights = self.folder / f"{self.scale.backbone}.pth"
        torch.save(models.get_model(self.scale.backbone, weights=None).state_dict(), weights)
        return load(self.scale.backbone, weights=weights, device=self.device)

    def category(self, count: int) -> Category:
        """Write `count` image files of `FILE_SIDE` pixels; a quarter of them are test images."""
        dice = np.random.default_rng(0)
        paths = [self.folder / f"{count}-{number}.png" for number in range(count)]
        for path in paths:
            pixels = dice.integers(0, 255, (FILE_SIDE, FILE_SIDE, 3), np.uint8)
            Image.fromarray(pixels).save(path)
        images = tuple(Sample(path, path.name, GOOD) for path in paths)
        train = count * 3 // 4
        return Category(f"{count}", images[:train], images[train:], f"{count}")

    @cached_property
    def _defects(self) -> NDArray[np.float64]:
        """Relative row, column and radius of each test image's defect; radius 0 for none."""
        dice = np.random.default_rng(4)
        defects = dice.uniform((0.2, 0.2, 0.05), (0.8, 0.8, 0.15), (self.scale.test, 3))
        defects[::2, 2] = 0
        return defects

    def _features(self, seed: int, defects: NDArray[np.float64]) -> Features:
        """Return features on the device of images with such defects."""
        fixed, draw = torch.Generator().manual_seed(0), torch.Generator().manual_seed(seed)
        count, grid, channels = len(defects), self.scale.grid, self.scale.channels
        common = _smooth(torch.randn(1, LATENT, 6, 6, generator=fixed), grid(1))
        hidden = torch.randn(HIDDEN, LATENT, generator=fixed)
        layers = {i: torch.randn(c, HIDDEN, generator=fixed) for i, c in channels.items()}
        arrays = {i: torch.empty(count, c, grid(i), grid(i)) for i, c in channels.items()}
        for start in range(0, count, BATCH_IMAGES):
            part = slice(start, min(start + BATCH_IMAGES, count))
            varying = torch.randn(part.stop - start, LATENT, 4, 4, generator=draw)
            latent = common + 0.5 * _smooth(varying, grid(1))
            latent = latent + 1.5 * _discs(defects[part], grid(1))[:, None]
            for level, layer in layers.items():
                pooled = torch.nn.functional.avg_pool2d(latent, 2 ** (level - 1))
                smooth = layer / HIDDEN**0.5 @ torch.sin(hidden @ pooled.flatten(2) * 0.4)
                noise = torch.empty(smooth.shape).normal_(generator=draw)
                smooth.add_(noise, alpha=NOISE * float(smooth.std())).relu_()
                arrays[level][part] = smooth.unflatten(2, pooled.shape[2:])
        return Features({i: a.to(self.device) for i, a in arrays.items()}, device=self.device)

    def _embedded(self, features: Features) -> Iterator[Tensor]:
        """Yield the patch features of some images after the other, (n·h·w, 1024)."""
        channels = {level: features.shape(level)[0] for level in (2, 3)}
        maps = level_projections(channels, PATCH_SIZE, DIMS, DIMS, features.device)
        for images in features.batches(BATCH_IMAGES):
            levels = {i: features.read(i, images) for i in (2, 3)}
            yield embed(levels, maps, DIMS).flatten(0, 2)


def _smooth(coarse: Tensor, side: int) -> Tensor:
    return torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic")


def _discs(defects: NDArray[np.float64], side: int) -> Tensor:
    """Return 1 inside the defects and 0 outside, (n, side, side)."""
    row, column, radius = torch.from_numpy(defects).float().T[..., None, None]
    axis = (torch.arange(side) + 0.5) / side
    squared = (axis[:, None] - row).square() + (axis - column).square()
    return (squared < radius.square()).float()
