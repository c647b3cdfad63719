"""SPADE against its definition, written out naively in float64."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from methods import create
from methods.base import Features


def features(count: int, seed: int) -> Features:
    generator = torch.Generator().manual_seed(seed)
    shapes = {1: (6, 8, 8), 2: (10, 4, 4), 3: (12, 2, 2), 4: (20, 2, 2)}
    return Features({i: torch.rand(count, *s, generator=generator) for i, s in shapes.items()})


def retrieval(
    training: Features, test: Features, k: int, power: int
) -> tuple[torch.Tensor, torch.Tensor]:
    pooled = [f.read(4).double().mean(dim=(2, 3)) for f in (test, training)]
    nearest = torch.cdist(*pooled).sort(dim=1)
    return (nearest.values[:, :k] ** power).mean(dim=1), nearest.indices[:, :k]


@pytest.mark.parametrize(("squared", "power"), [("", 2), (",squared=false", 1)])
@pytest.mark.parametrize("kappa", [1, 3])
def test_concatenated_pyramid_correspondences(kappa: int, squared: str, power: int) -> None:
    training, test = features(12, 0), features(4, 1)
    name = f"spade[neighbours=5,gallery_neighbours={kappa}{squared}]"
    scores = create(name).fit(training, torch.Generator()).score(test)

    def pyramid(given: Features) -> torch.Tensor:
        parts = [F.interpolate(given.read(i).double(), size=8, mode="bilinear") for i in (1, 2, 3)]
        return torch.cat(parts, dim=1).flatten(2).transpose(1, 2)  # (N, 64, 28)

    image_scores, retrieved = retrieval(training, test, 5, power)
    queries, gallery = pyramid(test), pyramid(training)
    expected = torch.stack(
        [
            torch.cdist(q, gallery[r].flatten(0, 1))
            .sort(dim=1)
            .values[:, :kappa]
            .pow(power)
            .mean(dim=1)
            for q, r in zip(queries, retrieved, strict=True)
        ]
    )
    assert scores.images is not None
    assert isinstance(scores.maps, tuple)
    torch.testing.assert_close(scores.images.double(), image_scores, rtol=1e-5, atol=0)
    torch.testing.assert_close(scores.maps[0].flatten(1).double(), expected, rtol=1e-5, atol=0)


def test_popular_form_has_one_map_a_level() -> None:
    training, test = features(12, 0), features(4, 1)
    scores = create("spade-5").fit(training, torch.Generator()).score(test)
    image_scores, retrieved = retrieval(training, test, 5, 1)
    assert scores.images is not None
    assert isinstance(scores.maps, tuple)
    torch.testing.assert_close(scores.images.double(), image_scores, rtol=1e-5, atol=0)
    for level, actual in zip((1, 2, 3), scores.maps, strict=True):
        queries = test.read(level).double().flatten(2).transpose(1, 2)
        gallery = training.read(level).double().flatten(2).transpose(1, 2)
        expected = torch.stack(
            [
                torch.cdist(q, gallery[r].flatten(0, 1)).min(dim=1).values
                for q, r in zip(queries, retrieved, strict=True)
            ]
        )
        torch.testing.assert_close(actual.flatten(1).double(), expected, rtol=1e-5, atol=0)


def test_fewer_training_images_than_neighbours_uses_all_of_them() -> None:
    training, test = features(3, 0), features(2, 1)
    scores = create("spade").fit(training, torch.Generator()).score(test)
    expected, _ = retrieval(training, test, 3, 2)
    assert scores.images is not None
    torch.testing.assert_close(scores.images.double(), expected, rtol=1e-5, atol=0)
