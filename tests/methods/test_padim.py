"""PaDiM against its definition: one Gaussian a position, written out with numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from methods import create, padim
from methods.base import Features
from methods.components import gaussians

GRIDS = {1: (10, 8, 8), 2: (12, 4, 4), 3: (16, 2, 2)}
UNEVEN = {1: (10, 7, 9), 2: (12, 4, 5), 3: (16, 2, 3)}
DIMS = 38


def features(
    count: int, seed: int, scale: float = 1.0, grids: dict[int, tuple[int, int, int]] = GRIDS
) -> Features:
    generator = torch.Generator().manual_seed(seed)
    return Features(
        {i: torch.rand(count, *s, generator=generator) * scale for i, s in grids.items()}
    )


def correlated(count: int, seed: int) -> Features:
    """Functions of four latent variables and some noise, after a ReLU, as real features are."""
    mixing, generator = torch.Generator().manual_seed(9), torch.Generator().manual_seed(seed)
    latent = torch.randn(count, 4, generator=generator)
    arrays = {}
    for level, shape in GRIDS.items():
        weights = torch.randn(4, *shape, generator=mixing)
        noise = torch.randn(count, *shape, generator=generator)
        signal = 20 * torch.einsum("nk,kchw->nchw", latent, weights) + 100
        arrays[level] = (signal + noise / 10).relu()  # mostly linear, or the ReLU adds rank
    return Features(arrays)


def embedding(given: Features) -> np.ndarray:
    """All levels on level 1's grid, (N, 38, H, W), float64."""
    size = given.shape(1)[1:]
    parts = [F.interpolate(given.read(i).double(), size=size, mode="nearest") for i in (1, 2, 3)]
    return torch.cat(parts, dim=1).numpy()


def covariance(samples: np.ndarray) -> np.ndarray:
    spread = np.cov(samples, rowvar=False) if len(samples) > 1 else np.zeros(())
    return np.atleast_2d(spread) + 0.01 * np.eye(samples.shape[1])


def definition(training: Features, test: Features, dims: list[int]) -> np.ndarray:
    """Mahalanobis distances (N, H, W) with an explicit inverse, in float64."""
    nominal, tested = embedding(training)[:, dims], embedding(test)[:, dims]
    _, _, height, width = nominal.shape
    maps = np.empty((len(tested), height, width))
    for y in range(height):
        for x in range(width):
            samples = nominal[:, :, y, x]
            inverse = np.linalg.inv(covariance(samples))
            difference = tested[:, :, y, x] - samples.mean(axis=0)
            maps[:, y, x] = np.sqrt(np.sum(difference @ inverse * difference, axis=1))
    return maps


def maps(specification: str, training: Features, test: Features, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    scored = create(specification).fit(training, generator).score(test).maps
    assert isinstance(scored, torch.Tensor)
    return scored


@pytest.mark.parametrize("count", [1, 2, 7, DIMS - 1, DIMS, DIMS + 1, 60])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_maps_are_mahalanobis_distances(count: int, scale: float) -> None:
    """Whether there are fewer images than dimensions, as many, or more."""
    training, test = features(count, 0, scale), features(4, 1, scale)
    scores = create("padim-full").fit(training, torch.Generator()).score(test)
    expected = definition(training, test, list(range(DIMS)))
    assert scores.images is None
    assert isinstance(scores.maps, torch.Tensor)
    assert scores.maps.dtype == torch.float32
    np.testing.assert_allclose(scores.maps.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("count", [20, DIMS, 90])
def test_ill_conditioned_covariances_lose_no_accuracy(count: int) -> None:
    training, test = correlated(count, 0), correlated(4, 1)
    condition = np.linalg.cond(covariance(embedding(training)[:, :, 3, 5]))
    assert condition > 1e5
    expected = definition(training, test, list(range(DIMS)))
    np.testing.assert_allclose(maps("padim-full", training, test).numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("count", [7, 60])
def test_coarse_levels_are_repeated_on_grids_that_do_not_divide(count: int) -> None:
    training, test = features(count, 0, grids=UNEVEN), features(3, 1, grids=UNEVEN)
    expected = definition(training, test, list(range(DIMS)))
    np.testing.assert_allclose(maps("padim-full", training, test).numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("dims", [1, 3, 11])
def test_dimensions_are_drawn_by_the_generator_alone(dims: int) -> None:
    """Few of them may leave a level without any."""
    training, test = features(9, 0), features(3, 1)
    drawn = torch.randperm(DIMS, generator=torch.Generator().manual_seed(3))[:dims].tolist()
    expected = definition(training, test, sorted(drawn))
    actual = maps(f"padim[dims={dims}]", training, test, seed=3).numpy()
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("channels", "chosen"),
    [((64, 128, 256), 100), ((256, 512, 1024), 550), ((24, 32, 96), 100), ((10, 12, 16), 38)],
)
def test_number_of_dimensions_by_backbone(channels: tuple[int, ...], chosen: int) -> None:
    """100 of ResNet18's 448 and below, 550 of WideResNet50's 1792, all where there are fewer."""
    arrays = {i: torch.rand(2, c, 4, 4) for i, c in enumerate(channels, start=1)}
    method = create("padim").fit(Features(arrays), torch.Generator())
    assert isinstance(method, padim.Padim)
    assert sum(len(dims) for dims in method._dims) == chosen


@pytest.mark.parametrize("kept", [0, 1 << 30])
@pytest.mark.parametrize("count", [9, 60])
@pytest.mark.parametrize("grids", [GRIDS, UNEVEN])
def test_blocks_and_budget_do_not_change_the_numbers(
    kept: int, count: int, grids: dict[int, tuple[int, int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    training, test = features(count, 0, grids=grids), features(3, 1, grids=grids)
    whole = maps("padim-full", training, test)
    training.memory = 1
    monkeypatch.setattr(gaussians, "CHUNK_BYTES", {"cpu": 5 * 8 * count * min(count, DIMS)})
    monkeypatch.setattr(padim, "KEPT_SHARE", kept)
    monkeypatch.setattr(padim, "SCORED_IMAGES", 2)
    torch.testing.assert_close(maps("padim-full", training, test), whole, rtol=1e-6, atol=0)


@pytest.mark.parametrize("count", [9, 60])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("broken", ["training", "test"])
def test_features_that_are_not_finite_are_refused(count: int, value: float, broken: str) -> None:
    given = {"training": features(count, 0), "test": features(3, 1)}
    array = given[broken].read(2)
    array[1, 5, 2, 3] = value
    given[broken] = Features({1: given[broken].read(1), 2: array, 3: given[broken].read(3)})
    with pytest.raises(ValueError, match="NaN or infinite"):
        maps("padim-full", given["training"], given["test"])


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_changes_neither_numbers_nor_settings(threads: int) -> None:
    training, test = features(9, 0), features(3, 1)
    before, expected = torch.get_num_threads(), maps("padim-full", training, test)
    try:
        torch.set_num_threads(threads)
        actual = maps("padim-full", training, test)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(actual, expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("count", [10, 60])
def test_epsilon_that_is_lost_beside_the_features_is_refused(count: int) -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = {1: (5, 4, 4), 2: (7, 2, 2), 3: (9, 1, 1)}
    repeated = {
        i: torch.rand(min(count, 12), *s, generator=generator).repeat(-(-count // 12), 1, 1, 1)
        for i, s in shapes.items()
    }
    training = Features({i: level[:count] * 1e9 for i, level in repeated.items()})
    with pytest.raises(ValueError, match=r"epsilon=0.01 is lost .* pass a larger one"):
        create("padim[dims=-1]").fit(training, torch.Generator())
