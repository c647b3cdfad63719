"""Times what methods do: PatchCore's coreset and search, SPADE's correspondence, PaDiM."""

from __future__ import annotations

from functools import partial

import numpy as np

import methods
from benchmarks.speed import references
from benchmarks.speed.report import Comparison
from benchmarks.speed.timing import TIE, Agreement, Bench, Reference, close
from methods.base import Features
from methods.components import plain
from methods.components.coreset import farthest_first
from methods.components.flat_index import FlatIndex
from methods.lazy import Tensor, torch
from methods.padim import dims_of_backbone
from methods.patchcore import exact_search

SHARES = (8, 4, 2, 1)
"""One part in so many of the full size is timed."""

CHECKED = 8
"""Training images whose selection is compared with the plain loop's."""

NEIGHBOURS = 50
"""K, the images that SPADE retrieves."""

SCORED = 8
"""Test images that SPADE scores."""

MATRIX = 4096
"""Side of the matrices whose product gives the peak rate."""

POSITIONS = 50
"""Positions that PaDiM's plain loop runs for."""


def coreset(bench: Bench) -> list[Comparison]:
    """Time the selection of a coreset of more and more training patches."""
    percent, agreement, rows = bench.scale.percent, _same_selection(bench), []
    for share in SHARES:
        points = bench.inputs.points[: len(bench.inputs.points) // share]
        start, size = bench.inputs.start(points), len(points) * percent // 100
        part = min(size, bench.scale.centres)
        loop = partial(references.official_coreset, points, part, start)
        note = f"{part:,} of {size:,} centres run"
        rows += bench.compare(
            f"coreset {percent} %",
            f"{size:,} of {len(points):,} × {points.shape[1]}, {bench.inputs.patch_source}",
            partial(farthest_first, points, size, start),
            [Reference("official loop", loop, size / part, note)],
            agreement,
            amount=(len(points), "patches"),
        )
    return rows


def _same_selection(bench: Bench) -> Agreement:
    """Compare with the official loop, run whole in float64 on a few images' patches."""
    per_image = len(bench.inputs.points) // bench.scale.train
    points = bench.inputs.points[: per_image * CHECKED]
    start, size = bench.inputs.start(points), len(points) * bench.scale.percent // 100
    ours = farthest_first(points, size, start).tolist()
    expected = references.official_coreset(points.double(), size, start.double()).tolist()
    same = len(set(ours) & set(expected))
    return same == size, f"{same:,} of {size:,} centres the same at N = {len(points):,}"


def search(bench: Bench) -> list[Comparison]:
    """Time the nearest neighbours of test patches in more and more of the coreset.

    All prepare the bank within the time, as they do once for all of a category's test images.
    """
    queries, agreement, rows = bench.inputs.queries, _same_neighbours(bench), []
    for share in SHARES:
        bank = bench.inputs.bank[: len(bench.inputs.bank) // share]
        product = partial(references.plain_product, queries, bank)
        faiss = partial(_nearest_by_faiss, queries, bank)
        size = f"{len(queries):,} queries, bank {len(bank):,} × {bank.shape[1]}"
        rows += bench.compare(
            "search",
            f"{size}, {bench.inputs.patch_source}",
            partial(_nearest, queries, bank),
            [Reference("plain product", product), Reference("faiss IndexFlatL2", faiss)],
            agreement,
            amount=(len(bank), "patches in the bank"),
        )
    return rows


def _nearest(queries: Tensor, bank: Tensor) -> tuple[Tensor, Tensor]:
    return exact_search(bank, len(queries))(queries)


def _nearest_by_faiss(queries: Tensor, bank: Tensor) -> tuple[Tensor, Tensor]:
    return FlatIndex(bank).nearest(queries)


def _same_neighbours(bench: Bench) -> Agreement:
    """Compare with faiss; where the neighbours differ their exact distances decide."""
    queries, bank = bench.inputs.queries, bench.inputs.bank
    distances, ours = _nearest(queries, bank)
    flat_distances, theirs = _nearest_by_faiss(queries, bank)
    error = float(((flat_distances - distances).abs() / distances).max())
    to_ours, to_theirs = (
        (queries.double() - bank[rows].double()).norm(dim=1) for rows in (ours, theirs)
    )
    farther = int((to_ours > to_theirs * (1 + TIE)).sum())
    text = (
        f"{int((ours == theirs).sum()):,} of {len(queries):,} neighbours the same, {farther} "
        f"farther than faiss's, whose distances are off by up to {error:.0e}"
    )
    return farther == 0, text


def spade(bench: Bench) -> list[Comparison]:
    """Time SPADE's score of one image, of several that share a gallery."""
    count = min(NEIGHBOURS, bench.scale.train)
    gallery = bench.inputs.train.select(range(count))
    test = bench.inputs.test.select(range(bench.scale.test)[:SCORED])
    method = methods.create("spade[squared=false]").fit(gallery, torch.Generator().manual_seed(0))
    _, height, width = gallery.shape(1)
    dims = sum(gallery.shape(level)[0] for level in (1, 2, 3))
    operations = 2 * (height * width) ** 2 * count * dims
    square = torch.rand(MATRIX, MATRIX, device=bench.device)
    note = f"{operations / 1e12:.3g} TFLOP at the rate of {MATRIX}³; ratio = share"
    peak = Reference("GEMM peak", lambda: square @ square, operations / (2 * MATRIX**3), note)
    return bench.compare(
        "spade",
        f"an image (of {len(test)}), K = {count}, {dims} × {height} × {width}",
        lambda: method.score(test),
        [peak],
        _same_distances(method.score(test).grids[0], test, gallery),
        times=1 / len(test),
    )


def _same_distances(maps: Tensor, test: Features, gallery: Features) -> Agreement:
    """Compare some positions' scores with the smallest distance to all of the gallery."""

    def positions(features: Features, image: int) -> Tensor:
        return plain.pyramid([features.read(level, [image]) for level in (1, 2, 3)])[0]

    scores = maps.reshape(len(test), -1)[0]
    chosen = torch.linspace(0, len(scores) - 1, 20).long().to(scores.device)
    queries = positions(test, 0)[chosen]
    near = [plain.nearest(queries, positions(gallery, i))[0] for i in range(len(gallery))]
    return close(scores[chosen], torch.cat(near, dim=1).amin(dim=1), "positions")


def padim(bench: Bench) -> list[Comparison]:
    """Time PaDiM's fit and score of a category."""
    train, test = bench.inputs.train, bench.inputs.test
    _, height, width = train.shape(1)
    total = sum(train.shape(level)[0] for level in (1, 2, 3))
    drawn = torch.randperm(total, generator=torch.Generator().manual_seed(0))
    dims = sorted(drawn[: dims_of_backbone(total)].tolist())
    where = np.linspace(0, height * width - 1, POSITIONS).astype(int)
    nominal, tested = (references.positions(f, dims, where.tolist()) for f in (train, test))

    def fit_and_score() -> Tensor:
        method = methods.create("padim").fit(train, torch.Generator().manual_seed(0))
        return method.score(test).grids[0]

    loop = partial(references.position_loop, nominal, tested)
    ours, expected = fit_and_score().flatten(1)[:, where].T.cpu(), torch.from_numpy(loop())
    note = f"{POSITIONS} of {height * width:,} positions run, embedding not counted"
    return bench.compare(
        "padim",
        f"{len(train)} training, {len(test)} test images, {height} × {width} × {len(dims)}",
        fit_and_score,
        [Reference("loop over positions", loop, height * width / POSITIONS, note)],
        close(ours, expected, "distances"),
    )
