"""RAD against its definition, position by position in float64."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from methods import create, rad
from methods.base import GLOBAL, LAST, Features
from tests.methods.given import SHAPES, TOKENS, assert_close, given


def unit(features: Features, level: int) -> torch.Tensor:
    return F.normalize(features.read(level).double(), dim=1).permute(0, 2, 3, 1)


def distances(
    training: Features, test: Features, level: int, retrieved: torch.Tensor, radius: int
) -> torch.Tensor:
    ours, theirs = unit(test, level), unit(training, level)
    count, height, width, _ = ours.shape
    maps = torch.zeros(count, height, width, dtype=torch.float64)
    for n in range(count):
        for y in range(height):
            for x in range(width):
                rows = slice(max(0, y - radius), y + radius + 1)
                columns = slice(max(0, x - radius), x + radius + 1)
                around = theirs[retrieved[n]][:, rows, columns].flatten(0, 2)
                maps[n, y, x] = 1 - (around @ ours[n, y, x]).amax()
    return maps


@pytest.mark.parametrize("shapes", [SHAPES, TOKENS], ids=["maps", "tokens"])
@pytest.mark.parametrize(("neighbours", "radius"), [(3, 1), (99, 0), (20, 2)])
def test_scores_are_cosine_distances_around_the_same_place(
    neighbours: int, radius: int, shapes: dict[int, tuple[int, int, int]]
) -> None:
    training, test = given(37, 0, shapes), given(3, 1, shapes)
    ours, theirs = (F.normalize(f.read(GLOBAL).flatten(1).double()) for f in (test, training))
    retrieved = (ours @ theirs.T).argsort(dim=1, descending=True)[:, :neighbours]
    levels = [distances(training, test, level, retrieved, radius) for level in (1, 2, 3, 4)]
    resized = [F.interpolate(m[:, None], size=levels[0].shape[1:], mode="bilinear") for m in levels]
    expected = torch.cat(resized, dim=1).mean(dim=1)
    name = f"rad[neighbours={neighbours},radius={radius},top_share=0.1]"
    scores = create(name).fit(training, torch.Generator()).score(test)
    assert isinstance(scores.maps, torch.Tensor)
    assert_close(scores.maps, expected)
    largest = expected.flatten(1).sort(dim=1, descending=True).values
    assert_close(scores.images, largest[:, : max(1, largest.shape[1] // 10)].mean(dim=1))


def test_an_image_that_was_trained_on_has_distances_of_nothing() -> None:
    training = given(20, 0)
    scores = create("rad[neighbours=1]").fit(training, torch.Generator()).score(training)
    assert isinstance(scores.maps, torch.Tensor)
    assert not scores.maps.any()


def test_what_is_not_kept_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    training, test = given(37, 0), given(3, 1)
    kept = create("rad").fit(training, torch.Generator())
    monkeypatch.setattr(rad, "KEPT_SHARE", 0)
    again = create("rad").fit(training, torch.Generator())
    assert isinstance(kept, rad.Rad)
    assert isinstance(again, rad.Rad)
    assert all(kept._kept.values())
    assert not any(again._kept.values())
    assert torch.equal(kept.score(test).maps, again.score(test).maps)  # type: ignore[arg-type]


def test_the_last_block_may_be_one_of_the_levels() -> None:
    training, test = given(8, 0), given(3, 1)
    named = create("rad[levels=5]").fit(training, torch.Generator()).score(test)
    deepest = create("rad[levels=4]").fit(training, torch.Generator()).score(test)
    assert named.images is not None
    assert deepest.images is not None
    assert torch.equal(named.images, deepest.images)
    assert LAST == 5


@pytest.mark.parametrize("wrong", ["levels=1+1", "neighbours=0", "radius=-1", "top_share=-1"])
def test_wrong_parameters_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong.partition("=")[0]):
        create(f"rad[{wrong}]")
