"""A detector: images in, image scores and anomaly maps out, in a run's way and with its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from benchmarks.array_types import Floats
from benchmarks.backbones.backbone import Backbone
from benchmarks.backbones.choice import Choice, parse
from benchmarks.backbones.loading import describe, fit_to_checkpoint, load
from benchmarks.console import say
from benchmarks.datasets.framing import padding
from benchmarks.datasets.placing import Placing
from benchmarks.detection import saving
from benchmarks.detection.pictures import Images, Square, squares_of
from benchmarks.errors import BenchmarkError
from benchmarks.evaluation.category import RESIDENT_SHARE
from benchmarks.evaluation.device import choose_device, free_memory
from benchmarks.evaluation.scoring import describe_missing_levels, fit_method, score_images
from benchmarks.features.passing import pass_images
from benchmarks.specs import (
    USUAL_BATCH,
    CellSpec,
    DType,
    EvaluationProtocol,
    Fit,
    Interpolation,
)
from methods import checks, resolve
from methods.base import Features, Method, NotFittedError, Variant, identity
from methods.lazy import torch


class Verdicts(NamedTuple):
    """What a detector says of N images.

    Attributes:
        scores: image scores, (N,) float64; higher is more anomalous, on the method's own scale.
        maps: an anomaly map an image, (H, W) at the image's own size, float32.
    """

    scores: Floats
    maps: list[Floats]


class Detector:
    """A method behind a backbone; made by `detector` or `load_detector`.

    Attributes:
        spec: all that its scores depend on, beside the images that it was fitted to.
        choice: the backbone, with the file of its weights.
        device: where it works.
        method: the method; fitted by `fit`.
    """

    def __init__(
        self, variant: Variant, spec: CellSpec, choice: Choice, device: str, memory: int | None
    ) -> None:
        self.variant, self.spec, self.choice, self.device = variant, spec, choice, device
        self.memory = memory or free_memory(device) // 2
        self.method: Method | None = None

    @cached_property
    def backbone(self) -> Backbone:
        """The network, which is made when it is first asked for."""
        size = self.spec.protocol.image_size
        return load(self.choice, device=self.device, image_size=size)

    def fit(self, images: Images) -> Self:
        """Learn from images without a defect, as `Images` has them; return the detector.

        Raises:
            DataError: there are none, a file can't be read, or an array isn't of images.
        """
        features = self.features(squares_of(images, self.spec.protocol))
        with checks.seeded_generators(self.spec.seed):
            self.method = fit_method(self.variant.parameters, features, self.spec.seed)
        return self

    def score(self, images: Images) -> Verdicts:
        """Score images, as `Images` has them.

        To the last digit the numbers are a run's where a run has the same images in the same order:
        they pass a backbone by sixteens, and the last digits of a network depend on how many do.

        Raises:
            DataError: as `fit`.
            NotFittedError: `fit` was not called.
        """
        method, p = self._fitted, self.spec.protocol
        squares = squares_of(images, p)
        outside = None
        if p.score_area == "image":
            outside = np.stack([padding(*square.size, p.image_size) for square in squares])
        with checks.seeded_generators(self.spec.seed):
            scored = score_images(method, self.features(squares), p, outside)
        placings = (Placing.of(*square.size, p) for square in squares)
        pairs = zip(placings, scored.maps, strict=True)
        return Verdicts(scored.images, [placing.into_image(grid) for placing, grid in pairs])

    def features(self, squares: Sequence[Square]) -> Features:
        """Return the features of images, on the device where they fit, else on the host."""
        levels, arrays = self.variant.parameters.levels, dict[int, torch.Tensor]()
        for first in range(0, len(squares), USUAL_BATCH):
            batch = [square.pixels for square in squares[first : first + USUAL_BATCH]]
            pixels = np.ascontiguousarray(np.stack(batch).transpose(0, 3, 1, 2))
            outputs = pass_images(self.backbone, pixels, levels, self.spec.protocol.dtype)
            if first == 0:
                needed = len(squares) * sum(maps[0].nbytes for maps in outputs.values())
                where = self.device if needed <= RESIDENT_SHARE * self.memory else "cpu"
                arrays = {
                    level: maps.new_empty(len(squares), *maps.shape[1:], device=where)
                    for level, maps in outputs.items()
                }
            for level, maps in outputs.items():
                arrays[level][first : first + len(maps)] = maps
        return Features(arrays, device=self.device, memory=self.memory)

    def save(self, file: str | Path) -> Path:
        """Write the fitted detector to a .safetensors file, without the backbone's weights.

        Raises:
            NotFittedError: `fit` was not called.
            BenchmarkError: the method has no state, or the file can't be written.
        """
        saving.save(Path(file), self._fitted, self.spec, self.choice)
        return Path(file)

    @property
    def _fitted(self) -> Method:
        if self.method is None:
            raise NotFittedError("the detector isn't fitted yet: call fit(images) first")
        return self.method


def detector(
    method: str,
    *,
    backbone: str = "wide_resnet50_2",
    weights: str | Path | None = None,
    layers: tuple[str, ...] | None = None,
    image_size: int = 224,
    fit: Fit = "crop",
    resize: int = 0,
    interpolation: Interpolation = "bilinear",
    dtype: DType = "float32",
    seed: int = 0,
    device: str = "auto",
    memory: int | None = None,
) -> Detector:
    """Return a detector that isn't fitted yet.

    Args:
        method: its name, parameters in brackets: "patchcore-25[patch_size=5]".
        backbone: torchvision's name, `timm/<name.tag>` or `filterbank`.
        weights: a file; None for the published ImageNet weights, which are downloaded once.
        layers: modules for levels 1, 2, 3, 4; None for the backbone's own.
        image_size: side of the square that the backbone sees, in pixels.
        fit: how an image becomes a square: "crop", "stretch" or "pad".
        resize: the shorter side before the crop, in pixels; 0 for 8/7 of the crop.
        interpolation: how images are resized.
        dtype: type of the features.
        seed: of the method's randomness.
        device: auto, cpu, cuda or cuda:N.
        memory: bytes there for caches and blocks, which change no result; None for half of what is
            free.

    Raises:
        MethodNameError: there is no such method or parameter.
        BenchmarkError: there is no such backbone or device, or the method reads a level it lacks.
        WeightsError: the weights can't be had.
    """
    variant, choice = resolve(method), _choice(backbone, weights, layers)
    described = describe(choice, download=True)
    if missing := describe_missing_levels(described, [variant]):
        raise BenchmarkError(missing)
    protocol = EvaluationProtocol(
        described, image_size, dtype, resize=resize, fit=fit, interpolation=interpolation
    )
    params = identity(variant.parameters)
    spec = CellSpec("", "", "", variant.name, params, protocol, seed)
    return Detector(variant, spec, choice, choose_device(device), memory)


def _choice(backbone: str, weights: str | Path | None, layers: tuple[str, ...] | None) -> Choice:
    """Return a single backbone, with the layers that its checkpoint allows."""
    choice, *others = parse(backbone)
    if others:
        raise BenchmarkError(
            f"{backbone}: an ensemble's scores are relative to a whole test set, which a detector "
            "doesn't have: name a single backbone"
        )
    if weights or layers:
        choice = Choice(choice.name, Path(weights) if weights else None, layers)
    choice, lacking = fit_to_checkpoint(choice)
    if lacking:
        say(lacking)
    return choice


def load_detector(
    file: str | Path,
    *,
    weights: str | Path | None = None,
    device: str = "auto",
    memory: int | None = None,
) -> Detector:
    """Return a detector that `Detector.save` wrote; on such a device it scores as before.

    Args:
        file: what was saved.
        weights: the backbone's weights, where they are in a file, and it isn't where it was.
        device: as of `detector`.
        memory: likewise.

    Raises:
        BenchmarkError: the file isn't a detector's, or the backbone, its weights, the method's
            parameters or a package's version are others than when it was saved.
        WeightsError: the weights can't be had.
    """
    saved = saving.read(Path(file), Path(weights) if weights else None)
    loaded = Detector(saved.variant, saved.spec, saved.choice, choose_device(device), memory)
    loaded.method = saving.restore(saved, loaded.device, loaded.memory)
    return loaded
