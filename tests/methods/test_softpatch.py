"""SoftPatch against scikit-learn's local outlier factor, the greedy loop and plain distances."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from methods import create
from methods.components.outliers import outlier_factors
from tests.methods.components.test_coreset import plain_loop
from tests.methods.given import assert_close
from tests.methods.test_patchcore import features, patches


def factors_of(points: torch.Tensor, k: int) -> torch.Tensor:
    """Return each point's factor among those of its group, (N, P), of points (N, P, d)."""
    from sklearn.neighbors import LocalOutlierFactor

    groups = [points[:, place].numpy() for place in range(points.shape[1])]
    found = [-LocalOutlierFactor(n_neighbors=k).fit(g).negative_outlier_factor_ for g in groups]
    return torch.from_numpy(np.stack(found, axis=1))


@pytest.mark.parametrize("k", [1, 5])
def test_factors_are_scikit_learns(k: int) -> None:
    points = torch.rand(19, 33, 7, generator=torch.Generator().manual_seed(0))
    assert_close(outlier_factors(points, k), factors_of(points.double(), k))


def test_equal_points_are_no_outliers() -> None:
    points = torch.rand(1, 3, 7).expand(9, 3, 7)
    assert_close(outlier_factors(points, 4), torch.ones(9, 3, dtype=torch.float64))


@pytest.mark.parametrize("name", ["softpatch", "softpatch[squared=true]"])
def test_scores_are_weighted_distances_to_a_coreset_of_what_is_no_noise(name: str) -> None:
    training, test = features(14, 0), features(3, 1)
    scores = create(name).fit(training, torch.Generator().manual_seed(7)).score(test)
    by_image = patches(training)
    bank = by_image.flatten(0, 1)
    generator = torch.Generator().manual_seed(7)
    weights = (torch.rand(128, 1024, generator=generator) * 2 - 1) / math.sqrt(1024)
    points = (bank.float() @ weights.T).double()
    drawn = torch.randperm(len(points), generator=generator)[:10]
    factors = factors_of(points.unflatten(0, by_image.shape[:2]), 5).flatten()
    kept = (factors <= torch.quantile(factors, 0.85)).nonzero()[:, 0]
    assert len(kept) == math.floor(0.85 * (len(points) - 1)) + 1
    start = torch.cdist(points, points[drawn]).mean(dim=1)
    rows = kept[plain_loop(points[kept], int(len(points) * 0.1), start[kept])]
    distances, nearest = torch.cdist(patches(test), bank[rows]).min(dim=2)
    expected = distances.square() if "squared" in name else distances
    expected = expected * factors[rows][nearest]
    assert isinstance(scores.maps, torch.Tensor)
    assert_close(scores.maps.flatten(1), expected)
    assert_close(scores.images, expected.amax(dim=1))


def test_with_too_few_images_it_is_patchcore() -> None:
    training, test = features(5, 0), features(3, 1)
    soft, plain = (
        create(name).fit(training, torch.Generator().manual_seed(3)).score(test)
        for name in ("softpatch", "patchcore-10")
    )
    assert torch.equal(soft.maps, plain.maps)  # type: ignore[arg-type]


def test_noise_is_dropped() -> None:
    training = features(14, 0)
    noisy = training.read(2).clone()
    noisy[3, :, 2:5, 2:5] += 40
    arrays = {2: noisy, 3: training.read(3)}
    given = type(training)(arrays)
    banks = [
        create(name).fit(given, torch.Generator().manual_seed(0)).state()["bank"]
        for name in ("softpatch", "patchcore-10")
    ]
    assert [bool(bank.max() > 10) for bank in banks] == [False, True]


def test_weights_can_be_left_out() -> None:
    training, test = features(14, 0), features(3, 1)
    method = create("softpatch[weighted=false]").fit(training, torch.Generator())
    bank = torch.as_tensor(method.state()["bank"]).double()
    expected = torch.cdist(patches(test), bank).amin(dim=2)
    assert_close(method.score(test).maps.flatten(1), expected)  # type: ignore[union-attr]


@pytest.mark.parametrize("wrong", ["dropped=1", "outlier_neighbours=0", "coreset_ratio=0"])
def test_wrong_parameters_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong.partition("=")[0]):
        create(f"softpatch[{wrong}]")
