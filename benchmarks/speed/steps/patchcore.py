"""Times PatchCore's embedding, coreset and search against public code, faiss and products."""

from __future__ import annotations

from functools import partial

from benchmarks.speed import references as plain
from benchmarks.speed.inputs import DIMS, PATCH_SIZE
from benchmarks.speed.report import Comparison, Point
from benchmarks.speed.timing import TIE, Agreement, Bench, Reference, Run
from methods.components.coreset import farthest_first
from methods.components.embedding import embed, level_projections
from methods.components.flat_index import FlatIndex
from methods.lazy import Tensor, torch
from methods.patchcore import exact_search

ANOMALIB_DIMS = 306
"""What anomalib projects 250,880 patches to (Johnson-Lindenstrauss, distances kept to 0.9)."""

EMBEDDED = 8
"""Images a batch of the embedding."""


def coreset(bench: Bench) -> list[Comparison]:
    """Time the selection of the scale's percents of the training patches."""
    points, rows = bench.inputs.points, []
    for percent in bench.scale.percents:
        ours, official = _selections(bench, percent, len(points))
        size = len(points) * percent // 100
        rows += bench.compare(
            f"coreset {percent} %",
            f"{size:,} of {len(points):,} × {points.shape[1]}, {bench.inputs.patch_source}",
            ours,
            [official, _anomalib_loop(bench, size)],
            _same_selection(bench, percent),
        )
    return rows


def _selections(bench: Bench, percent: int, count: int) -> tuple[Run, Reference]:
    """Return the selection of a share of the first `count` points, and the official loop's."""
    points, size = bench.inputs.points[:count], count * percent // 100
    start, part = bench.inputs.start(points), min(size, bench.scale.centres)
    official = Reference(
        "official loop",
        lambda: plain.official_coreset(points, part, start),
        size / part,
        f"{part:,} of {size:,} centres run",
    )
    return partial(farthest_first, points, size, start), official


def _anomalib_loop(bench: Bench, size: int) -> Reference:
    """Return anomalib's coreset loop on points of as many dimensions as it projects to."""
    points, part = bench.inputs.columns(ANOMALIB_DIMS), bench.scale.centres // 4
    installed = plain.installed("anomalib")
    loop = plain.anomalib_coreset if installed else plain.norm_coreset
    return Reference(
        "anomalib" if installed else "anomalib's loop",
        lambda: loop(points, part),
        size / part,
        f"{part:,} of {size:,} centres run, {ANOMALIB_DIMS} dimensions, projection not counted",
    )


def _same_selection(bench: Bench, percent: int) -> Agreement:
    """Compare with the official loop, run whole in float64 on a few images' patches."""
    per_image = len(bench.inputs.points) // bench.scale.train
    points = bench.inputs.points[: per_image * bench.scale.checked]
    start, size = bench.inputs.start(points), len(points) * percent // 100
    ours = farthest_first(points, size, start).tolist()
    expected = plain.official_coreset(points.double(), size, start.double()).tolist()
    same = len(set(ours) & set(expected))
    return Agreement(same == size, f"{same:,} of {size:,} centres the same at N = {len(points):,}")


def coreset_growth(bench: Bench) -> list[Point]:
    """Time the selection of the largest coreset of more and more patches."""
    percent, count = bench.scale.percents[0], len(bench.inputs.points)
    at = partial(_selections, bench, percent)
    return bench.growth(f"coreset {percent} %", "patches", count, at)


def search(bench: Bench) -> list[Comparison]:
    """Time the nearest neighbours of test patches in the largest coreset of training patches.

    All prepare the bank within the time, as they do once for all of a category's test images.
    """
    queries, bank = bench.inputs.queries, bench.inputs.bank
    ours, flat = _searches(bench, len(bank))
    product = partial(plain.plain_product, queries, bank)
    return bench.compare(
        "search",
        f"{len(queries):,} queries, bank {len(bank):,} × {bank.shape[1]}, "
        f"{bench.inputs.patch_source}",
        ours,
        [Reference("plain product", product, note="no certificate"), flat],
        _same_neighbours(bench),
    )


def _searches(bench: Bench, count: int) -> tuple[Run, Reference]:
    """Return the search of the first `count` rows of the bank as PatchCore does it, and faiss's."""
    queries, bank = bench.inputs.queries, bench.inputs.bank[:count]
    return (
        lambda: exact_search(bank, len(queries))(queries),
        Reference("faiss IndexFlatL2", lambda: FlatIndex(bank).nearest(queries)),
    )


def _same_neighbours(bench: Bench) -> Agreement:
    """Compare with faiss; where the neighbours differ their exact distances decide."""
    queries, bank = bench.inputs.queries, bench.inputs.bank
    distances, ours = exact_search(bank, len(queries))(queries)
    flat_distances, theirs = FlatIndex(bank).nearest(queries)
    error = float(((flat_distances - distances).abs() / distances).max())
    differing = (ours != theirs).nonzero()[:, 0]
    to_ours, to_theirs = (
        (queries[differing].double() - bank[rows[differing]].double()).norm(dim=1)
        for rows in (ours, theirs)
    )
    farther = int((to_ours > to_theirs * (1 + TIE)).sum())
    closer = int((to_theirs > to_ours * (1 + TIE)).sum())
    text = (
        f"{len(queries) - len(differing):,} of {len(queries):,} neighbours the same, "
        f"{len(differing) - farther - closer} tie, {closer} closer, {farther} farther "
        f"than faiss's, whose distances are off by up to {error:.0e}"
    )
    return Agreement(farther == 0, text)


def search_growth(bench: Bench) -> list[Point]:
    """Time the search in more and more of the bank."""
    count, at = len(bench.inputs.bank), partial(_searches, bench)
    return bench.growth("search", "patches in the bank", count, at)


def embedding(bench: Bench) -> list[Comparison]:
    """Time images → patch features, without and with unfolded neighbourhoods."""
    backbone, size = bench.inputs.backbone, bench.scale.image_size
    images = torch.randint(0, 256, (EMBEDDED, 3, size, size)).to(torch.uint8).to(bench.device)
    channels = {i: backbone.channels[i] for i in (2, 3)}
    maps = level_projections(channels, PATCH_SIZE, DIMS, DIMS, bench.device)
    forward = plain.plain_forward(bench.inputs.network, (2, 3))

    def ours() -> Tensor:
        return embed(backbone.forward(images, (2, 3)), maps, DIMS)

    def unfolded() -> Tensor:
        return plain.unfolded_embedding(forward(images), PATCH_SIZE, DIMS, DIMS)

    expected = unfolded()
    error = float((ours() - expected).abs().max() / expected.abs().max())
    return bench.compare(
        "embedding",
        f"{len(images)} images of {size}, {bench.scale.backbone}, forward included",
        ours,
        [
            Reference("unfold form", unfolded, note="as the official code"),
            Reference("torchvision's forward", lambda: forward(images), note="no embedding"),
            Reference("forward alone", lambda: backbone.forward(images, (2, 3)), note="the limit"),
        ],
        Agreement(error < TIE, f"differs by {error:.0e} of the largest"),
    )
