"""The embedding equals its definition: unfold, pool, stack, pool."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from methods.components.embedding import embed, level_projections


def definition(
    levels: dict[int, torch.Tensor], patch_size: int, level_dims: int, dims: int
) -> torch.Tensor:
    """The official code's patch features, step by step: (n, h, w, dims)."""
    first = next(iter(levels.values()))
    n, _, height, width = first.shape
    pooled = []
    for features in levels.values():
        _, channels, h, w = features.shape
        patches = F.unfold(features, patch_size, padding=(patch_size - 1) // 2)  # (n, C·P², h·w)
        patches = patches.transpose(1, 2).reshape(n * h * w, 1, channels * patch_size**2)
        means = F.adaptive_avg_pool1d(patches, level_dims).reshape(n, h, w, level_dims)
        if (h, w) != (height, width):
            means = F.interpolate(
                means.permute(0, 3, 1, 2), size=(height, width), mode="bilinear"
            ).permute(0, 2, 3, 1)
        pooled.append(means)
    stacked = torch.stack(pooled, dim=3).reshape(n * height * width, 1, -1)
    return F.adaptive_avg_pool1d(stacked, dims).reshape(n, height, width, dims)


def compare(channels: dict[int, int], patch_size: int, level_dims: int, dims: int) -> None:
    generator = torch.Generator().manual_seed(0)
    sides = {1: 12, 2: 6, 3: 3}
    levels = {
        i: torch.rand(2, c, sides[i], sides[i], generator=generator).double()
        for i, c in channels.items()
    }
    expected = definition(levels, patch_size, level_dims, dims)
    actual = embed(
        {i: f.float() for i, f in levels.items()},
        level_projections(channels, patch_size, level_dims, dims),
        dims,
    )
    torch.testing.assert_close(actual.double(), expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("patch_size", [1, 3, 5, 7])
@pytest.mark.parametrize(
    "channels", [{2: 512, 3: 1024}, {2: 32, 3: 96}, {1: 24, 2: 32, 3: 96}, {2: 128, 3: 256}, {3: 7}]
)
def test_equals_the_definition_for_real_channel_counts(
    channels: dict[int, int], patch_size: int
) -> None:
    compare(channels, patch_size, 1024, 1024)


@settings(max_examples=30, deadline=None)
@given(
    first=st.integers(1, 40),
    second=st.integers(1, 40),
    patch_size=st.sampled_from([1, 3, 5]),
    level_dims=st.integers(1, 60),
    dims=st.integers(1, 100),
)
def test_equals_the_definition_for_any_counts(
    first: int, second: int, patch_size: int, level_dims: int, dims: int
) -> None:
    compare({2: first, 3: second}, patch_size, level_dims, dims)


def test_wide_resnet_at_three_is_the_known_closed_form() -> None:
    """Level 2: (sum of the 9 neighbours + centre) / 10; level 3: mean of two channels' means."""
    level2, level3 = torch.rand(1, 512, 8, 8), torch.rand(1, 1024, 8, 8)
    maps = level_projections({2: 512, 3: 1024}, 3, 1024, 1024)
    actual = embed({2: level2, 3: level3}, maps, 1024)
    sums = F.avg_pool2d(level2, 3, 1, 1, divisor_override=1)
    means = F.avg_pool2d(level3, 3, 1, 1, divisor_override=9)
    expected = torch.cat([(sums + level2) / 10, (means[:, ::2] + means[:, 1::2]) / 2], dim=1)
    torch.testing.assert_close(actual, expected.permute(0, 2, 3, 1))
