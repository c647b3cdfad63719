"""What each table and figure of the supplement needs evaluated: its trials."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

from benchmarks.backbones.choice import parse, split
from benchmarks.options import EMBEDDED_BACKBONE, REAL_BACKBONE, integers
from benchmarks.specs import Fit, Interpolation, MaskResize

if TYPE_CHECKING:
    from benchmarks.results import Cell

NAMES = (
    *("S1", "S2", "S3", "S4", "S5", "S6", "figS1", "figS2", "figS3", "figS4"),
    *("verdicts", "differences"),
)
"""Of the parts; where none is named all but the last are made: what the paper's supplement has, and
the verdicts."""

METHODS = ("spade", "padim", "patchcore-25", "patchcore-10", "patchcore-1")
"""Columns of tables S1–S3."""

PADIM_STAR = "PaDiM*"
"""The papers' name of PaDiM on EfficientNet-B5, a column of table S1."""

SHOT_METHODS = ("spade", "padim", "patchcore-10", "patchcore-25")

SHOTS = (1, 2, 5, 10, 16, 20, 50)
"""Columns and rows of table S5."""

S4_METHODS = ("patchcore-1", "patchcore-1[levels=1+2+3]")

S6_METHODS = ("patchcore-10", "patchcore-1")

ERRORS_METHOD = "patchcore-25"
"""The method of figures S1 and S2."""

SWEPT_METHOD = "patchcore-10"

SIZES, PATCH_SIZES = (224, 288, 360, 448), (3, 5, 7, 9)
"""The method and the axes of figure S4."""

PAPER_SIZE = 224
EMBEDDED_SIZE = PAPER_SIZE // 2

_LARGE = "wide_resnet101_2"

# The ends of stages 2, 4 and 5, as public code of PaDiM on this network reads them.
_EFFICIENTNET = "timm/tf_efficientnet_b5.aa_in1k[layers=blocks.1+blocks.3+blocks.4]"

_RESNETS = "resnet50,wide_resnet50_2,resnet101,wide_resnet101_2,resnext101_32x8d"

_TRANSFORMER = "timm/vit_small_patch14_dinov2.lvd142m"

BACKBONES = {
    "backbone": ("S1–S3, S5, and the figures'", REAL_BACKBONE),
    "starred": ("PaDiM*'s, in S1", _EFFICIENTNET),
    "large": ("S4's", _LARGE),
    "ensemble": ("S4's last, joined by +", f"{_LARGE}+resnext101_32x8d+densenet201"),
    "backbones": ("S6's, comma-separated", f"{_RESNETS},{_TRANSFORMER},{EMBEDDED_BACKBONE}"),
}
"""Option → whose backbone it is, and its default on real data."""

EMBEDDED = dict.fromkeys(BACKBONES, EMBEDDED_BACKBONE)
EMBEDDED["ensemble"] = "+".join([EMBEDDED_BACKBONE] * 3)
"""Option → its default on the embedded set, where the filter bank stands for every network."""


@dataclass(frozen=True)
class Trial:
    """One thing to evaluate on every category.

    Attributes:
        backbone: as the command line takes it.
        image_size: side of the crop, in pixels.
        method: a method's public name.
        shots: nominal training images, None for all.
        seed: of the coreset, the dimensions, and the draw of shots.
        resize: the shorter side before the crop, None for 8/7 of the crop.
        mask_resize: how masks are resized.
        fit: how an image becomes a square.
        interpolation: how images are resized.
    """

    backbone: str
    image_size: int
    method: str
    shots: int | None = None
    seed: int = 0
    resize: int | None = None
    mask_resize: MaskResize = "nearest"
    fit: Fit = "crop"
    interpolation: Interpolation = "bilinear"


Cells = Mapping[Trial, Mapping[str, "Cell"]]
"""Trial → category → its stored cell; what was never run is absent."""


@dataclass(frozen=True)
class Settings:
    """What the supplement is made with.

    Attributes:
        backbone: of tables S1–S3 and S5 and of the figures.
        starred: the backbone of PaDiM* in table S1.
        large: the backbone of table S4.
        ensemble: table S4's ensemble, backbones joined by +.
        backbones: the rows of table S6.
        image_size: stands for the paper's 224 pixels; its other sizes are scaled alike.
        seeds: of table S5 and the verdicts; the first one's are all other numbers.
    """

    backbone: str
    starred: str
    large: str
    ensemble: str
    backbones: tuple[str, ...]
    image_size: int
    seeds: tuple[int, ...]

    def scaled(self, size: int) -> int:
        """Return what stands for one of the paper's image sizes."""
        return round(size * self.image_size / PAPER_SIZE)

    def trial(self, method: str, **changes: Any) -> Trial:
        """Return a method on the main backbone, with the first seed and all training images.

        Args:
            method: its name.
            changes: what else than this, by the names of a trial's fields.
        """
        return replace(Trial(self.backbone, self.image_size, method, seed=self.seeds[0]), **changes)


def chosen_settings(options: argparse.Namespace, *, synthetic: bool) -> Settings:
    """Return what the command line says, the rest as usual, on the embedded set or on others.

    Raises:
        BenchmarkError: a backbone is misspelt, or a seed no number.
    """
    named: dict[str, str] = {
        name: getattr(options, name) or (EMBEDDED[name] if synthetic else real)
        for name, (_, real) in BACKBONES.items()
    }
    for backbone in named.values():
        for name in split(backbone):
            parse(name)  # a misspelt one stops everything, not only its rows
    backbones = tuple(dict.fromkeys(split(named.pop("backbones"))))
    seeds = tuple(integers(options.seeds, "--seeds", 0))
    size = options.image_size or (EMBEDDED_SIZE if synthetic else PAPER_SIZE)
    return Settings(**named, backbones=backbones, image_size=size, seeds=seeds)


def main_trials(settings: Settings) -> dict[str, Trial]:
    """Return method → trial: tables S2 and S3 and figure S3."""
    return {method: settings.trial(method) for method in METHODS}


def s1_trials(settings: Settings) -> dict[str, Trial]:
    """Return column → trial: table S1, all of the paper's methods that train nothing."""
    star = settings.trial("padim", backbone=settings.starred)
    return main_trials(settings) | {"mahalanobis": settings.trial("mahalanobis"), PADIM_STAR: star}


def seed_trials(settings: Settings) -> dict[tuple[str, int], Trial]:
    """Return (method, seed) → trial: the verdicts, table S2's with every seed."""
    places = product(METHODS, settings.seeds)
    return {(method, seed): settings.trial(method, seed=seed) for method, seed in places}


def large_trials(settings: Settings) -> dict[tuple[str, str], Trial]:
    """Return (backbone, method) → trial: table S4, the ensemble's last."""
    backbones = [(settings.large, 280, method) for method in S4_METHODS]
    return {
        (name, method): settings.trial(method, backbone=name, image_size=settings.scaled(size))
        for name, size, method in (*backbones, (settings.ensemble, 320, S4_METHODS[0]))
    }


def shot_trials(settings: Settings) -> dict[tuple[str, int, int], Trial]:
    """Return (method, shots, seed) → trial: table S5."""
    return {
        (method, shots, seed): settings.trial(method, shots=shots, seed=seed)
        for method, shots, seed in product(SHOT_METHODS, SHOTS, settings.seeds)
    }


def backbone_trials(settings: Settings) -> dict[tuple[str, str], Trial]:
    """Return (backbone, method) → trial: table S6."""
    places = product(settings.backbones, S6_METHODS)
    return {(name, method): settings.trial(method, backbone=name) for name, method in places}


def error_trials(settings: Settings) -> dict[str, Trial]:
    """Return method → trial: figures S1 and S2."""
    return {ERRORS_METHOD: settings.trial(ERRORS_METHOD)}


def sweep_trials(settings: Settings) -> dict[tuple[int, int], Trial]:
    """Return (paper's image size, P) → trial: figure S4."""
    methods = {3: SWEPT_METHOD, **{p: f"{SWEPT_METHOD}[patch_size={p}]" for p in PATCH_SIZES[1:]}}
    return {
        (size, patch): settings.trial(methods[patch], image_size=settings.scaled(size))
        for size, patch in product(SIZES, PATCH_SIZES)
    }


BASE_METHOD = "patchcore-10"


def difference_trials(settings: Settings) -> dict[str, Trial]:
    """Return choice → trial: what differs between tools, each against the first."""
    trial, base = settings.trial, partial(settings.trial, BASE_METHOD)
    spade, popular = "SPADE, K = 50", "SPADE as in popular code, K = 5"
    return {
        "PatchCore-10": base(),
        **{f"coreset seed {seed}": base(seed=seed) for seed in settings.seeds[1:]},
        "masks resized as in the official code": base(mask_resize="official"),
        "the whole image, no crop": base(resize=settings.image_size),
        "the whole image, stretched to a square": base(fit="stretch"),
        "the whole image, padded to a square": base(fit="pad"),
        "images resized bicubically": base(interpolation="bicubic"),
        "images resized by area averages": base(interpolation="box"),
        "images resized with Lanczos's filter": base(interpolation="lanczos"),
        "squared distances": trial(f"{BASE_METHOD}[squared=true]"),
        "eq. 7's re-weighting, b = 9": trial(f"{BASE_METHOD}[reweight=9]"),
        spade: trial("spade"),
        f"{spade}, distances not squared": trial("spade[squared=false]"),
        "SPADE, K = 5": trial("spade[neighbours=5]"),
        "SPADE, K = 5, distances not squared": trial("spade[neighbours=5,squared=false]"),
        popular: trial("spade-5"),
        "PaDiM": trial("padim"),
        f"{popular}, with Lanczos's filter": trial("spade-5", interpolation="lanczos"),
        "PaDiM, with Lanczos's filter": trial("padim", interpolation="lanczos"),
    }
