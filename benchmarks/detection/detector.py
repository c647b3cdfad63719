"""A detector: images in, image scores and anomaly maps out, in a run's way and with its numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from operator import index
from pathlib import Path
from typing import Literal, NamedTuple, Self, TypeVar, cast, get_args, get_origin, get_type_hints

import numpy as np

from benchmarks.array_types import Floats
from benchmarks.backbones.backbone import Backbone
from benchmarks.backbones.choice import Choice, choices
from benchmarks.backbones.loading import backbone_specs, check_size, load
from benchmarks.datasets.framing import padding, require_crop
from benchmarks.datasets.placing import Placing
from benchmarks.detection import saving
from benchmarks.detection.pictures import Images, Square, squares_of
from benchmarks.device_memory import room_for, too_large, with_less, within_budgets
from benchmarks.errors import BenchmarkError
from benchmarks.evaluation.category import RESIDENT_SHARE
from benchmarks.evaluation.device import choose_device, free_memory
from benchmarks.evaluation.drawing import draw_images
from benchmarks.evaluation.job import Prediction
from benchmarks.evaluation.scoring import describe_missing_levels, fit_method, score_images
from benchmarks.features.copying import COPIES
from benchmarks.features.crops import stacked
from benchmarks.features.passing import pass_images
from benchmarks.places import written_path
from benchmarks.specs import (
    GREATEST_SEED,
    GREATEST_SIDE,
    USUAL_BATCH,
    Augment,
    CellSpec,
    DType,
    EvaluationProtocol,
    Fit,
    Interpolation,
)
from methods import checks, resolve
from methods.base import Features, Method, NotFittedError, Storable, identity
from methods.lazy import torch

T = TypeVar("T")


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

    `score` goes three steps, which can be timed apart: `squares`, `features`, `verdicts`.

    Attributes:
        spec: all that its scores depend on, beside the images that it was fitted to.
        choice: the backbone, with the file of its weights.
        device: where it works.
        memory: bytes there for caches and blocks.
        batch: how many images pass the backbone together; fewer once memory has run out.
        method: the method; fitted by `fit`.
    """

    def __init__(self, spec: CellSpec, choice: Choice, device: str, memory: int | None) -> None:
        self.spec, self.choice, self.device = spec, choice, choose_device(str(device))
        self.memory = memory or free_memory(self.device) // 2
        self.batch = USUAL_BATCH
        self.method: Method | None = None

    @cached_property
    def backbone(self) -> Backbone:
        """The network, which is made when it is first asked for."""
        with room_for(self.choice.name):
            p = self.spec.protocol
            return load(self.choice, device=self.device, image_size=p.image_size, tiles=p.tiles)

    def fit(self, images: Images) -> Self:
        """Learn from images without a defect, as `Images` has them; return the detector.

        Raises:
            DataError: there are none, a file can't be read, or an array isn't of images.
            BenchmarkError: the device's memory is too small.
        """
        spec, squares = self.spec, self.squares(images)
        turns = COPIES[spec.protocol.augment]
        copies = [square.copied(turn) for turn in turns for square in squares]
        every = self.features(squares, copies)
        drawn, firsts = draw_images(spec, len(squares)).fitted, range(0, len(every), len(squares))
        features = every.select([first + row for first in firsts for row in drawn])
        parameters = resolve(spec.method).parameters

        def fit(spare: int) -> Method:
            with checks.seeded_generators(spec.seed):
                return fit_method(parameters, features.within(spare), spec.seed)

        self.method = self._within_budgets(fit, features)
        return self

    def score(self, images: Images) -> Verdicts:
        """Score images, as `Images` has them.

        To the last digit the numbers are a run's where a run has the same images in the same order:
        they pass a backbone by sixteens, and the last digits of a network depend on how many do.

        Raises:
            DataError, BenchmarkError: as `fit`.
            NotFittedError: `fit` was not called.
        """
        _ = self._fitted
        squares = self.squares(images)
        return self.verdicts(self.features(squares), [square.size for square in squares])

    def squares(self, images: Images) -> list[Square]:
        """Read images, as `Images` has them, and resize them; raises DataError as `fit`."""
        return squares_of(images, self.spec.protocol)

    def features(self, squares: Sequence[Square], copies: Sequence[Square] = ()) -> Features:
        """Pass images through the backbone, then their copies, which share no batch with them.

        Where memory runs out, batches become ever smaller.

        Raises:
            BenchmarkError: not even a single image fits into memory.
        """

        def less(error: BaseException, times: int) -> None:
            if times and self.batch == 1:
                side, backbone = self.spec.protocol.image_size, self.backbone
                raise too_large(error, self.choice.name, side, backbone.device) from error
            self.batch //= 2 if times else 1

        arrays = with_less(lambda: self._pass(squares, copies), less)
        return Features(arrays, device=self.device, memory=self.memory)

    def _pass(self, *parts: Sequence[Square]) -> dict[int, list[torch.Tensor]]:
        """Return an array a level and part, on the device where all fit, else on the host."""
        read, arrays = resolve(self.spec.method).parameters.levels, dict[int, list[torch.Tensor]]()
        levels = tuple(self.spec.protocol.backbone.extracted(read))
        for squares in parts:
            for first in range(0, len(squares), self.batch):
                pixels = stacked([square.pixels for square in squares[first : first + self.batch]])
                outputs = pass_images(self.backbone, pixels, levels, self.spec.protocol.dtype)
                if first == 0:
                    bytes_each = sum(maps[0].nbytes for maps in outputs.values())
                    fits = sum(map(len, parts)) * bytes_each <= RESIDENT_SHARE * self.memory
                    where = self.device if fits else "cpu"
                    for level, maps in outputs.items():
                        array = maps.new_empty(len(squares), *maps.shape[1:], device=where)
                        arrays.setdefault(level, []).append(array)
                for level, maps in outputs.items():
                    arrays[level][-1][first : first + len(maps)] = maps
        return arrays

    def verdicts(self, features: Features, sizes: Sequence[tuple[int, int]]) -> Verdicts:
        """Score features of images of these widths and heights; raises as `score`."""
        method, p, outside = self._fitted, self.spec.protocol, None
        if p.score_area == "image":
            outside = np.stack([padding(*size, p.image_size) for size in sizes])

        def score(spare: int) -> Prediction:
            known = method
            if spare < self.memory and isinstance(method, Storable):
                known = method.from_state(method.state(), self.device, spare)
            with checks.seeded_generators(self.spec.seed):
                return score_images(known, features.within(spare), p, outside)[1]

        scored = self._within_budgets(score, features)
        placed = zip((Placing.of(*size, p) for size in sizes), scored.maps, strict=True)
        return Verdicts(scored.images, [placing.into_image(grid) for placing, grid in placed])

    def save(self, file: str | Path) -> Path:
        """Write the fitted detector to a .safetensors file, without the backbone's weights.

        Raises:
            NotFittedError: `fit` was not called.
            BenchmarkError: the method has no state, or the file can't be written.
        """
        path = written_path(str(file))
        saving.save(path, self._fitted, self.spec, self.choice)
        return path

    def _within_budgets(self, work: Callable[[int], T], features: Features) -> T:
        side = self.spec.protocol.image_size
        return within_budgets(work, self.memory, self.spec.method, side, features.device)

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
    layers: str | Sequence[str] | None = None,
    image_size: int = 224,
    fit: Fit = "crop",
    resize: int = 0,
    interpolation: Interpolation = "bilinear",
    dtype: DType = "float32",
    augment: Augment = "none",
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
        interpolation: how images are resized: "bilinear", "bicubic", "lanczos" or "box".
        dtype: type of the features, "float32" or "float16".
        augment: copies of the images that it is fitted to, too: "none", "flip" or "rotate8".
        seed: of the method's randomness.
        device: auto, cpu, cuda or cuda:N.
        memory: bytes there for caches and blocks, which change no result; None for half of what is
            free.

    Raises:
        MethodNameError: there is no such method or parameter.
        BenchmarkError: there is no such backbone or device, the method reads a level it lacks, or
            another argument isn't one of those named here.
        WeightsError: the weights can't be had.
    """
    variant = resolve(method)
    members = choices(backbone, written_path(str(weights)) if weights else None, layers)
    if len(members) > 1:
        raise BenchmarkError(
            f"{backbone}: an ensemble's scores are relative to a whole test set, which a detector "
            "doesn't have: name a single backbone"
        )
    ((choice, described),) = backbone_specs(members, download=True)
    protocol = EvaluationProtocol(
        backbone=described,
        image_size=_integer("image_size", image_size, 1, GREATEST_SIDE),
        dtype=dtype,
        augment=augment,
        resize=_integer("resize", resize, 0, GREATEST_SIDE),
        fit=fit,
        interpolation=interpolation,
    )
    _require_known(protocol)
    require_crop(resize, image_size, fit)
    if missing := describe_missing_levels(protocol.backbone, [variant]):
        raise BenchmarkError(missing)
    check_size(choice, protocol.image_size)
    numbers = identity(variant.parameters), protocol, _integer("seed", seed, 0, GREATEST_SEED)
    return Detector(CellSpec("", "", "", variant.name, *numbers), choice, device, memory)


def detector_of(spec: CellSpec, known: Iterable[Choice], device: str) -> Detector:
    """Return the detector of a cell, not fitted yet.

    Args:
        spec: the cell's.
        known: backbones, among which is the cell's.
        device: auto, cpu, cuda or cuda:N.

    Raises:
        BenchmarkError: the backbone, or its weights, are none of them.
        WeightsError: the weights can't be had.
    """
    wanted = spec.protocol.backbone
    alike = [choice for choice in known if choice.name == wanted.name]
    for choice, here in backbone_specs(alike, download=True):
        if replace(here, weights=wanted.weights) == wanted:
            return Detector(spec, choice, device, None)
    raise BenchmarkError(
        f"{wanted.name}: the run's weights (sha256 {wanted.weights_sha256[:12]}) aren't where they "
        "were: name their file with --weights"
    )


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
    spec, choice, state = saving.read(
        written_path(str(file)), written_path(str(weights)) if weights else None
    )
    loaded = Detector(spec, choice, device, memory)
    method = cast(Storable, resolve(spec.method).parameters.create())
    loaded.method = method.from_state(state, loaded.device, loaded.memory)
    return loaded


def _integer(name: str, value: int, least: int, most: int) -> int:
    number = index(value) if hasattr(value, "__index__") else least - 1
    if not least <= number <= most:
        raise BenchmarkError(f"{name} {value!r}: give an integer from {least} to {most}")
    return number


def _require_known(protocol: EvaluationProtocol) -> None:
    """Raise BenchmarkError where a field of a few values has another."""
    for name, kind in get_type_hints(EvaluationProtocol).items():
        value = getattr(protocol, name)
        if get_origin(kind) is Literal and value not in get_args(kind):
            raise BenchmarkError(f"{name} {value!r}: take {', '.join(get_args(kind))}")
