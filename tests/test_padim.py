"""PaDiM against its definition: one Gaussian a position, written out with numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from methods import create, padim
from methods.base import Features


def features(count: int, seed: int, scale: float = 1.0) -> Features:
    generator = torch.Generator().manual_seed(seed)
    shapes = {1: (10, 8, 8), 2: (12, 4, 4), 3: (16, 2, 2)}
    return Features(
        {i: torch.rand(count, *s, generator=generator) * scale for i, s in shapes.items()}
    )


def definition(training: Features, test: Features, dims: list[int]) -> np.ndarray:
    """Mahalanobis distances (N, 8, 8) with an explicit inverse, in float64."""

    def embedding(given: Features) -> np.ndarray:
        parts = [F.interpolate(given.read(i).double(), size=8, mode="nearest") for i in (1, 2, 3)]
        return torch.cat(parts, dim=1)[:, dims].numpy()

    nominal, tested = embedding(training), embedding(test)
    maps = np.empty((len(tested), 8, 8))
    for y in range(8):
        for x in range(8):
            samples = nominal[:, :, y, x]
            spread = np.cov(samples, rowvar=False) if len(samples) > 1 else 0
            inverse = np.linalg.inv(spread + 0.01 * np.eye(len(dims)))
            for image, vector in enumerate(tested[:, :, y, x]):
                difference = vector - samples.mean(axis=0)
                maps[image, y, x] = np.sqrt(difference @ inverse @ difference)
    return maps


@pytest.mark.parametrize("count", [1, 2, 7, 60])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_maps_are_mahalanobis_distances(count: int, scale: float) -> None:
    training, test = features(count, 0, scale), features(4, 1, scale)
    scores = create("padim-full").fit(training, torch.Generator()).score(test)
    expected = definition(training, test, list(range(38)))
    assert scores.images is None
    assert isinstance(scores.maps, torch.Tensor)
    np.testing.assert_allclose(scores.maps.numpy(), expected, rtol=1e-4)


def test_dimensions_are_drawn_by_the_generator_alone() -> None:
    training, test = features(9, 0), features(3, 1)
    scores = create("padim[dims=11]").fit(training, torch.Generator().manual_seed(3)).score(test)
    drawn = torch.randperm(38, generator=torch.Generator().manual_seed(3))[:11].sort().values
    assert isinstance(scores.maps, torch.Tensor)
    expected = definition(training, test, drawn.tolist())
    np.testing.assert_allclose(scores.maps.numpy(), expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("channels", "chosen"),
    [((64, 128, 256), 100), ((256, 512, 1024), 550), ((24, 32, 96), 100), ((10, 12, 16), 38)],
)
def test_number_of_dimensions_by_backbone(channels: tuple[int, ...], chosen: int) -> None:
    """100 of ResNet18's 448 and below, 550 of WideResNet50's 1792, all where there are fewer."""
    arrays = {i: torch.rand(2, c, 4, 4) for i, c in enumerate(channels, start=1)}
    method = create("padim").fit(Features(arrays), torch.Generator())
    assert isinstance(method, padim.Padim)
    assert len(method._dims) == chosen


@pytest.mark.parametrize("kept", [0, 1 << 30])
def test_blocks_and_budget_do_not_change_the_numbers(
    kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, test = features(9, 0), features(3, 1)
    whole = create("padim-full").fit(training, torch.Generator()).score(test).maps
    monkeypatch.setattr(padim, "BLOCK_BYTES", 1)
    monkeypatch.setattr(padim, "KEPT_BYTES", kept)
    monkeypatch.setattr(padim, "BATCH_IMAGES", 4)
    monkeypatch.setattr(padim, "SCORED_IMAGES", 2)
    parts = create("padim-full").fit(training, torch.Generator()).score(test).maps
    assert isinstance(whole, torch.Tensor)
    assert isinstance(parts, torch.Tensor)
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=0)
