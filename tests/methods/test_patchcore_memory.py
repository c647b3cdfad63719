"""PatchCore on a card too small for its memory bank, which then waits on the host."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from methods import patchcore, resolve
from methods.base import Features, Scores
from methods.components import shortlist
from methods.components.coreset_device import SIZES
from methods.testing.pretended import OnDevice, pretended_cuda

VARIANTS = [
    "patchcore-25",
    "patchcore-100",
    "patchcore-25[squared=true]",
    "patchcore-100[reweight=3]",
    "patchcore-25[search=faiss]",
]


def features(count: int, seed: int, memory: int = 8 << 30, device: str = "cuda") -> Features:
    """Random features, (24, 8, 8) and (48, 4, 4) an image."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {2: (24, 8, 8), 3: (48, 4, 4)}
    levels = {i: torch.rand(count, *s, generator=generator).square() for i, s in shapes.items()}
    return Features(levels, device=device, memory=memory)


def scored(variant: str, memory: int, device: str = "cuda") -> tuple[Scores, Any]:
    method: Any = resolve(variant).parameters.create()
    method.fit(features(6, 0, memory, device), torch.Generator().manual_seed(0))
    return method.score(features(3, 1, memory, device)), method


def plain(values: Any) -> torch.Tensor:
    held: torch.Tensor = values.held if isinstance(values, OnDevice) else values
    return held


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_bank_searched_in_parts_from_the_host_gives_the_same(
    variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patchcore, "LEAST_ROWS", 29)
    with pretended_cuda() as counts:
        whole, roomy = scored(variant, 8 << 30)
        before = counts["copy to device"]
        parts, tight = scored(variant, 1)
        assert roomy._bank.device.type == "cuda"
        assert tight._bank.device.type == "cpu"
        assert counts["copy to device"] - before >= len(tight._bank) // 29
        assert torch.equal(plain(roomy._bank), tight._bank)
        if "faiss" in variant:  # rounds |q|² + |b|² - 2 q·b as its blocks happen to be
            torch.testing.assert_close(plain(whole.maps), plain(parts.maps), rtol=1e-5, atol=0)
        else:
            assert torch.equal(plain(whole.maps), plain(parts.maps))
        near = pytest.approx(plain(whole.images).tolist(), rel=1e-5)
        assert plain(parts.images).tolist() == near


def test_of_equal_rows_in_several_parts_the_first_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patchcore, "LEAST_ROWS", 64)
    with pretended_cuda():
        image = features(1, 0, 1)
        twice = Features(
            {level: image.read(level, [0, 0, 0]).cpu() for level in image.levels}, None, "cuda", 1
        )
        method: Any = resolve("patchcore-100").parameters.create()
        method.fit(twice, torch.Generator())
        rows = [plain(rows) for _, _, rows in method._compared(image)]
        assert len(method._bank) == 3 * 64
        assert torch.cat(rows).tolist() == list(range(64))


def test_on_the_cpu_a_bank_is_never_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patchcore, "LEAST_ROWS", 1)
    _, method = scored("patchcore-25", 1, "cpu")
    parts = list(method._parts(features(1, 0, 1, "cpu")))
    assert [(first, len(part)) for first, part in parts] == [(0, 96)]


def test_less_memory_is_answered_by_smaller_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card that holds the points and their distances, but no bank, holds the method."""
    monkeypatch.setattr(patchcore, "LEAST_ROWS", 64)
    monkeypatch.setattr(patchcore, "LEAST_COMPARED", 1 << 14)
    monkeypatch.setattr(patchcore, "SIZES", replace(SIZES, pool=64, stride=16))
    peaks = []
    for memory in (1 << 30, 1 << 16):
        with pretended_cuda() as counts:
            scored("patchcore-25", memory)
            peaks.append(counts.cards[0].peak)
    assert peaks[1] < 0.6 * peaks[0]


SCALE = 256
"""A card of 8 GiB and 2.5 million patches, both so many times smaller."""


@pytest.mark.slow
def test_two_and_a_half_million_patches_stay_within_a_card_of_8_gb(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the harness gives it: half of the card is used, and half of that is the methods'."""
    limit, images = (8 << 30) // SCALE, 2_500_000 // SCALE // 64
    blocks = {"pool": 256, "stride": 32, "compared_bytes": (1 << 30) // SCALE}
    monkeypatch.setattr(patchcore, "LEAST_ROWS", 64)
    monkeypatch.setattr(patchcore, "LEAST_COMPARED", (1 << 24) // SCALE)
    monkeypatch.setattr(patchcore, "SIZES", replace(SIZES, **blocks))
    monkeypatch.setattr(shortlist, "TILE_BYTES", (1 << 30) // SCALE)
    with pretended_cuda(free=limit) as counts:
        method: Any = resolve("patchcore-25").parameters.create()
        method.fit(features(images, 0, limit // 4), torch.Generator().manual_seed(0))
        assert method._bank.shape == (images * 16, 1024)
        assert method._bank.device.type == "cpu"
        test = features(4, 1, limit // 4)
        maps = method.score(test).maps
        assert counts.cards[0].peak > limit // 4, "this card is put to use"
        assert counts.cards[0].refused == 0
        asked = torch.cat([patches.cpu() for patches in method._patches(test)])
    expected, _ = patchcore.nearest_row(asked, method._bank)
    torch.testing.assert_close(plain(maps).flatten(), expected, rtol=1e-5, atol=0)
