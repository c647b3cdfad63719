"""PaDiM behind an orthogonal projection, against Gaussians written out in float64."""

from __future__ import annotations

import pytest
import torch

from methods import create
from methods.base import Features
from tests.methods.given import assert_close, given


def embedding(features: Features) -> torch.Tensor:
    """Return every position's pyramid, coarse levels repeated, (P, N, C) float64."""
    levels = [features.read(i).double() for i in (1, 2, 3)]
    side = levels[0].shape[2]
    repeated = [
        level.repeat_interleave(side // level.shape[2], 2).repeat_interleave(
            side // level.shape[3], 3
        )
        for level in levels
    ]
    return torch.cat(repeated, dim=1).flatten(2).permute(2, 0, 1)


@pytest.mark.parametrize(("count", "dims"), [(4, 9), (30, 9), (9, 28)])
def test_distances_are_of_projected_features(count: int, dims: int) -> None:
    training, test = given(count, 0), given(3, 1)
    method = create(f"padim[dims={dims},projection=orthogonal]")
    scores = method.fit(training, torch.Generator().manual_seed(5)).score(test)
    state = method.state()  # type: ignore[attr-defined]
    matrix = torch.cat([state[f"projection_{level}"] for level in (1, 2, 3)])
    assert matrix.shape == (28, dims)
    torch.testing.assert_close(matrix.T @ matrix, torch.eye(dims).double())
    theirs, ours = (embedding(f) @ matrix for f in (training, test))
    mean = theirs.mean(dim=1, keepdim=True)
    centred, differences = theirs - mean, ours - mean
    covariances = centred.mT @ centred / (count - 1) + 0.01 * torch.eye(dims)
    squared = torch.einsum("pni,pij,pnj->np", differences, covariances.inverse(), differences)
    assert isinstance(scores.maps, torch.Tensor)
    assert_close(scores.maps.flatten(1), squared.sqrt())


def test_of_all_dimensions_a_rotation_changes_nothing() -> None:
    training, test = given(12, 0), given(3, 1)
    turned, whole = (
        create(name).fit(training, torch.Generator()).score(test).maps
        for name in ("padim[dims=-1,projection=orthogonal]", "padim-full")
    )
    assert isinstance(whole, torch.Tensor)
    assert_close(turned, whole.double())  # type: ignore[arg-type]


def test_a_seed_is_a_projection() -> None:
    training = given(4, 0)
    first, same, other = (
        create("padim[projection=orthogonal]")
        .fit(training, torch.Generator().manual_seed(seed))
        .state()["projection_2"]  # type: ignore[attr-defined]
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_there_is_no_other_projection() -> None:
    with pytest.raises(ValueError, match="drawn or orthogonal, not 'random'"):
        create("padim[projection=random]")
