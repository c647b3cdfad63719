"""Artefacts are made once a key, and those unused longest go first where memory is short."""

from __future__ import annotations

import torch

from methods.artefacts import Artefacts
from methods.features import SHARED, Features


def test_the_least_recently_used_go_first() -> None:
    artefacts, made = Artefacts(), []

    def get(key: str, limit: int = 12) -> None:
        def make() -> torch.Tensor:
            made.append(key)
            return torch.zeros(1)

        artefacts.get(key, make, limit)

    for key in "abcabdab":
        get(key)
    assert "".join(made) == "abcd"
    get("c")
    assert "".join(made) == "abcdc"
    get("a", limit=0)
    get("a")
    assert "".join(made) == "abcdca"


def test_artefacts_belong_to_the_images_and_go_with_the_memory() -> None:
    features = Features({1: torch.zeros(3, 1, 2, 2)}, share=True)
    made: list[int] = []

    def get(given: Features) -> int:
        def make() -> torch.Tensor:
            made.append(len(given))
            return torch.full((1,), float(len(made)))

        return int(given.shared("key", make))

    assert [get(features), get(features.select([0, 1])), get(features)] == [1, 2, 1]
    assert get(features.within(int(8 / SHARED))) == 1
    features.within(0)
    assert get(features) == 3
    alone = Features({1: torch.zeros(3, 1, 2, 2)})
    assert [get(alone), get(alone)] == [4, 5]
