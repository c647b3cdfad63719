"""The steps that `benchmarks.speed` times, each against its plain definition."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

import methods
from benchmarks.features import Extractor, FeatureCache
from benchmarks.metrics import pixel_metrics
from benchmarks.protocol import Protocol
from benchmarks.speed import references as plain
from benchmarks.speed.inputs import BATCH_IMAGES, DIMS, PATCH_SIZE
from benchmarks.speed.report import Growth, Row
from benchmarks.speed.timing import Agreement, Bench, Reference, Run
from methods.components.coreset import farthest_first
from methods.components.embedding import embed, level_maps
from methods.components.screening import ScreenedBank
from methods.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from methods.base import Features, Scores

EMBEDDED = 8
"""Images a batch of the embedding."""

THRESHOLDS = 200
ANOMALIB_DIMS = 306
"""What anomalib projects 250,880 patches to (Johnson-Lindenstrauss, distances kept to 0.9)."""

TIE = 1e-5
"""Relative difference of distances below which two neighbours tie in float32."""


def _official_loop(bench: Bench, count: int, size: int) -> Reference:
    """Return the official coreset loop on the first `count` points."""
    points = bench.inputs.points[:count]
    start, part = bench.inputs.start(points), min(size, bench.scale.centres)
    return Reference(
        "official loop",
        lambda: plain.official_coreset(points, part, start),
        size / part,
        f"{part:,} of {size:,} centres run",
    )


def _anomalib_loop(bench: Bench, size: int) -> Reference:
    """Return anomalib's coreset loop on points of as many dimensions as it projects to."""
    points, part = bench.inputs.patches[:, :ANOMALIB_DIMS].contiguous(), bench.scale.centres // 4
    there = plain.installed("anomalib")
    loop = plain.anomalib_coreset if there else plain.norm_coreset
    return Reference(
        "anomalib" if there else "anomalib's loop",
        lambda: loop(points, part),
        size / part,
        f"{part:,} of {size:,} centres run, {ANOMALIB_DIMS} dimensions, projection not counted",
    )


def coreset(bench: Bench) -> list[Row]:
    """Time the selection of a quarter and a tenth of the training patches."""
    inputs, rows = bench.inputs, []
    count, start = len(inputs.points), inputs.start(inputs.points)
    for percent in (25, 10):
        size = count * percent // 100
        rows += bench.compare(
            f"coreset {percent} %",
            f"{size:,} of {count:,} × {inputs.points.shape[1]}, {inputs.patch_source}",
            partial(farthest_first, inputs.points, size, start),
            [_official_loop(bench, count, size), _anomalib_loop(bench, size)],
            _same_selection(bench, percent),
        )
    return rows


def _same_selection(bench: Bench, percent: int) -> Agreement:
    """Compare with the official loop, run whole in float64 on a few images' patches."""
    per_image = len(bench.inputs.points) // bench.scale.train
    points = bench.inputs.points[: per_image * bench.scale.checked]
    start, size = bench.inputs.start(points), len(points) * percent // 100
    ours = farthest_first(points, size, start).tolist()
    expected = plain.official_coreset(points.double(), size, start.double()).tolist()
    same = len(set(ours) & set(expected))
    text = f"{same:,} of {size:,} centres the same at N = {len(points):,}"
    return Agreement(same == size, text)


def coreset_growth(bench: Bench) -> list[Growth]:
    """Time the selection of a quarter of more and more patches."""
    points = bench.inputs.points

    def ours(count: int) -> Run:
        part = points[:count]
        return partial(farthest_first, part, count // 4, bench.inputs.start(part))

    sizes = [len(points) // share for share in (8, 4, 2, 1)]
    return bench.growth(
        "coreset 25 %", "patches", sizes, ours, lambda n: _official_loop(bench, n, n // 4)
    )


def _flat(bench: Bench, count: int) -> Reference:
    queries = bench.inputs.queries.cpu().numpy()
    bank = bench.inputs.bank[:count]
    return Reference("faiss IndexFlatL2", lambda: plain.flat_index(bank).search(queries, 1))


def search(bench: Bench) -> list[Row]:
    """Time the nearest neighbours of test patches in a quarter of the training patches.

    Both prepare the bank within the time, as they do once for all of a category's test images.
    """
    queries, bank = bench.inputs.queries, bench.inputs.bank
    size = f"{len(queries):,} queries, bank {len(bank):,} × {bank.shape[1]}"
    return bench.compare(
        "search",
        f"{size}, {bench.inputs.patch_source}",
        lambda: ScreenedBank(bank).nearest(queries),
        [_flat(bench, len(bank))],
        _same_neighbours(bench),
    )


def _same_neighbours(bench: Bench) -> Agreement:
    """Compare with faiss; where the neighbours differ their exact distances decide."""
    queries, bank = bench.inputs.queries, bench.inputs.bank
    ours = ScreenedBank(bank).nearest(queries)[1].cpu()
    flat = plain.flat_index(bank).search(queries.cpu().numpy(), 1)[1][:, 0]
    theirs = torch.from_numpy(flat)
    differing = (ours != theirs).nonzero()[:, 0]
    own, other = (
        (queries[differing].double() - bank[rows[differing]].double()).norm(dim=1)
        for rows in (ours, theirs)
    )
    farther = int((own > other * (1 + TIE)).sum())
    closer = int((other > own * (1 + TIE)).sum())
    text = (
        f"{len(queries) - len(differing):,} of {len(queries):,} neighbours the same, "
        f"{len(differing) - farther - closer} tie, {closer} closer, {farther} farther than faiss's"
    )
    return Agreement(farther == 0, text)


def search_growth(bench: Bench) -> list[Growth]:
    """Time the search in more and more of the bank."""
    queries, bank = bench.inputs.queries, bench.inputs.bank
    sizes = [len(bank) // share for share in (8, 4, 2, 1)]
    return bench.growth(
        "search",
        "patches in the bank",
        sizes,
        lambda count: lambda: ScreenedBank(bank[:count]).nearest(queries),
        lambda count: _flat(bench, count),
    )


def embedding(bench: Bench) -> list[Row]:
    """Time images → patch features, without and with unfolded neighbourhoods."""
    backbone, size = bench.inputs.backbone, bench.scale.image_size
    images = torch.randint(0, 256, (EMBEDDED, 3, size, size)).to(torch.uint8).to(bench.device)
    channels = {i: backbone.channels[i] for i in (2, 3)}
    maps = level_maps(channels, PATCH_SIZE, DIMS, DIMS, bench.device)
    unfold = partial(plain.unfolded_embedding, patch_size=PATCH_SIZE, level_dims=DIMS, dims=DIMS)
    forward = plain.plain_forward(bench.inputs.network, (2, 3))
    expected = unfold(forward(images))
    ours = embed(backbone.forward(images, (2, 3)), maps, DIMS)
    error = float((ours - expected).abs().max() / expected.abs().max())
    return bench.compare(
        "embedding",
        f"{len(images)} images of {size}, {bench.scale.backbone}, forward included",
        lambda: embed(backbone.forward(images, (2, 3)), maps, DIMS),
        [
            Reference("unfold form", lambda: unfold(forward(images)), note="as the official code"),
            Reference("torchvision's forward", lambda: forward(images), note="no embedding"),
            Reference("forward alone", lambda: backbone.forward(images, (2, 3)), note="the limit"),
        ],
        Agreement(error < TIE, f"differs by {error:.0e} of the largest"),
    )


def _extract(bench: Bench, side: int, count: int) -> tuple[Run, list[Reference]]:
    """Return the extraction of image files, and bare forwards of as many decoded images."""
    inputs, size = bench.inputs, bench.scale.image_size
    category = inputs.category(side, count)
    levels = inputs.backbone.levels
    images = torch.randint(0, 256, (count, 3, size, size)).to(torch.uint8)

    def extract() -> None:
        shutil.rmtree(inputs.folder / "cache", ignore_errors=True)
        cache = FeatureCache(inputs.folder / "cache")
        protocol = Protocol(inputs.backbone.spec, size)
        extractor = Extractor(cache, "speed", protocol, levels, lambda: inputs.backbone)
        extractor.arrays(category, lambda images: None)

    def through(forward: Callable[[Tensor], object]) -> Run:
        return lambda: [forward(batch.to(bench.device)) for batch in images.split(BATCH_IMAGES)]

    own = partial(inputs.backbone.forward, levels=levels)
    return extract, [
        Reference("forward alone", through(own), note="the limit: no decoding, no writing"),
        Reference(
            "torchvision's forward",
            through(plain.plain_forward(inputs.network, levels)),
            note="no decoding, no writing",
        ),
    ]


def extraction(bench: Bench) -> list[Row]:
    """Time image files → cached features, by the size of the files."""
    rows, count = [], bench.scale.extracted
    for side in bench.scale.sides:
        extract, forwards = _extract(bench, side, count)
        size = f"{count} PNG files of {side} × {side}, {bench.scale.backbone}, levels 1–4, cached"
        rows += bench.compare(f"extraction {side}", size, extract, forwards)
    return rows


def extraction_growth(bench: Bench) -> list[Growth]:
    """Time the extraction of more and more images."""
    side, count = bench.scale.sides[0], bench.scale.extracted
    return bench.growth(
        "extraction",
        "images",
        [count // 4, count // 2, count],
        lambda count: _extract(bench, side, count)[0],
        lambda count: _extract(bench, side, count)[1][0],
    )


def spade(bench: Bench) -> list[Row]:
    """Time SPADE's score of one image, of several that share a gallery."""
    scale, gallery = bench.scale, bench.inputs.train.select(range(bench.scale.neighbours))
    test = bench.inputs.test.select(range(scale.correspond))
    name = f"spade[neighbours={scale.neighbours}]"
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
        _same_distances(_maps(method.score(test)), test, gallery),
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
    return _close(scores[chosen], smallest, "positions")


def _close(ours: Tensor, expected: Tensor, what: str) -> Agreement:
    error = float(((ours.double() - expected).abs() / expected.abs()).max())
    return Agreement(error < TIE, f"{ours.numel()} {what} differ by at most {error:.0e}")


def _maps(scores: Scores) -> Tensor:
    """Return the maps of a method that makes one an image."""
    return scores.maps[0] if isinstance(scores.maps, tuple) else scores.maps


def padim(bench: Bench) -> list[Row]:
    """Time PaDiM's fit and score of a category."""
    train, test = bench.inputs.train, bench.inputs.test
    _, height, width = train.shape(1)
    total = sum(train.shape(level)[0] for level in (1, 2, 3))
    count = 550 if total > 448 else 100
    drawn = torch.randperm(total, generator=torch.Generator().manual_seed(0))[:count]
    dims = sorted(drawn.tolist())
    where = np.linspace(0, height * width - 1, bench.scale.positions).astype(int)
    nominal, tested = (plain.positions(f, dims, where.tolist()) for f in (train, test))

    def fit_and_score() -> Tensor:
        method = methods.create("padim").fit(train, torch.Generator().manual_seed(0))
        return _maps(method.score(test))

    ours = fit_and_score().flatten(1)[:, where].T.cpu()
    expected = torch.from_numpy(plain.position_loop(nominal, tested))
    return bench.compare(
        "padim",
        f"{len(train)} training, {len(test)} test images, {height} × {width} × {len(dims)}",
        fit_and_score,
        [
            Reference(
                "loop over positions",
                lambda: plain.position_loop(nominal, tested),
                height * width / len(where),
                f"{len(where)} of {height * width:,} positions run, embedding not counted",
            )
        ],
        _close(ours, expected, "distances"),
    )


def aupro(bench: Bench) -> list[Row]:
    """Time AUPRO, pixel AUROC and average precision of all test maps, together."""
    maps, masks, part = bench.inputs.maps, bench.inputs.masks, bench.scale.thresholds
    levels = np.linspace(maps.max(), maps.min(), THRESHOLDS)[:: THRESHOLDS // part].tolist()
    references = [
        Reference("np.sort alone", lambda: np.sort(maps, axis=None), note="the limit of a sort"),
        Reference(
            f"loop over {THRESHOLDS} thresholds",
            lambda: plain.threshold_loop(maps, masks, levels),
            THRESHOLDS / part,
            f"{part} thresholds run; AUPRO only, inexact",
        ),
    ]
    if plain.installed("adeval"):
        bins = partial(plain.adeval_metrics, maps, masks.astype(np.uint8))
        references.append(Reference("ADEval", bins, note="all three, from 1,000 bins"))
    if plain.installed("anomalib"):
        tensors = torch.from_numpy(maps), torch.from_numpy(masks)
        exact = partial(plain.anomalib_aupro, *tensors)
        references.append(Reference("anomalib", exact, note="AUPRO only"))
    count, height, width = maps.shape
    return bench.compare(
        "aupro",
        f"{count} maps of {height} × {width}, with pixel AUROC and AP",
        partial(pixel_metrics, maps, masks),
        references,
        _same_metrics(bench),
    )


def _same_metrics(bench: Bench) -> Agreement:
    """Compare with scikit-learn, and with the PRO curve at every distinct score of a few maps."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    maps, masks = bench.inputs.maps[:4, ::4, ::4], bench.inputs.masks[:4, ::4, ::4]
    ours, flat = pixel_metrics(maps, masks), (masks.ravel(), maps.ravel())
    rates, overlaps = plain.threshold_loop(maps, masks, np.unique(maps)[::-1].tolist())
    rates, overlaps = np.append(0, rates), np.append(0, overlaps)
    inside = np.append(rates[rates < 0.3], 0.3)
    area = np.trapezoid(np.append(overlaps[rates < 0.3], np.interp(0.3, rates, overlaps)), inside)
    expected = (roc_auc_score(*flat), average_precision_score(*flat), area / 0.3)
    error = float(np.abs(np.subtract(list(ours.values()), expected)).max())
    return Agreement(error < 1e-9, f"differ by at most {error:.0e} on {len(maps)} coarse maps")
