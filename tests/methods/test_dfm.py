"""Residuals and likelihoods of principal components against NumPy's decomposition in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from methods import create
from methods.base import Features
from tests.methods.given import assert_close, given


def principal(vectors: torch.Tensor, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the fewest components that hold a share of the variance, (k, d), and variances."""
    centred = (vectors - vectors.mean(dim=0)).numpy()
    _, values, rows = np.linalg.svd(centred, full_matrices=False)
    held = np.cumsum(values**2) / np.sum(values**2)
    kept = int(np.argmax(held >= share)) + 1
    return torch.from_numpy(rows[:kept]), torch.from_numpy(values[:kept] ** 2 / len(vectors))


def pooled(features: Features, level: int, window: int) -> torch.Tensor:
    return F.avg_pool2d(features.read(level).double(), window)


@pytest.mark.parametrize("count", [5, 60])
@pytest.mark.parametrize("how", ["", ",image_score=sum"])
def test_residuals_of_whole_images(count: int, how: str) -> None:
    training, test = given(count, 0), given(6, 1)
    name = f"dfm[pooling=2,levels=2{how}]"
    scores = create(name).fit(training, torch.Generator()).score(test)
    theirs, ours = (pooled(f, 2, 2) for f in (training, test))
    rows, _ = principal(theirs.flatten(1), 0.97)
    centred = ours.flatten(1) - theirs.flatten(1).mean(dim=0)
    squared = (centred - centred @ rows.T @ rows).square().unflatten(1, ours.shape[1:]).sum(dim=1)
    assert_close(scores.maps, squared)  # type: ignore[arg-type]
    expected = squared.sum(dim=(1, 2)) if how else squared.amax(dim=(1, 2))
    assert_close(scores.images, expected)


def test_windows_are_at_most_the_level() -> None:
    training, test = given(9, 0), given(6, 1)
    wide, whole = (
        create(f"dfm[pooling={side},levels=4]").fit(training, torch.Generator()).score(test)
        for side in (4, 2)
    )
    assert_close(wide.images, whole.images.double())  # type: ignore[union-attr]


def test_residuals_of_positions() -> None:
    training, test = given(9, 0), given(6, 1)
    scores = create("subspace[variance=0.6]").fit(training, torch.Generator()).score(test)
    theirs, ours = (f.read(3).double().permute(0, 2, 3, 1) for f in (training, test))
    rows, _ = principal(theirs.flatten(0, 2), 0.6)
    centred = ours - theirs.mean(dim=(0, 1, 2))
    squared = (centred - centred @ rows.T @ rows).square().sum(dim=3)
    assert_close(scores.maps, squared)  # type: ignore[arg-type]
    assert_close(scores.images, squared.amax(dim=(1, 2)))  # 1 % of 16 positions: one


def test_likelihoods_of_images() -> None:
    training, test = given(40, 0), given(6, 1)
    scores = create("dfm-likelihood").fit(training, torch.Generator()).score(test)
    theirs, ours = (pooled(f, 3, 4).flatten(1) for f in (training, test))
    rows, variances = principal(theirs, 0.97)
    within, mean = theirs @ rows.T, theirs.mean(dim=0) @ rows.T
    covariance = torch.cov(within.T, correction=0)
    torch.testing.assert_close(covariance, torch.diag(variances))
    gaussian = torch.distributions.MultivariateNormal(mean, covariance)
    constant = len(rows) * np.log(2 * np.pi)
    assert scores.maps is None
    assert_close(scores.images, -2 * gaussian.log_prob(ours @ rows.T) - constant)


def test_of_one_image_the_likelihoods_variance_is_the_ridge() -> None:
    training, test = given(1, 0), given(6, 1)
    scores = create("dfm-likelihood[ridge=0.5]").fit(training, torch.Generator()).score(test)
    theirs, ours = (pooled(f, 3, 4).flatten(1) for f in (training, test))
    assert_close(scores.images, (ours - theirs).square().sum(dim=1) / 0.5)


@pytest.mark.parametrize(
    "wrong",
    ["levels=1+2", "pooling=0", "variance=0", "vectors=rows", "score=error", "image_score=mean"],
)
def test_wrong_parameters_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong.partition("=")[0]):
        create(f"dfm[{wrong}]")
