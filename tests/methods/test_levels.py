"""What is read beside the pyramid: descriptors and last blocks, or what stands for them."""

from __future__ import annotations

import pytest
import torch

from methods.base import GLOBAL, LAST, Features, MissingLevelError
from tests.methods.given import TOKENS, given


def test_without_tokens_the_deepest_level_stands_for_the_last_block_and_the_descriptor() -> None:
    features = given(5, 0)
    assert features.shape(LAST) == features.shape(4) == (20, 2, 2)
    assert torch.equal(features.read(LAST, [3, 1]), features.read(4, [3, 1]))
    assert features.shape(GLOBAL) == (20, 1, 1)
    pooled = features.read(4).double().mean(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(features.read(GLOBAL).double(), pooled)
    assert torch.equal(features.read(GLOBAL, channels=[2]), features.read(GLOBAL)[:, [2]])
    assert features.levels == (1, 2, 3, 4)


def test_of_fewer_levels_the_deepest_stands() -> None:
    features = Features({1: torch.rand(3, 4, 4, 4), 3: torch.rand(3, 5, 1, 1)})
    assert torch.equal(features.read(LAST), features.read(3))
    assert torch.equal(features.read(GLOBAL), features.read(3))


def test_own_ones_are_read_as_they_are() -> None:
    features = given(5, 0, TOKENS)
    assert features.shape(GLOBAL) == (14, 1, 1)
    assert not torch.equal(features.read(LAST), features.read(4))
    assert not torch.equal(features.read(GLOBAL)[:, :, 0, 0], features.read(LAST).mean(dim=(2, 3)))


def test_a_descriptor_stands_for_no_level() -> None:
    features = Features({GLOBAL: torch.rand(3, 4, 1, 1)})
    for level in (LAST, 4):
        with pytest.raises(MissingLevelError, match=f"level {level} is missing"):
            features.read(level)
