"""What methods compute and hold on a card that is small, or slow in float64: counted, not timed."""

from __future__ import annotations

import pytest
import torch

import methods
from methods.base import Features, Scores
from methods.components import bounds, correspondence
from methods.components.precision import full_precision
from methods.testing.pretended import Counts, pretended_cuda

CHANNELS = {1: 256, 2: 512, 3: 1024, 4: 2048}
"""WideResNet50's."""


def features(count: int, side: int, seed: int, memory: int = 8 << 30, thinner: int = 1) -> Features:
    """Return features of few latent causes, as networks' are, on grids of `side` and coarser."""
    mixing, generator = torch.Generator().manual_seed(9), torch.Generator().manual_seed(seed)
    levels = {}
    for level, whole in CHANNELS.items():
        channels = whole // thinner
        width = max(1, side >> (level - 1))
        latent = torch.randn(count, 12, width, width, generator=generator)
        weights = torch.randn(12, channels, generator=mixing)
        noise = torch.randn(count, channels, width, width, generator=generator)
        mixed = torch.einsum("nkhw,kc->nchw", latent, weights) + 0.3 * noise
        levels[level] = mixed.relu_().to("cuda")
    return Features(levels, device="cuda", memory=memory)


def scored(name: str, memory: int, training: int = 40, test: int = 14) -> tuple[Scores, Counts]:
    """Return a method's scores, and what it did to fit and score."""
    with pretended_cuda() as counts, full_precision():
        given, asked = (
            features(count, 12, seed, memory, 8) for seed, count in enumerate((training, test))
        )
        before = Counts()
        before.update(counts)
        fitted = methods.create(name).fit(given, torch.Generator().manual_seed(0))
        scores = fitted.score(asked)
        maps = scores.maps if isinstance(scores.maps, tuple) else (scores.maps,)
        assert scores.images is not None
        host = Scores(tuple(grid.cpu() for grid in maps), scores.images.cpu())
    counts.subtract(before)
    return host, counts


LEVEL_2, LEVEL_3 = 4 * 4, 2 * 2
"""Positions of a grid of 8 × 8 and coarser."""


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("knn", 0),
        ("anomalydino", 0),
        ("rad", 0),
        ("softpatch", 2 * LEVEL_2 * 20 * 20 * 128),  # a position's patches with each other
        ("dfm", 2 * 1024 * (20 * 20 + 20 * 20 + 2 * 6 * 20)),  # images with each other
        ("subspace", 2 * 1024 * 1024 * LEVEL_3 * 20 + 4 * 1024 * 6 * LEVEL_3 * 80),
        ("mahalanobis", 2 * 20 * (256**2 + 512**2 + 1024**2 + 2048**2)),
    ],
)
def test_float64_is_for_small_matrices(name: str, most: int) -> None:
    with pretended_cuda() as counts, full_precision():
        given, asked = features(20, 8, 0), features(6, 8, 1)
        before = counts["pageable copy by the main thread"]
        fitted = methods.create(name).fit(given, torch.Generator().manual_seed(0))
        fitted.score(asked)
        copies = counts["pageable copy by the main thread"] - before
    assert dict(counts.work.products).get("float64", 0) <= most
    assert copies <= 2  # none an image


@pytest.mark.parametrize("name", ["patchcore-25", "spade", "padim"])
def test_hardly_a_product_is_of_float64(name: str) -> None:
    """An ordinary card does float64 at 1/64 of float32: at a tenth of the time, nobody minds."""
    with pretended_cuda() as counts, full_precision():
        fitted = methods.create(name).fit(features(20, 8, 0), torch.Generator().manual_seed(0))
        fitted.score(features(6, 8, 1))
    products = dict(counts.work.products)
    wide = products.pop("float64", 0)
    assert 64 * wide <= 0.1 * sum(products.values())


@pytest.fixture(scope="module")
def roomy() -> tuple[Scores, Counts]:
    return scored("spade[neighbours=8]", 8 << 30)


def memory_for(images: float) -> int:
    """Return the memory of which bounds of so many of 40 images take all that they may."""
    sizes: list[int] = []
    bounds_of = correspondence.Tiled._bounds

    def noted(gallery: correspondence.Tiled, images: slice) -> correspondence.Reduced:
        sizes.append(gallery._positions * gallery._reduction.bytes_per_point)
        return bounds_of(gallery, images)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(correspondence.Tiled, "_bounds", noted)
        scored("spade[neighbours=8]", 8 << 30, test=1)
    return int(images * sizes[0] / correspondence.KEPT_SHARE)


def assert_same(actual: Scores, expected: Scores) -> None:
    assert torch.equal(actual.maps[0], expected.maps[0])
    assert actual.images is not None
    assert expected.images is not None
    assert torch.equal(actual.images, expected.images)


def divide_as_a_large_category(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let 40 images of 12 x 12 positions be divided as 56 x 56 are, of which 50 are retrieved."""
    smaller = 12**2 / 56**2
    tiles = int(correspondence.TILE_BYTES * smaller**2 * 8 / 50)
    monkeypatch.setattr(correspondence, "TILE_BYTES", tiles)
    rows = int(bounds.REDUCED_ROWS["cuda"] * smaller)
    monkeypatch.setitem(bounds.REDUCED_ROWS, "cuda", rows)


@pytest.mark.parametrize("more", [1, 3])
@pytest.mark.parametrize("large", [False, True])
def test_a_card_that_holds_the_bounds_makes_nothing_twice(
    roomy: tuple[Scores, Counts], monkeypatch: pytest.MonkeyPatch, more: int, *, large: bool
) -> None:
    """Positions don't fit: not even where the bounds take all the memory that they may."""
    limit = memory_for(40 * more)
    if large:
        divide_as_a_large_category(monkeypatch)
    _, without_limit = scored("spade[neighbours=8]", 8 << 30)
    scores, counts = scored("spade[neighbours=8]", limit)
    assert_same(scores, roomy[0])
    for kind, number in counts.work.products.items():
        assert number <= 1.2 * without_limit.work.products[kind], kind
    assert counts["operations"] <= 2 * without_limit["operations"]


def test_a_card_that_holds_no_bounds_reduces_each_image_once(
    roomy: tuple[Scores, Counts], monkeypatch: pytest.MonkeyPatch
) -> None:
    reduced: list[range] = []
    bounds_of = correspondence.Tiled._bounds

    def noted(gallery: correspondence.Tiled, images: slice) -> correspondence.Reduced:
        reduced.append(range(images.start, images.stop))
        return bounds_of(gallery, images)

    limit = memory_for(13)
    monkeypatch.setattr(correspondence.Tiled, "_bounds", noted)
    monkeypatch.setattr(correspondence, "LISTED", 200)  # so that no second pass is needed
    scores, _ = scored("spade[neighbours=8]", limit)
    assert_same(scores, roomy[0])
    assert len(reduced) > 1
    assert [image for images in reduced for image in images] == list(range(40))
