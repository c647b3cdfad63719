"""Fast searches give what `methods.components.plain` gives, as far as float32's sums can tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from methods.base import Features
from methods.components import bounds, coreset, plain
from methods.components.coreset import Selection
from methods.components.coreset_device import Sizes
from methods.components.correspondence import gallery, pyramid
from methods.components.neighbours import nearest
from methods.components.precision import full_precision
from methods.components.screening import ScreenedBank, Tiles
from methods.testing.pretended import pretended_cuda
from tests.methods.components.inputs import INTEGERS, NAMES, draw
from tests.methods.components.tolerances import distance_tolerance

PRECISIONS = (torch.bfloat16, torch.float32)
SMALL_TILES = Tiles(gallery_rows=256, query_rows=64, few=32, several=2)
SMALL_SIZES = Sizes(pool=96, cluster_points=64, clusters_around=3, stride=20, rows=50, centres=70)

Search = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


@pytest.fixture(params=PRECISIONS, ids=["bfloat16", "float32"])
def _precision(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "low_precision", lambda device: request.param)


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> str:
    """Both ways of searching: loops compiled for the CPU, and few large operations."""
    return str(request.param)


@full_precision()
def screened(
    queries: torch.Tensor, bank: torch.Tensor, device: str, tiles: Tiles = SMALL_TILES
) -> list[torch.Tensor]:
    """Return distances and rows (n, 1) of a screened bank."""
    with pretended_cuda():
        searched = ScreenedBank(bank.to(device), tiles).nearest(queries.to(device))
        return [result.cpu()[:, None] for result in searched]


@full_precision()
def selected(points: torch.Tensor, size: int, start: torch.Tensor, device: str) -> list[int]:
    with pretended_cuda():
        selection = Selection(points.to(device), start.to(device), SMALL_SIZES)
        return selection.first(size).tolist()


@full_precision()
def corresponding(
    training: Features, test: Features, retrieved: torch.Tensor, kappa: int
) -> torch.Tensor:
    """Return distances (N, h·w, kappa)."""
    there = gallery(training, (1, 2))
    return there.correspond(test, retrieved.to(test.device), kappa).flatten(1, 2).cpu()


def assert_nearest(
    queries: torch.Tensor, bank: torch.Tensor, distances: torch.Tensor, rows: torch.Tensor
) -> None:
    """Assert that these are distances to, and rows of, the nearest, (n, k) each."""
    tolerance = distance_tolerance(bank.shape[1])
    exact = plain.distances(queries, bank).gather(1, rows)
    assert bool(((distances - exact).abs() <= tolerance * exact).all())
    least, _ = plain.nearest(queries, bank, rows.shape[1])
    assert bool((exact <= least * (1 + tolerance)).all())
    assert all(len(set(row)) == len(row) for row in rows.tolist())


def assert_farthest(points: torch.Tensor, start: torch.Tensor, chosen: list[int]) -> None:
    """Assert that each choice is the farthest, given those before it."""
    tolerance, between = distance_tolerance(points.shape[1]), plain.distances(points, points)
    to_coreset = start.double()
    for choice in chosen:
        assert to_coreset[choice] >= to_coreset.max() * (1 - tolerance)
        to_coreset = torch.minimum(to_coreset, between[choice])
        to_coreset[choice] = -1


@pytest.mark.usefixtures("_precision")
@pytest.mark.parametrize("dims", [2, 50])
@pytest.mark.parametrize("name", NAMES)
def test_a_screened_bank_names_the_nearest(name: str, dims: int, device: str) -> None:
    queries, bank = draw(name, 700, dims).split([100, 600])
    assert_nearest(queries, bank, *screened(queries, bank, device))


def test_a_screened_bank_names_the_nearest_in_spades_dimensions(device: str) -> None:
    queries, bank = draw("relu", 350, 1792).split([50, 300])
    assert_nearest(queries, bank, *screened(queries, bank, device))


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("dims", [2, 50])
@pytest.mark.parametrize("name", NAMES)
def test_neighbours_are_the_nearest(name: str, dims: int, k: int, device: str) -> None:
    queries, bank = draw(name, 400, dims).split([100, 300])
    with pretended_cuda(), full_precision():
        searched = nearest(queries.to(device), bank.to(device), k)
        distances, rows = (result.cpu() for result in searched)
    assert_nearest(queries, bank, distances, rows)


@pytest.mark.usefixtures("_precision")
@pytest.mark.parametrize("side", [2, 30])
def test_of_equally_near_rows_the_first_is_named(side: int, device: str) -> None:
    """A device names any of more equally near rows than it compares exactly: there are fewer."""
    generator = torch.Generator().manual_seed(side)
    bank = torch.randint(0, side, (600, 12), generator=generator).float()
    queries = torch.randint(0, side, (200, 12), generator=generator).float()
    bank = torch.cat([bank[:100], bank])
    first = plain.nearest(queries, bank)[1]
    impatient = replace(SMALL_TILES, hopeless=0, few=0, several=0)
    for tiles in (SMALL_TILES, impatient):
        assert torch.equal(screened(queries, bank, device, tiles)[1], first)
    if device == "cpu":
        assert torch.equal(nearest(queries, bank)[1], first)


@pytest.mark.usefixtures("_precision")
@pytest.mark.parametrize("name", NAMES)
def test_every_choice_of_a_coreset_is_the_farthest(name: str, device: str) -> None:
    """Given its own earlier choices: the first near-tie parts it from the plain selection."""
    points = draw(name, 300, 6)
    start = plain.distances(points, points[:10]).mean(dim=1).float()
    chosen = selected(points, 300, start, device)
    assert sorted(chosen) == list(range(300))
    assert_farthest(points, start, chosen)


@pytest.mark.usefixtures("_precision")
def test_of_equally_far_points_the_first_is_chosen(device: str) -> None:
    points = draw(INTEGERS, 600, 3)
    start = torch.full((600,), 50.0)
    expected = plain.greedy_coreset(points, 300, start).tolist()
    assert selected(points, 300, start, device) == expected


@pytest.mark.usefixtures("_precision")
@pytest.mark.parametrize("barrier", [0, 1, 2])
def test_of_points_equally_far_as_one_outside_a_pool_those_before_it_are_chosen(
    barrier: int,
) -> None:
    points, squared = torch.tensor([[0.0], [10.0], [20.0]]), torch.full((3,), 4.0)
    reduction = bounds.Reduction.of(points)
    chosen = list(coreset._farthest(reduction, points, squared, 4.0, barrier, stride=8))
    assert [number for places in chosen for number in places.tolist()] == list(range(barrier))


@pytest.mark.usefixtures("_precision")
@pytest.mark.parametrize("kappa", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_correspondences_are_with_the_nearest_positions(name: str, kappa: int, device: str) -> None:
    """From the same float32 positions, after interpolation."""
    grids = {1: (6, 5, 4), 2: (9, 3, 2)}
    drawn = {level: draw(name, 10 * h * w, c, level) for level, (c, h, w) in grids.items()}
    levels = {
        level: drawn[level].view(10, h, w, c).permute(0, 3, 1, 2).contiguous()
        for level, (c, h, w) in grids.items()
    }
    retrieved = torch.stack([torch.randperm(7)[:4] for _ in range(3)])
    with pretended_cuda():
        training, test = (
            Features({level: array[images] for level, array in levels.items()}, device=device)
            for images in (slice(7), slice(7, None))
        )
        distances = corresponding(training, test, retrieved, kappa)
        queries, positions = (
            pyramid(features, slice(None), (1, 2)).cpu() for features in (test, training)
        )
    expected = plain.correspondence(queries, positions, retrieved, kappa)
    tolerance = distance_tolerance(positions.shape[2])
    assert bool(((distances - expected).abs() <= tolerance * expected).all())


@pytest.mark.usefixtures("_precision")
@pytest.mark.parametrize("training_images", [7, 40])
@pytest.mark.parametrize("name", ["noise", "clusters"])
def test_correspondences_are_the_same_in_little_memory(name: str, training_images: int) -> None:
    """By 32 channels of all images at a time, or by 16 of some."""
    count = training_images + 3
    drawn = [draw(name, count * h * w, c) for c, h, w in ((20, 5, 4), (35, 3, 2))]
    maps = [drawn[0].view(count, 5, 4, 20), drawn[1].view(count, 3, 2, 35)]
    levels = {level: part.permute(0, 3, 1, 2).contiguous() for level, part in enumerate(maps, 1)}
    retrieved = torch.stack([torch.randperm(training_images)[:4] for _ in range(3)])
    nominal, others = slice(training_images), slice(training_images, count)
    with pretended_cuda():
        little, test, roomy = (
            Features({level: array[images] for level, array in levels.items()}, None, "cuda", size)
            for images, size in ((nominal, 1), (others, 1), (nominal, 8 << 30))
        )
        distances = corresponding(little, test, retrieved, 2)
        assert torch.equal(distances, corresponding(roomy, test, retrieved, 2))
        queries, positions = (pyramid(some, slice(None), (1, 2)).cpu() for some in (test, roomy))
    expected = plain.correspondence(queries, positions, retrieved, 2)
    assert bool(((distances - expected).abs() <= distance_tolerance(55) * expected).all())


def test_positions_are_the_plain_pyramids() -> None:
    """A resized value is a mean of four, each weighted by two numbers: some roundings."""
    generator = torch.Generator().manual_seed(0)
    levels = [
        torch.rand(3, *shape, generator=generator) for shape in ((4, 8, 6), (5, 4, 3), (6, 2, 2))
    ]
    features = Features(dict(enumerate(levels, 1)))
    actual = pyramid(features, slice(None), (1, 2, 3)).double()
    torch.testing.assert_close(actual, plain.pyramid(levels), rtol=8 * 2.0**-24, atol=0)
