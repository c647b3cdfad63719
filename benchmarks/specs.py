"""Specifications: everything that a number depends on, its canonical JSON and its hash."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal

from benchmarks.names import printable
from methods.base import GLOBAL, LAST, identity, later

EXTRACTOR_VERSION = 2
"""Raised whenever the same image and weights give other features."""

USUAL_BATCH = 16
"""Images that pass a backbone together unless memory is short; last digits depend on how many."""

DECODER_VERSION = 1
"""Raised whenever the same image file gives other pixels."""

METRICS_VERSION = 1
"""Raised whenever the same scores give other metric values."""

IMPORTED = "imported"
"""The backbone's name in cells whose anomaly maps another program computed."""

GREATEST_SEED = 2**32 - 1
"""Every random generator, table and page takes a seed up to it."""

GREATEST_SIDE = 8192
"""Pixels; a square of so many is 200 MB before a network sees it."""

TRANSFORMERS = re.compile(r"timm/(vit|deit3?|eva02|beit(v2)?)_[^+]*")
"""Names of backbones whose tokens all pass a last norm, the module `FINAL_NORM`."""

FINAL_NORM = "norm"

MaskResize = Literal["nearest", "official"]

DType = Literal["float32", "float16"]

Fit = Literal["crop", "stretch", "pad"]
"""How an image becomes a square: its centre cut out, stretched, or padded."""

Regions = Literal["resized", "original"]
"""Where the connected regions of defects are labelled: in the resized masks, as the official
PatchCore code measures, or at the images' own size."""

Augment = Literal["none", "flip", "rotate8"]
"""Copies of training images that methods learn from, too: mirrored, or turned by 45° to 315°."""

ScoreArea = Literal["square", "image"]
"""Over what an image's score is the maximum of its map: the whole square, or the image in it."""

Interpolation = Literal["bilinear", "bicubic", "lanczos", "box"]
"""The filter that images are resized with, in Pillow's and torchvision's names."""


def canonical_json(value: object) -> str:
    """Return the one JSON text of `value`: keys sorted, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: object) -> str:
    """Return the sha256, in hex, of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def resize_for(image_size: int) -> int:
    """Return what the shorter side is resized to before the crop: 256 for 224, the same ratio else.

    ("Towards Total Recall", section 4.1: 256 → 224, that is 8/7.)
    """
    return round(image_size * 8 / 7)


@dataclass(frozen=True)
class BackboneSpec:
    """A backbone with its weights; `layers` maps a level to the backbone's own layer name.

    What lies beside the pyramid, `GLOBAL` and `LAST`, follows from the name: no identity holds it.
    """

    name: str
    weights: str
    weights_sha256: str
    layers: Mapping[int, str]

    @property
    def members(self) -> int:
        """How many backbones it joins: more than one in an ensemble."""
        return self.name.count("+") + 1

    @property
    def every_layer(self) -> dict[int, str]:
        """Level → layer, with those beside the pyramid where the backbone has any."""
        beside = (GLOBAL, LAST) if TRANSFORMERS.fullmatch(self.name) else ()
        return {**dict.fromkeys(beside, FINAL_NORM), **self.layers}

    def extracted(self, levels: Iterable[int]) -> dict[int, str]:
        """Return level → layer of what is extracted for methods that read these levels.

        Without a last block and a descriptor of its own, that is the deepest level for these.
        """
        layers = self.every_layer
        stand_in = dict.fromkeys({GLOBAL, LAST} - layers.keys(), max(self.layers))
        return {level: layers[level] for level in sorted({stand_in.get(i, i) for i in levels})}


class Identified:
    """A specification, as a dataclass; its hash identifies what is computed by it."""

    def as_dict(self) -> dict[str, Any]:
        """Return the specification as JSON-ready values, later fields left out at their default."""
        spec: dict[str, Any] = identity(self)
        return spec

    @cached_property
    def key(self) -> str:
        """The identity, as hex."""
        return digest(self.as_dict())


@dataclass(frozen=True)
class FeatureSpec(Identified):
    """Everything that one cached array depends on: one category, one split, one level.

    With `augment` it is of the training images' copies alone.
    """

    dataset: str
    dataset_fingerprint: str
    category: str
    split: Literal["train", "test"]
    backbone: str
    weights: str
    weights_sha256: str
    level: int
    layer: str
    image_size: int
    resize: int
    dtype: DType
    extractor_version: int = EXTRACTOR_VERSION
    fit: Fit = later("crop")
    interpolation: Interpolation = later("bilinear")
    batch: int = later(16)
    augment: Augment = later("none")
    shift: str = later("")
    tiles: int = later(1)


@dataclass(frozen=True)
class CropSpec(Identified):
    """Everything that a split's cached crops depend on."""

    dataset: str
    dataset_fingerprint: str
    category: str
    split: Literal["train", "test"]
    image_size: int
    resize: int
    dtype: Literal["uint8"] = "uint8"
    decoder_version: int = DECODER_VERSION
    fit: Fit = later("crop")
    interpolation: Interpolation = later("bilinear")
    shift: str = later("")


ArraySpec = FeatureSpec | CropSpec


@dataclass(frozen=True)
class EvaluationProtocol:
    """What all cells of a comparison share.

    `resize` is the length of the shorter side before the centre crop, in pixels, 0 for the paper's
    8/7 of the crop; without a crop it is `image_size`. `score_area` is "image" where images are
    padded; padded cells from before there was that field have "square". With `tiles` 2 the
    square is twice as large as what was asked for, and the backbone sees 2 × 2 windows of it.
    """

    backbone: BackboneSpec
    image_size: int = 224
    dtype: DType = "float32"
    mask_resize: MaskResize = "nearest"
    smoothing_sigma: float = 4.0
    resize: int = 0
    fit: Fit = later("crop")
    interpolation: Interpolation = later("bilinear")
    regions: Regions = later("resized")
    score_area: ScoreArea | Literal[""] = later("square", unset="")
    augment: Augment = later("none")
    tiles: int = later(1)

    def __post_init__(self) -> None:
        usual = resize_for(self.image_size) if self.fit == "crop" else self.image_size
        object.__setattr__(self, "resize", self.resize or usual)
        area = self.score_area or "image" if self.fit == "pad" else "square"
        object.__setattr__(self, "score_area", area)


CONDITIONS = ("shots", "calibrate", "contamination", "reserve", "shift")
"""Fields of a cell's specification that say under which conditions a method learns and judges."""


@dataclass(frozen=True)
class CellSpec(Identified):
    """Everything that one cell's numbers depend on.

    `shots` is the number of nominal training images, None for all of them; `calibrate` is the
    number of them that set thresholds and aren't fitted to, or their share below 1; `params` is
    the `identity` of the method's parameters. `contamination` is the share of training images that
    anomalous test images replace; as many as `reserve`, the largest share that is compared with it,
    are left out of the test images. `shift` is what test images alone undergo, "" for nothing.
    """

    dataset: str
    dataset_fingerprint: str
    category: str
    method: str
    params: Mapping[str, Any]
    protocol: EvaluationProtocol
    seed: int
    shots: int | None = None
    extractor_version: int = EXTRACTOR_VERSION
    metrics_version: int = METRICS_VERSION
    calibrate: float | None = later(None)
    contamination: float = later(0.0)
    reserve: float = later(0.0)
    shift: str = later("")

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> CellSpec:
        """Return the specification that `as_dict` was stored of.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: it is none, or of another version.
        """
        before = {field.name: field.metadata.get("later") for field in fields(EvaluationProtocol)}
        protocol = {name: value for name, value in before.items() if value is not None}
        protocol |= stored["protocol"]
        backbone = dict(protocol["backbone"])
        backbone["layers"] = {int(level): name for level, name in backbone["layers"].items()}
        protocol["backbone"] = BackboneSpec(**backbone)
        spec = cls(**{**stored, "protocol": EvaluationProtocol(**protocol)})
        if canonical_json(spec.as_dict()) != canonical_json(stored):
            raise ValueError("a part is missing: its default would be another identity")
        return spec

    @property
    def label(self) -> str:
        """The cell's name for people: category, method, seed, and its conditions."""
        return printable(f"{self.category} {self.method} s{self.seed}{self.condition_label}")

    @property
    def condition_label(self) -> str:
        """The conditions that aren't the usual ones, each behind a space."""
        shots = "" if self.shots is None else f" {self.shots} shots"
        held_out = "" if self.calibrate is None else f" {self.calibrate:g} held out"
        dirt = f" {100 * self.contamination:g} % anomalous" if self.reserve else ""
        return f"{shots}{held_out}{dirt}" + f" {self.shift}" * bool(self.shift)

    @property
    def conditions(self) -> dict[str, Any]:
        """What the cells of one table share beside the protocol, by `CONDITIONS`."""
        return {name: getattr(self, name) for name in CONDITIONS}


def flat(spec: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield the parts of a specification, those of its parts named `part.name`."""
    for name, part in spec.items():
        if isinstance(part, Mapping):
            yield from flat(part, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", part
