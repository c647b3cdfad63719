"""What each table and figure of the supplement needs evaluated: its trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product

from benchmarks.results import Cell
from benchmarks.specs import Fit, Interpolation, MaskResize

METHODS = ("spade", "padim", "patchcore-25", "patchcore-10", "patchcore-1")
"""Columns of tables S1–S3."""

PADIM_STAR = "PaDiM*"
"""The papers' name of PaDiM on EfficientNet-B5, a column of table S1."""

S1_METHODS = (*METHODS, "mahalanobis", PADIM_STAR)
"""Columns of table S1: all of the paper's methods that train nothing."""

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


Cells = Mapping[Trial, Mapping[str, Cell]]
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

    def trial(self, method: str) -> Trial:
        """Return a method on the main backbone, with the first seed and all training images."""
        return Trial(self.backbone, self.image_size, method, seed=self.seeds[0])


def main_trials(settings: Settings) -> dict[str, Trial]:
    """Return method → trial: tables S2 and S3 and figure S3."""
    return {method: settings.trial(method) for method in METHODS}


def s1_trials(settings: Settings) -> dict[str, Trial]:
    """Return column → trial: table S1."""
    star = replace(settings.trial("padim"), backbone=settings.starred)
    trials = (settings.trial(method) for method in S1_METHODS[:-1])
    return dict(zip(S1_METHODS, (*trials, star), strict=True))


def seed_trials(settings: Settings) -> dict[tuple[str, int], Trial]:
    """Return (method, seed) → trial: the verdicts, table S2's with every seed."""
    return {
        (method, seed): replace(trial, seed=seed)
        for method, trial in main_trials(settings).items()
        for seed in settings.seeds
    }


def large_trials(settings: Settings) -> dict[tuple[str, str], Trial]:
    """Return (backbone, method) → trial: table S4, the ensemble's last."""
    backbones = [(settings.large, 280, method) for method in S4_METHODS]
    return {
        (backbone, method): Trial(backbone, settings.scaled(size), method, seed=settings.seeds[0])
        for backbone, size, method in (*backbones, (settings.ensemble, 320, S4_METHODS[0]))
    }


def shot_trials(settings: Settings) -> dict[tuple[str, int, int], Trial]:
    """Return (method, shots, seed) → trial: table S5."""
    return {
        (method, shots, seed): replace(settings.trial(method), shots=shots, seed=seed)
        for method, shots, seed in product(SHOT_METHODS, SHOTS, settings.seeds)
    }


def backbone_trials(settings: Settings) -> dict[tuple[str, str], Trial]:
    """Return (backbone, method) → trial: table S6."""
    return {
        (backbone, method): replace(settings.trial(method), backbone=backbone)
        for backbone, method in product(settings.backbones, S6_METHODS)
    }


def error_trials(settings: Settings) -> dict[str, Trial]:
    """Return method → trial: figures S1 and S2."""
    return {ERRORS_METHOD: settings.trial(ERRORS_METHOD)}


def sweep_trials(settings: Settings) -> dict[tuple[int, int], Trial]:
    """Return (paper's image size, P) → trial: figure S4."""
    return {
        (size, patch): replace(
            settings.trial(SWEPT_METHOD if patch == 3 else f"{SWEPT_METHOD}[patch_size={patch}]"),
            image_size=settings.scaled(size),
        )
        for size, patch in product(SIZES, PATCH_SIZES)
    }


BASE_METHOD = "patchcore-10"

VARIED_METHODS = {
    "squared distances": f"{BASE_METHOD}[squared=true]",
    "eq. 7's re-weighting, b = 9": f"{BASE_METHOD}[reweight=9]",
    "SPADE, K = 50": "spade",
    "SPADE, K = 50, distances not squared": "spade[squared=false]",
    "SPADE, K = 5": "spade[neighbours=5]",
    "SPADE, K = 5, distances not squared": "spade[neighbours=5,squared=false]",
    "SPADE as in popular code, K = 5": "spade-5",
    "PaDiM": "padim",
}
"""Choices that are a method's parameters."""

LANCZOS_METHODS = ("SPADE as in popular code, K = 5", "PaDiM")
"""Those whose popular code resizes images with Lanczos's filter."""


def difference_trials(settings: Settings) -> dict[str, Trial]:
    """Return choice → trial: what differs between tools, each against the first."""
    base = settings.trial(BASE_METHOD)
    return {
        "PatchCore-10": base,
        **{f"coreset seed {seed}": replace(base, seed=seed) for seed in settings.seeds[1:]},
        "masks resized as in the official code": replace(base, mask_resize="official"),
        "the whole image, no crop": replace(base, resize=settings.image_size),
        "the whole image, stretched to a square": replace(base, fit="stretch"),
        "the whole image, padded to a square": replace(base, fit="pad"),
        "images resized bicubically": replace(base, interpolation="bicubic"),
        "images resized by area averages": replace(base, interpolation="box"),
        "images resized with Lanczos's filter": replace(base, interpolation="lanczos"),
        **{name: settings.trial(method) for name, method in VARIED_METHODS.items()},
        **{
            f"{name}, with Lanczos's filter": replace(varied, interpolation="lanczos")
            for name, varied in ((n, settings.trial(VARIED_METHODS[n])) for n in LANCZOS_METHODS)
        },
    }
