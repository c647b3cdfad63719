"""The steps of a comparison, each at a few sizes small enough to be counted on a CPU.

Sizes are the least at which steps do what they do at full size: PatchCore's banks are large enough
to be screened, SPADE's components come from as many training images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import methods
from benchmarks.backbones import loading as backbones
from benchmarks.evaluation import upsample_and_smooth
from benchmarks.features import Extractor, FeatureCache
from benchmarks.specs import EvaluationProtocol
from benchmarks.speed.counting.growth import Size, Terms
from benchmarks.speed.inputs import BATCH_IMAGES, Inputs
from methods.base import Features, Scores
from methods.lazy import torch

if TYPE_CHECKING:
    from methods.base import Method

MEMORY = 32 << 30
"""Bytes that methods may fill: what the command leaves them of a card with 80 GB."""

RESIDENT = 8 << 30
"""Bytes of a category's features that stay on the device."""

NEIGHBOURS = 50
SIGMA = EvaluationProtocol.smoothing_sigma
SIDE = 256
"""Side in pixels of the image files that are extracted; decoding is timed by itself."""

RATIOS = {"patchcore-25": 0.25, "patchcore-10": 0.10, "patchcore-1": 0.01}

Run = Callable[[], object]


@dataclass(frozen=True)
class CountedStep:
    """A step of each category.

    Attributes:
        name: what tables call it.
        sizes: at which it is counted.
        terms: what its arithmetic and bytes are made of.
        asked: what its operations, waits and copies are made of, where that is less.
        prepare: makes what it works on, and returns the step itself.
        at: what the estimate calls it, and what it works on in a category of so many training and
            test images; several where it is the same step on other memory banks.
    """

    name: str
    sizes: Sequence[Size]
    terms: Terms
    prepare: Callable[[Material, Size], Run]
    at: Mapping[str, Callable[[Size], Size]] = field(default_factory=dict)
    asked: Terms | None = None

    @property
    def estimated(self) -> Mapping[str, Callable[[Size], Size]]:
        """What it is in the estimate: itself, on all images, unless `at` says otherwise."""
        return self.at or {self.name: lambda size: size}


class Material:
    """What steps work on, on a device: real shapes, features and weights that are random.

    Args:
        inputs: on the CPU.
        device: where steps work.
    """

    def __init__(self, inputs: Inputs, device: str) -> None:
        self.inputs, self.device = inputs, device
        self._fitted: dict[tuple[str, int], Method] = {}
        self._selected: dict[int, Features] = {}
        self._caches = 0

    def features(self, split: str, count: int) -> Features:
        """Return the first images' features, which methods share artefacts of."""
        whole: Features = getattr(self.inputs, split)
        levels = {i: whole.read(i, slice(0, count)).to(self.device) for i in whole.levels}
        return Features(levels, device=self.device, memory=MEMORY, share=True)

    def fitted(self, name: str, count: int) -> Method:
        """Return a method fitted to the first training images, once."""
        if (name, count) not in self._fitted:
            of_a_bank = name.startswith("patchcore")
            features = self.selected(count) if of_a_bank else self.features("train", count)
            self._fitted[name, count] = fit(name, features)
        return self._fitted[name, count]

    def selected(self, count: int) -> Features:
        """Return training images' features of which PatchCore has selected a quarter already."""
        if count not in self._selected:
            self._selected[count] = self.features("train", count)
            fit("patchcore-25", self._selected[count])
        return self._selected[count]

    def extraction(self, images: int) -> Run:
        """Return the extraction of a category of image files, from a cache that is empty."""
        name, folder = self.inputs.scale.backbone, self.inputs.folder
        backbone = backbones.load(name, weights=self.inputs.weights, device=self.device)
        category = self.inputs.category(SIDE, images)
        self._caches += 1
        cache = FeatureCache(folder / f"{self.device}-cache{self._caches}")
        protocol = EvaluationProtocol(backbone.spec, self.inputs.scale.image_size)
        extractor = Extractor(
            cache, "speed", protocol, backbone.levels, lambda: backbone, resident=RESIDENT
        )
        extractor.prepare()

        def extract() -> None:
            extractor.arrays(category, lambda count: None)
            extractor.finish()

        return extract


def fit(name: str, features: Features) -> Method:
    """Fit a method as a cell does."""
    return methods.create(name).fit(features, torch.Generator().manual_seed(0))


def counted_steps(inputs: Inputs) -> list[CountedStep]:
    """Return the steps of PatchCore at three ratios, SPADE and PaDiM, extraction included."""
    extraction = CountedStep(
        "extraction",
        [Size(3, 1), Size(6, 2)],
        _passes,
        lambda m, s: m.extraction(s.train + s.test),
    )
    finish = CountedStep(
        "post-processing, five methods",
        [Size(0, 16), Size(0, 32)],
        lambda s: (1, s.test),
        _finish,
    )
    few, most = (8, 10) if inputs.scale.name == "small" else (32, 40)
    patchcore = [*_coreset_steps(inputs, few, most), *_search_steps(inputs, most)]
    return [extraction, *patchcore, *_spade_steps(), *_padim_steps(), finish]


def _coreset_steps(inputs: Inputs, few: int, most: int) -> list[CountedStep]:
    """Return PatchCore's fits: the selection, and what smaller coresets take from it."""
    return [
        CountedStep(
            "patchcore fit, selection shared",
            [Size(most * 3 // 5, 0), Size(few, 0), Size(most, 0)],
            lambda s: (1, s.train, s.train**2),
            lambda m, s: partial(fit, "patchcore-25", m.features("train", s.train)),
            asked=lambda s: (1, s.train),
        ),
        CountedStep(
            "patchcore fit, from that selection, screened",
            [Size(most, 0, 0.15), Size(most, 0, 0.2)],
            lambda s: (1, _rows(inputs, s)),
            lambda m, s: partial(fit, _named(s), m.selected(s.train)),
            _with_ratios("patchcore-10 fit, from that selection"),
        ),
        CountedStep(
            "patchcore fit, from that selection, whole",
            [Size(most, 0, 0.01), Size(most, 0, 0.02)],
            lambda s: (1, _rows(inputs, s)),
            lambda m, s: partial(fit, _named(s), m.selected(s.train)),
            _with_ratios("patchcore-1 fit, from that selection"),
        ),
    ]


def _search_steps(inputs: Inputs, most: int) -> list[CountedStep]:
    """Return PatchCore's scores, of memory banks that are screened and of those that aren't."""

    def searched(size: Size) -> Sequence[float]:
        return 1, size.test, size.test * _rows(inputs, size)

    return [
        CountedStep(
            "patchcore score, screened",
            [Size(most, 2, 0.15), Size(most, 4, 0.15), Size(most, 4, 0.25)],
            searched,
            lambda m, s: _score(m, m.fitted(_named(s), s.train), s.test),
            _with_ratios("patchcore-25 score", "patchcore-10 score"),
        ),
        CountedStep(
            "patchcore score, whole",
            [Size(most, 2, 0.01), Size(most, 4, 0.01), Size(most, 4, 0.02)],
            searched,
            lambda m, s: _score(m, m.fitted(_named(s), s.train), s.test),
            _with_ratios("patchcore-1 score"),
        ),
    ]


def _spade_steps() -> list[CountedStep]:
    return [
        CountedStep(
            "spade fit",
            [Size(8, 0), Size(16, 0)],
            lambda s: (1, s.train),
            lambda m, s: partial(fit, "spade", m.features("train", s.train)),
        ),
        CountedStep(
            "spade score",
            [Size(8, 1), Size(8, 2), Size(16, 2)],
            lambda s: (1, s.test, s.test * min(NEIGHBOURS, s.train)),
            lambda m, s: _score(m, m.fitted("spade", s.train), s.test),
            asked=lambda s: (1, s.test),
        ),
    ]


def _padim_steps() -> list[CountedStep]:
    return [
        CountedStep(
            "padim fit",
            [Size(4, 0), Size(8, 0), Size(12, 0), Size(16, 0)],
            lambda s: (1, s.train, s.train**2, s.train**3),
            lambda m, s: partial(fit, "padim", m.features("train", s.train)),
        ),
        CountedStep(
            "padim score",
            [Size(8, 2), Size(8, 4), Size(12, 4), Size(16, 4)],
            lambda s: (1, s.test, s.test * s.train, s.test * s.train**2),
            lambda m, s: _score(m, m.fitted("padim", s.train), s.test),
        ),
    ]


def _rows(inputs: Inputs, size: Size) -> float:
    """Return how many patches a coreset of this ratio holds."""
    return float(int(size.train * inputs.scale.grid(2) ** 2 * size.ratio))


def _passes(size: Size) -> Sequence[float]:
    """Batches and images: an operation on a batch is one launch, however many images it holds."""
    return sum(-(-count // BATCH_IMAGES) for count in (size.train, size.test)), sum(
        (size.train, size.test)
    )


def _with_ratios(*names: str) -> Mapping[str, Callable[[Size], Size]]:
    return {name: partial(replace, ratio=RATIOS[name.split()[0]]) for name in names}


def _named(size: Size) -> str:
    return f"patchcore-25[coreset_ratio={size.ratio}]"


def _score(material: Material, method: Method, count: int) -> Run:
    test = material.features("test", count)
    return lambda: method.score(test)


def _finish(material: Material, size: Size) -> Run:
    """Return five methods' post-processing, on the finest grid, and copies of the maps."""
    side, image = material.inputs.scale.grid(1), material.inputs.scale.image_size
    maps = torch.rand(size.test, side, side).to(material.device)

    def finish() -> None:
        for _ in range(5):
            upsample_and_smooth(Scores(maps), image, SIGMA).cpu()

    finish()  # the matrices go to the device once
    return finish
