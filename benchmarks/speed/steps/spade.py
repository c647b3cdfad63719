"""Times SPADE's score of an image against the popular code."""

from __future__ import annotations

import methods
from benchmarks.speed import references as plain
from benchmarks.speed.report import Comparison
from benchmarks.speed.timing import Agreement, Bench, Reference, Run, close
from methods.base import Features
from methods.lazy import Tensor, torch


def spade(bench: Bench) -> list[Comparison]:
    """Time SPADE's score of one image, of several that share a gallery."""
    scale, gallery = bench.scale, bench.inputs.train.select(range(bench.scale.neighbours))
    test = bench.inputs.test.select(range(scale.correspond))
    name = f"spade[neighbours={scale.neighbours},squared=false]"  # the popular code's
    method = methods.create(name).fit(gallery, torch.Generator().manual_seed(0))
    _, height, width = gallery.shape(1)
    dims = sum(gallery.shape(level)[0] for level in (1, 2, 3))
    operations = 2 * (height * width) ** 2 * scale.neighbours * dims
    square = torch.rand(scale.matrix, scale.matrix, device=bench.device)
    popular = f"1 of {scale.popular_share} parts of each level's gallery run; not concatenated"
    return bench.compare(
        "spade",
        f"an image (of {scale.correspond}), K = {scale.neighbours}, {dims} × {height} × {width}",
        lambda: method.score(test),
        [
            Reference(
                "popular code",
                _popular(scale.popular_share, test, gallery),
                scale.popular_share,
                popular,
            ),
            Reference(
                "GEMM peak",
                lambda: square @ square,
                operations / (2 * scale.matrix**3),
                f"{operations / 1e12:.3g} TFLOP at the rate of {scale.matrix}³; ratio = share",
            ),
        ],
        _same_distances(method.score(test).grids[0], test, gallery),
        times=1 / scale.correspond,
    )


def _popular(share: int, test: Features, gallery: Features) -> Run:
    """Return the popular code's maps of one image, over one part in `share` of the gallery."""
    levels = []
    for level in (1, 2, 3):
        _, height, width = gallery.shape(level)
        rows = len(gallery) * height * width // share
        images = slice(0, -(-rows // (height * width)))
        features = gallery.read(level, images).permute(0, 2, 3, 1).flatten(0, 2)
        levels.append((test.read(level, [0]), features[:rows]))
    return lambda: [plain.popular_correspondence(*level) for level in levels]


def _same_distances(maps: Tensor, test: Features, gallery: Features) -> Agreement:
    """Compare some positions' scores with the smallest distance to all of the gallery."""
    scores = maps.reshape(len(test), -1)[0]
    chosen = torch.linspace(0, len(scores) - 1, 20).long().to(scores.device)
    queries = plain.pyramid(test, 0, (1, 2, 3))[chosen].double()
    smallest = torch.full((len(queries),), torch.inf, device=queries.device, dtype=torch.float64)
    for image in range(len(gallery)):
        features = plain.pyramid(gallery, image, (1, 2, 3)).double()
        exact = torch.cdist(queries, features, compute_mode="donot_use_mm_for_euclid_dist")
        smallest = torch.minimum(smallest, exact.amin(dim=1))
    return close(scores[chosen], smallest, "positions")
