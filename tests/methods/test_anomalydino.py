"""AnomalyDINO against its definition, written out in float64."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from methods import create
from methods.base import LAST, Features
from tests.methods.given import SHAPES, TOKENS, assert_close, given


def directions(features: Features, level: int) -> torch.Tensor:
    return F.normalize(features.read(level).double().permute(0, 2, 3, 1).flatten(1, 2), dim=2)


@pytest.mark.parametrize("shapes", [SHAPES, TOKENS], ids=["maps", "tokens"])
@pytest.mark.parametrize("level", [2, LAST])
def test_scores_are_cosine_distances(level: int, shapes: dict[int, tuple[int, int, int]]) -> None:
    training, test = given(9, 0, shapes), given(4, 1, shapes)
    name = f"anomalydino[levels={level},top_share=0.2]"
    scores = create(name).fit(training, torch.Generator()).score(test)
    bank = directions(training, level).flatten(0, 1)
    expected = 1 - (directions(test, level) @ bank.T).amax(dim=2)
    count = max(1, int(0.2 * expected.shape[1]))
    assert isinstance(scores.maps, torch.Tensor)
    assert_close(scores.maps.flatten(1), expected)
    assert_close(scores.images, expected.sort(dim=1, descending=True).values[:, :count].mean(dim=1))


def test_lengths_do_not_matter() -> None:
    training, test = given(9, 0), given(4, 1)
    longer = Features({LAST: 7 * test.read(4)})
    method = create("anomalydino").fit(training, torch.Generator())
    assert_close(method.score(longer).images, method.score(test).images.double())


def test_a_coreset_of_directions_isnt_patchcores() -> None:
    arrays = {LAST: given(9, 0).read(2)}
    shared, alone = Features(arrays, share=True), Features(arrays)
    create("patchcore-25[dims=10,levels=5]").fit(shared, torch.Generator().manual_seed(0))
    banks = [
        create("anomalydino[coreset_ratio=0.25]").fit(f, torch.Generator().manual_seed(0)).state()
        for f in (shared, alone)
    ]
    assert torch.equal(banks[0]["bank"], banks[1]["bank"])


@pytest.mark.parametrize("wrong", ["levels=1+2", "top_share=2", "coreset_ratio=0"])
def test_wrong_parameters_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong.partition("=")[0]):
        create(f"anomalydino[{wrong}]")
