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
from benchmarks.backbones import backbone as backbone_module
from benchmarks.backbones import loading as backbones
from benchmarks.datasets import Category, Sample
from benchmarks.datasets import indexing as datasets
from benchmarks.datasets.layouts import base
from benchmarks.evaluation.anomaly_maps import upsample_and_smooth
from benchmarks.features import Extractor, FeatureCache
from benchmarks.places import default_folder, written_path
from benchmarks.specs import EvaluationProtocol
from methods.base import Features, Scores
from methods.components.coreset import farthest_first, projection, starting_distances
from methods.components.embedding import embed, level_projections
from methods.lazy import Tensor, nn, torch

LATENT = 12

HIDDEN = 96

NOISE = 0.07
"""Deviation of the noise, relative to the features' own."""

BATCH_IMAGES = 16

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
        neighbours: K, the images that SPADE retrieves.
        repeats: rounds; medians are reported.
        checked: training images on which selections are compared with the plain loop's.
        searched: test images whose patches are searched for.
        correspond: test images that SPADE scores.
        centres: centres that the plain coreset loops run for.
        positions: positions that the plain PaDiM loop runs for.
        popular_share: the popular SPADE code runs on 1 / this of the gallery.
        thresholds: of 200 thresholds, those that the plain AUPRO loop runs for.
        extracted: images that are extracted.
        sides: sizes in pixels of the image files.
        matrix: side of the matrices whose product gives the peak rate.
        percents: sizes of coresets, of all patches; growth and the searched bank are of the first.
        steps: the steps that can be timed so; empty: all.
    """

    name: str
    image_size: int = 224
    train: int = 320
    test: int = 160
    backbone: str = "wide_resnet50_2"
    channels: Mapping[int, int] = field(default_factory=lambda: {1: 256, 2: 512, 3: 1024, 4: 2048})
    neighbours: int = 50
    repeats: int = 3
    checked: int = 8
    searched: int = 40
    correspond: int = 8
    centres: int = 200
    positions: int = 50
    popular_share: int = 98
    thresholds: int = 20
    extracted: int = 128
    sides: tuple[int, ...] = (256, 900)
    matrix: int = 4096
    percents: tuple[int, ...] = (25, 10)
    steps: tuple[str, ...] = ()

    def grid(self, level: int) -> int:
        """Return the side of a level's grid."""
        return self.image_size >> (level + 1)


SCALES = {
    "small": Scale(
        name="small",
        image_size=128,
        train=80,
        test=16,
        backbone="resnet18",
        channels={1: 64, 2: 128, 3: 256, 4: 512},
        neighbours=10,
        repeats=1,
        searched=4,
        correspond=2,
        extracted=16,
        sides=(146, 300),
        matrix=1024,
    ),
    "full": Scale(name="full"),
    "large": Scale(  # Real-IAD's largest category
        name="large",
        train=5000,
        channels={2: 32, 3: 96},  # MobileNetV2's
        repeats=1,
        searched=4,
        centres=40,
        percents=(10,),
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
        return self._features(self.scale.train, 1, np.zeros((0, 3)))

    @cached_property
    def test(self) -> Features:
        """Features of which every other image has a defect."""
        return self._features(self.scale.test, 2, self._defects)

    @cached_property
    def masks(self) -> Masks:
        """Defect pixels (test, S, S): a disc in every other image."""
        return self._discs(self.scale.image_size).numpy() > 0.5

    @cached_property
    def maps(self) -> NDArray[np.float32]:
        """Finished anomaly maps (test, S, S): a random background, higher at most of a defect."""
        side = self.scale.grid(2)
        draw = torch.Generator().manual_seed(3)
        background = _smooth(torch.randn(self.scale.test, 1, 8, 8, generator=draw), side)[:, 0]
        noise = torch.randn(background.shape, generator=draw)
        scores = (0.5 * background + 0.2 * noise).exp() + 2 * self._discs(side)
        return upsample_and_smooth(
            Scores(scores), self.scale.image_size, EvaluationProtocol.smoothing_sigma
        ).numpy()

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
        (category,) = datasets.index(root, [REAL_CATEGORY]).categories
        backbone = backbones.load(
            "mobilenet_v2", weights=weights, layers=REAL_LAYERS, device=self.device
        )
        cache = FeatureCache(default_folder())
        extractor = Extractor(
            cache, "mvtec_ad", EvaluationProtocol(backbone.spec), (2, 3), lambda: backbone
        )
        arrays = extractor.arrays(category, lambda count: None)
        return {split: Features(dict(a), device=self.device) for split, a in arrays.items()}

    def patches(self) -> Iterator[Tensor]:
        """Yield PatchCore's patch features of the training images, (n, 1024), (n, 1024), …"""
        yield from self._embedded(self.real["train"] if self.real_files else self.train)

    def columns(self, count: int) -> Tensor:
        """Return the training patches' first `count` dimensions, (N, count)."""
        return torch.cat([part[:, :count].clone() for part in self.patches()])

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
        """The largest coreset of the training patches, in its order, (m, 1024)."""
        size, start = len(self.points) * self.scale.percents[0] // 100, 0
        chosen = farthest_first(self.points, size, self.start(self.points))
        bank = torch.empty(size, DIMS, device=self.device)
        for part in self.patches():
            inside = ((start <= chosen) & (chosen < start + len(part))).nonzero()[:, 0]
            bank[inside.to(bank.device)] = part[chosen[inside] - start]
            start += len(part)
        return bank

    @cached_property
    def backbone(self) -> backbone_module.Backbone:
        """The scale's backbone with random weights: its speed is that of trained ones."""
        return backbones.load(self.scale.backbone, weights=self.weights, device=self.device)

    @cached_property
    def weights(self) -> Path:
        """The file of the backbone's weights."""
        path = self.folder / f"{self.scale.backbone}.pth"
        state = self.network.state_dict()
        torch.save({name: tensor.cpu() for name, tensor in state.items()}, path)
        return path

    @cached_property
    def network(self) -> nn.Module:
        """The same backbone as torchvision makes it."""
        from torchvision import models

        torch.manual_seed(0)
        network = models.get_model(self.scale.backbone, weights=None)
        return network.to(self.device).eval().requires_grad_(False)

    def category(self, side: int, count: int) -> Category:
        """Write `count` image files of side × side pixels; a quarter of them are test images.

        They are noisy enough to be compressed by about half, as photographs are.
        """
        dice = np.random.default_rng(side)
        samples = []
        for number in range(count):
            path = self.folder / f"{side}" / f"{number:03}.png"
            path.parent.mkdir(exist_ok=True)
            coarse = Image.fromarray(dice.integers(0, 255, (8, 8, 3), dtype=np.uint8))
            pixels = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), np.int16)
            pixels = pixels + dice.integers(-4, 5, pixels.shape, dtype=np.int16)
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
            samples.append(Sample(path, path.name, base.GOOD))
        train = len(samples) * 3 // 4
        return Category(f"{side}", tuple(samples[:train]), tuple(samples[train:]), f"{side}")

    @cached_property
    def _defects(self) -> NDArray[np.float64]:
        """Relative row, column and radius of each test image's defect; radius 0 for none."""
        dice = np.random.default_rng(4)
        defects = dice.uniform((0.2, 0.2, 0.05), (0.8, 0.8, 0.15), (self.scale.test, 3))
        defects[::2, 2] = 0
        return defects

    def _discs(self, side: int, defects: NDArray[np.float64] | None = None) -> Tensor:
        """Return 1 inside the defects and 0 outside, (n, side, side)."""
        row, column, radius = torch.tensor(self._defects if defects is None else defects).float().T
        axis = (torch.arange(side) + 0.5) / side
        down = (axis - row[:, None]).square()[:, :, None]
        across = (axis - column[:, None]).square()[:, None]
        return (down + across < radius.square()[:, None, None]).float()

    def _features(self, count: int, seed: int, defects: NDArray[np.float64]) -> Features:
        """Return features of `count` images on the device."""
        fixed, draw = torch.Generator().manual_seed(0), torch.Generator().manual_seed(seed)
        side = self.scale.grid(1)
        common = _smooth(torch.randn(1, LATENT, 6, 6, generator=fixed), side)
        hidden = torch.randn(HIDDEN, LATENT, generator=fixed)
        layers = {
            level: torch.randn(channels, HIDDEN, generator=fixed) / HIDDEN**0.5
            for level, channels in self.scale.channels.items()
        }
        arrays = {
            level: torch.empty(count, channels, self.scale.grid(level), self.scale.grid(level))
            for level, channels in self.scale.channels.items()
        }
        for start in range(0, count, BATCH_IMAGES):
            part = slice(start, min(start + BATCH_IMAGES, count))
            varying = torch.randn(part.stop - start, LATENT, 4, 4, generator=draw)
            latent = common + 0.5 * _smooth(varying, side)
            if len(defects):
                latent = latent + 1.5 * self._discs(side, defects[part])[:, None]
            for level, layer in layers.items():
                pooled = torch.nn.functional.avg_pool2d(latent, 2 ** (level - 1))
                smooth = layer @ torch.sin(hidden @ pooled.flatten(2) * 0.4)
                noise = torch.empty(smooth.shape).normal_(generator=draw)
                smooth.add_(noise, alpha=NOISE * float(smooth.std())).relu_()
                arrays[level][part] = smooth.unflatten(2, pooled.shape[2:])
        return Features({i: a.to(self.device) for i, a in arrays.items()}, device=self.device)

    def _embedded(self, features: Features) -> Iterator[Tensor]:
        """Yield the patch features of some images after the other, (n·h·w, 1024)."""
        maps = level_projections(
            {i: features.shape(i)[0] for i in (2, 3)}, PATCH_SIZE, DIMS, DIMS, features.device
        )
        for images in features.batches(BATCH_IMAGES):
            levels = {i: features.read(i, images) for i in (2, 3)}
            yield embed(levels, maps, DIMS).flatten(0, 2)


def _smooth(coarse: Tensor, side: int) -> Tensor:
    return torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic")
