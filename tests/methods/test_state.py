"""A fitted method's state: its bytes, and features of one's own, memory-mapped or wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import methods
from methods.base import Storable, state_bytes
from methods.conformance import make_features

COUNT = 12


def arrays(count: int = COUNT, seed: int = 0) -> dict[int, np.ndarray[Any, Any]]:
    features = make_features(count, seed, (1, 2, 3, 4))
    return {level: features.read(level).numpy() for level in features.levels}


def fitted(name: str, features: methods.Features) -> Storable:
    method = methods.create(name).fit(features, torch.Generator().manual_seed(3))
    assert isinstance(method, Storable)
    return method


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("spade", COUNT * (12 * 16**2 + 20 * 8**2 + 24 * 4**2 + 32)),
        ("patchcore-25[dims=64]", COUNT * 8 * 8 // 4 * 64),
        ("padim-full", COUNT * (12 * 16**2 + 20 * 8**2 + 24 * 4**2)),
    ],
)
def test_bytes_are_the_states(name: str, numbers: int) -> None:
    assert state_bytes(fitted(name, methods.Features(arrays())).state()) == 4 * numbers


def test_bytes_of_memory_mapped_features_count_and_are_not_read(tmp_path: Path) -> None:
    mapped = {}
    for level, array in arrays().items():
        np.save(tmp_path / f"{level}.npy", array.astype(np.float16))
        mapped[level] = np.load(tmp_path / f"{level}.npy", mmap_mode="r")
    features = methods.Features(mapped).select(range(2, COUNT))
    state = fitted("spade", features).state()
    assert state_bytes(state) == (COUNT - 2) * (2 * (12 * 16**2 + 20 * 8**2 + 24 * 4**2) + 4 * 32)
    assert all(isinstance(state[f"level_{level}"], np.memmap) for level in (1, 2, 3))


@pytest.mark.parametrize("name", ["patchcore-10", "spade-5", "padim[dims=9]"])
def test_a_subset_of_images_is_what_is_stored(name: str) -> None:
    training = methods.Features(arrays()).select([7, 1, 4, 5])
    test = methods.Features(arrays(3, 1))
    method = fitted(name, training)
    loaded = methods.create(name)
    assert isinstance(loaded, Storable)
    loaded.from_state(method.state(), memory=1)
    assert torch.equal(_first_map(loaded, test), _first_map(method, test))
    assert state_bytes(loaded.state()) == state_bytes(method.state())


def _first_map(method: Storable, test: methods.Features) -> torch.Tensor:
    maps = method.score(test).maps
    return maps[0] if isinstance(maps, tuple) else maps


@pytest.mark.parametrize("name", ["patchcore-10", "spade", "padim"])
def test_what_goes_wrong_with_ones_own_features_is_said(name: str) -> None:
    generator: Any = torch.Generator()
    short = {level: array for level, array in arrays().items() if level != 3}
    with pytest.raises(KeyError) as missing:
        methods.create(name).fit(methods.Features(short), generator)
    assert str(missing.value) == "level 3 is missing: these features have level 1, 2, 4"
    with pytest.raises(ValueError, match=r"level 2 is of shape \(10, 512\), .* as \(N, C, 1, 1\)"):
        methods.Features({2: np.zeros((10, 512))})
    number: Any = 7
    with pytest.raises(TypeError, match=r"type int: pass torch.Generator\(\).manual_seed\(7\)"):
        methods.create(name).fit(methods.Features(arrays()), number)
    plain: Any = arrays()
    with pytest.raises(TypeError, match=r"type dict: pass methods\.Features"):
        methods.create(name).fit(plain, generator)
