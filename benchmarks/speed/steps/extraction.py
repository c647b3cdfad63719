"""Times extraction, from image files to cached features."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial

from benchmarks.features import Extractor, FeatureCache
from benchmarks.specs import EvaluationProtocol
from benchmarks.speed import references as plain
from benchmarks.speed.inputs import BATCH_IMAGES
from benchmarks.speed.report import Comparison, Point
from benchmarks.speed.timing import Bench, Reference, Run
from methods.lazy import Tensor, torch


def _extract(bench: Bench, side: int, count: int) -> tuple[Run, list[Reference]]:
    """Return the extraction of image files, and bare forwards of as many decoded images."""
    inputs, size = bench.inputs, bench.scale.image_size
    category = inputs.category(side, count)
    levels = inputs.backbone.levels
    images = torch.randint(0, 256, (count, 3, size, size)).to(torch.uint8)

    def extract() -> None:
        shutil.rmtree(inputs.folder / "cache", ignore_errors=True)
        cache = FeatureCache(inputs.folder / "cache")
        protocol = EvaluationProtocol(inputs.backbone.spec, size)
        extractor = Extractor(cache, "speed", protocol, levels, lambda: inputs.backbone)
        extractor.arrays(category, lambda images: None)

    def through(forward: Callable[[Tensor], object]) -> Run:
        return lambda: [forward(batch.to(bench.device)) for batch in images.split(BATCH_IMAGES)]

    folded = partial(inputs.backbone.forward, levels=levels)
    return extract, [
        Reference("forward alone", through(folded), note="the limit: no decoding, no writing"),
        Reference(
            "torchvision's forward",
            through(plain.plain_forward(inputs.network, levels)),
            note="no decoding, no writing",
        ),
    ]


def extraction(bench: Bench) -> list[Comparison]:
    """Time image files → cached features, by the size of the files."""
    rows, count = [], bench.scale.extracted
    for side in bench.scale.sides:
        extract, forwards = _extract(bench, side, count)
        size = f"{count} PNG files of {side} × {side}, {bench.scale.backbone}, levels 1–4, cached"
        rows += bench.compare(f"extraction {side}", size, extract, forwards)
    return rows


def extraction_growth(bench: Bench) -> list[Point]:
    """Time the extraction of more and more images."""

    def at(count: int) -> tuple[Run, Reference]:
        extract, (forward, _) = _extract(bench, bench.scale.sides[0], count)
        return extract, forward

    return bench.growth("extraction", "images", bench.scale.extracted, at, shares=(4, 2, 1))
