"""The nearest descriptors against their definition, and against SPADE's retrieval."""

from __future__ import annotations

import pytest
import torch

from methods import create
from methods.base import GLOBAL
from tests.methods.given import SHAPES, TOKENS, assert_close, given


@pytest.mark.parametrize("shapes", [SHAPES, TOKENS], ids=["maps", "tokens"])
@pytest.mark.parametrize("k", [1, 2, 99])
def test_scores_are_mean_squared_distances(k: int, shapes: dict[int, tuple[int, int, int]]) -> None:
    training, test = given(9, 0, shapes), given(4, 1, shapes)
    scores = create(f"knn[neighbours={k}]").fit(training, torch.Generator()).score(test)
    ours, theirs = (f.read(GLOBAL).flatten(1).double() for f in (test, training))
    squares = (ours[:, None] - theirs).square().sum(dim=2).sort(dim=1).values
    assert scores.maps is None
    assert_close(scores.images, squares[:, :k].mean(dim=1))


def test_with_fifty_neighbours_they_are_spades_image_scores() -> None:
    training, test = given(70, 0), given(6, 1)
    spade = create("spade").fit(training, torch.Generator()).score(test)
    knn = create("knn[neighbours=50]").fit(training, torch.Generator()).score(test)
    assert spade.images is not None
    assert knn.images is not None
    assert torch.equal(spade.images, knn.images)
