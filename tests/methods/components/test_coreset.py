"""The lazy selection is the plain greedy loop's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.components import coreset, plain
from methods.components.coreset import (
    Selection,
    farthest_first,
    projection,
    starting_distances,
)
from methods.components.coreset_device import SIZES, Sizes


def plain_loop(points: torch.Tensor, size: int, distances: torch.Tensor) -> list[int]:
    """Farthest first as it is defined, in float64, all points updated after every centre."""
    return plain.greedy_coreset(points, size, distances).tolist()


@pytest.mark.parametrize("ratio", [0.01, 0.1, 0.25])
@pytest.mark.parametrize("clusters", [1, 7])
def test_selects_what_the_plain_loop_selects(ratio: float, clusters: int) -> None:
    generator = torch.Generator().manual_seed(clusters)
    centres = torch.randn(clusters, 16, generator=generator) * 5
    points = centres.repeat(3000 // clusters + 1, 1)[:3000]
    points = points + torch.randn(points.shape, generator=generator)
    start = starting_distances(points, 10, generator)
    size = int(len(points) * ratio)
    assert farthest_first(points, size, start).tolist() == plain_loop(points, size, start)


def test_every_choice_is_the_farthest_up_to_rounding_until_no_point_is_left() -> None:
    generator = torch.Generator().manual_seed(3)
    points = torch.randn(3000, 16, generator=generator) + 4
    start = starting_distances(points, 10, generator)
    exact, current = points.double().numpy(), start.double().numpy().copy()
    for choice in farthest_first(points, len(points), start).tolist():
        assert current[choice] >= current.max() * (1 - 1e-5)
        current = np.minimum(current, np.linalg.norm(exact - exact[choice], axis=1))
        current[choice] = -1.0


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 300),
    st.integers(1, 5),
    st.fixed_dictionaries(
        {
            "pool": st.integers(1, 40),
            "cluster_points": st.integers(1, 400),
            "clusters_around": st.integers(1, 20),
            "worthwhile": st.floats(0, 1),
            "centres": st.integers(1, 50),
            "rows": st.integers(1, 50),
            "stride": st.integers(1, 50),
            "compared_bytes": st.integers(1, 4000),
            "assigned": st.integers(1, 400),
        }
    ),
    st.booleans(),
    st.integers(0, 2**31),
)
def test_no_setting_changes_the_selection(
    count: int, dims: int, values: dict[str, Any], compiled: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(count, dims, generator=generator)
    start = points.norm(dim=1)
    size = max(1, count // 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coreset, "compiles", lambda device: compiled)
        selection = Selection(points, start, Sizes(**values))
    assert selection.first(size).tolist() == plain_loop(points, size, start)


def patch_features(count: int, dims: int, seed: int) -> torch.Tensor:
    """Points like a backbone's: smooth functions of few variables, denser in places, and noise."""
    generator = torch.Generator().manual_seed(seed)
    spread = torch.rand(count, 1, generator=generator) ** 3
    latent = torch.randn(count, 8, generator=generator) * spread
    first = torch.randn(8, 64, generator=generator)
    second = torch.randn(64, dims, generator=generator) / 8
    noise = torch.randn(count, dims, generator=generator)
    return (latent @ first).tanh() @ second + 0.05 * noise


@pytest.fixture(params=["compiled", "on a device"])
def _loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of selecting: the CPU's, and what other devices do, here on CPU tensors."""
    monkeypatch.setattr(coreset, "compiles", lambda device: request.param == "compiled")


@pytest.mark.usefixtures("_loops")
@pytest.mark.parametrize("ratio", [0.02, 0.25])
def test_selects_what_the_plain_loop_selects_beyond_one_pool(ratio: float) -> None:
    points = patch_features(3 * SIZES.pool, 32, 4)
    start = starting_distances(points, 10, torch.Generator().manual_seed(0))
    # A squared distance of d dimensions is d + 2 roundings off at most: of a difference, of its
    # square twice that and one more, of the sum d - 1; its root half of that and one more. Of two
    # distances that differ by less than both are off, either may be taken.
    slack = (points.shape[1] + 4) * 2.0**-24
    exact, current = points.double().numpy(), start.double().numpy().copy()
    chosen = farthest_first(points, int(len(points) * ratio), start).tolist()
    assert len(chosen) == len(set(chosen)) == int(len(points) * ratio)
    for choice in chosen:
        assert current[choice] >= current.max() * (1 - slack)
        current = np.minimum(current, np.linalg.norm(exact - exact[choice], axis=1))
        current[choice] = -1.0


@pytest.mark.usefixtures("_loops")
@pytest.mark.parametrize("pool", [8, 4096])
def test_all_points_can_be_selected(pool: int) -> None:
    points = torch.randn(200, 4, generator=torch.Generator().manual_seed(8)).repeat(2, 1)
    start = points.norm(dim=1)
    selection = Selection(points, start, Sizes(pool=pool))
    assert sorted(selection.first(400).tolist()) == list(range(400))


def test_distances_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        farthest_first(torch.ones(3, 2), 1, torch.tensor([1.0, float("nan"), 1.0]))


def test_a_single_point_is_selected() -> None:
    assert farthest_first(torch.ones(1, 2), 1, torch.zeros(1)).tolist() == [0]


def test_duplicates_are_never_selected_twice() -> None:
    points = torch.ones(50, 4)
    assert sorted(farthest_first(points, 50, torch.zeros(50)).tolist()) == list(range(50))


def test_a_smaller_coreset_is_the_beginning_of_a_larger_one() -> None:
    points = torch.randn(2000, 8, generator=torch.Generator().manual_seed(2))
    start = points.norm(dim=1)
    larger = farthest_first(points, 500, start)
    assert farthest_first(points, 100, start).tolist() == larger[:100].tolist()


@pytest.mark.usefixtures("_loops")
@pytest.mark.parametrize("pool", [50, 4096])
@pytest.mark.parametrize("side", [2, 4, 40])
def test_of_equally_far_points_the_first_is_selected(side: int, pool: int) -> None:
    """Points of a lattice, most of them several times: all distances are exact, many are equal."""
    generator = torch.Generator().manual_seed(side)
    points = torch.randint(0, side, (2500, 5), generator=generator).float()
    start = torch.full((len(points),), 100.0)
    selection = Selection(points, start, Sizes(pool=pool))
    assert selection.first(700).tolist() == plain_loop(points, 700, start)


@pytest.mark.usefixtures("_loops")
@pytest.mark.parametrize("apart", [0.0, 1e3, 1e6])
def test_small_clusters_far_apart_are_covered_as_well(apart: float) -> None:
    """Centred float32 copies, or products, would lose the spread of all but one cluster."""
    generator = torch.Generator().manual_seed(5)
    number = torch.arange(5000) % 5
    points = torch.randn(5000, 8, generator=generator) * 1e-3
    points = torch.where(number[:, None] == 0, points, (points + number[:, None] * apart).round())
    start = starting_distances(points, 10, generator)
    exact, current = points.double().numpy(), start.double().numpy().copy()
    for choice in farthest_first(points, 300, start).tolist():
        assert current[choice] >= current.max() * (1 - 1e-6)
        current = np.minimum(current, np.linalg.norm(exact - exact[choice], axis=1))
        current[choice] = -1.0


@pytest.mark.usefixtures("_loops")
def test_a_selection_that_goes_on_is_the_same_as_one_at_once() -> None:
    points = patch_features(2 * SIZES.pool, 16, 6)
    start = points.norm(dim=1)
    whole = farthest_first(points, 2000, start).tolist()
    selection = Selection(points, start)
    for size in (1, 80, 79, 700, 2000, 3):
        assert selection.first(size).tolist() == whole[:size]


def test_starting_distances_are_means_over_drawn_points() -> None:
    points = torch.randn(30, 3)
    drawn = torch.randperm(30, generator=torch.Generator().manual_seed(5))[:4].tolist()
    expected = [float(np.mean([(p - points[i]).norm() for i in drawn])) for p in points]
    actual = starting_distances(points, 4, torch.Generator().manual_seed(5))
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-5)


def test_projection_keeps_distances_up_to_one_factor_and_small_dimensions_as_they_are() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(40, 1024, generator=generator)
    projected = features @ projection(1024, 128, generator)
    ratios = torch.pdist(projected) / torch.pdist(features)
    assert projected.shape == (40, 128)
    assert float(ratios.std() / ratios.mean()) < 0.1  # Johnson-Lindenstrauss: about 1/√(2·128)
    assert torch.equal(projected @ projection(128, 128, generator), projected)
