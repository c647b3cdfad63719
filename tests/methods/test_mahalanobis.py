"""Gaussians of whole images against scikit-learn's shrinkage and the plain formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from methods import create
from tests.methods.given import assert_close, given


@pytest.mark.parametrize("count", [7, 40])
def test_scores_are_sums_of_shrunk_mahalanobis_distances(count: int) -> None:
    from sklearn.covariance import LedoitWolf

    training, test = given(count, 0), given(5, 1)
    expected = np.zeros(5)
    for level in (1, 2, 3, 4):
        theirs, ours = (f.read(level).double().mean(dim=(2, 3)).numpy() for f in (training, test))
        fitted = LedoitWolf().fit(theirs)
        differences = ours - theirs.mean(axis=0)
        inverse = np.linalg.inv(fitted.covariance_)
        expected += np.sqrt(np.einsum("ni,ij,nj->n", differences, inverse, differences))
    scores = create("mahalanobis").fit(training, torch.Generator()).score(test)
    assert scores.maps is None
    assert_close(scores.images, torch.from_numpy(expected))


@pytest.mark.parametrize("count", [1, 2])
def test_of_fewer_than_three_images_a_ridge_is_added(count: int) -> None:
    training, test = given(count, 0), given(5, 1)
    method = create("mahalanobis[levels=2,ridge=0.5]").fit(training, torch.Generator())
    theirs, ours = (f.read(2).double().mean(dim=(2, 3)) for f in (training, test))
    centred = theirs - theirs.mean(dim=0)
    inverse = torch.linalg.inv(centred.T @ centred / count + 0.5 * torch.eye(10).double())
    differences = ours - theirs.mean(dim=0)
    squared = torch.einsum("ni,ij,nj->n", differences, inverse, differences)
    assert_close(method.score(test).images, squared.sqrt())


def test_images_that_are_all_alike_get_the_ridge_too() -> None:
    training, test = given(1, 0).select([0] * 6), given(5, 1)
    method = create("mahalanobis[levels=4,ridge=0.25]").fit(training, torch.Generator())
    theirs, ours = (f.read(4).double().mean(dim=(2, 3)) for f in (training, test))
    assert_close(method.score(test).images, (ours - theirs[0]).norm(dim=1) / 0.5)


@pytest.mark.parametrize("wrong", ["levels=2+2", "ridge=0"])
def test_what_is_no_gaussian_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong.partition("=")[0]):
        create(f"mahalanobis[{wrong}]")
