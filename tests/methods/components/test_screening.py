"""Screened searches find exactly what brute force finds, whatever the bounds are worth."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.components import bounds, screening, shortlist
from methods.components.bounds import Allowance, Reduction
from methods.components.screening import Best, Bounded, ScreenedBank, Tiles, improve
from tests import adversarial_bounds


def curved(rows: int, dims: int, seed: int, latent: int = 5) -> torch.Tensor:
    """Points near a curved surface of few dimensions, far from the origin, as features are."""
    generator = torch.Generator().manual_seed(seed)
    bend = torch.randn(latent, dims, generator=torch.Generator().manual_seed(99))
    points = torch.rand(rows, latent, generator=generator) @ bend
    noise = torch.randn(rows, dims, generator=generator)
    return torch.relu(points.sin() * 3 + 0.1 * noise + 2)


def brute_force(queries: torch.Tensor, bank: torch.Tensor) -> torch.Tensor:
    """Nearest distances in float64, by differences."""
    exact = "donot_use_mm_for_euclid_dist"
    return torch.cdist(queries.double(), bank.double(), compute_mode=exact).min(dim=1).values


@pytest.fixture(params=[torch.bfloat16, torch.float32], autouse=True)
def _precision(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "low_precision", lambda device: request.param)


@pytest.fixture(params=["compiled", "whole tiles"], autouse=True)
def _loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of improving: the CPU's, and what other devices do, here on CPU tensors."""
    monkeypatch.setattr(screening, "compiles", lambda device: request.param == "compiled")
    return str(request.param)


@pytest.mark.parametrize("shift", [0.0, 1000.0])
@pytest.mark.parametrize(("queries", "rows", "dims"), [(700, 3000, 300), (40, 33, 80), (1, 1, 9)])
def test_finds_the_nearest(queries: int, rows: int, dims: int, shift: float) -> None:
    asked, bank = curved(queries, dims, 0) + shift, curved(rows, dims, 1) + shift
    distances, found = ScreenedBank(bank).nearest(asked)
    torch.testing.assert_close(distances.double(), brute_force(asked, bank), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(distances, (asked - bank[found]).norm(dim=1))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 80),
    st.integers(1, 200),
    st.integers(1, 70),
    st.integers(0, 999),
    st.floats(0, 1),
)
def test_finds_the_nearest_among_anything(
    queries: int, rows: int, dims: int, seed: int, same: float
) -> None:
    """Isotropic noise, the worst case for components, with rows repeated and asked for."""
    generator = torch.Generator().manual_seed(seed)
    bank = torch.randn(rows, dims, generator=generator)
    bank[: int(rows * same)] = bank[0].clone()
    asked = torch.randn(queries, dims, generator=generator)
    asked[: int(queries * same)] = bank[-1]
    distances, _ = ScreenedBank(bank).nearest(asked)
    torch.testing.assert_close(distances.double(), brute_force(asked, bank), rtol=1e-4, atol=1e-6)


def test_rows_of_the_bank_find_themselves() -> None:
    bank = curved(500, 120, 3)
    distances, found = ScreenedBank(bank).nearest(bank)
    assert distances.max() == 0
    assert found.tolist() == list(range(500))


@pytest.mark.parametrize("hopeless", [0, 0.004, 1])
def test_searching_hopeless_queries_by_brute_force_changes_nothing(hopeless: float) -> None:
    bank, asked = torch.randn(900, 300), torch.randn(50, 300)
    tiles = Tiles(hopeless=hopeless, few=0, several=0)
    distances, _ = ScreenedBank(bank, tiles).nearest(asked)
    torch.testing.assert_close(distances.double(), brute_force(asked, bank), rtol=1e-5, atol=0)


def test_tiles_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bank, asked = curved(1000, 90, 1), curved(150, 90, 2)
    whole, rows = ScreenedBank(bank).nearest(asked)
    monkeypatch.setattr(shortlist, "TILE_BYTES", 1)
    distances, found = ScreenedBank(bank, Tiles(gallery_rows=96, query_rows=13)).nearest(asked)
    torch.testing.assert_close(distances, whole, rtol=1e-6, atol=0)
    assert torch.equal(found, rows)


def test_bounds_never_exceed_what_may_be_the_nearest() -> None:
    """What a bound says a distance is at least, it is, for every pair."""
    bank, asked = curved(640, 400, 1), curved(100, 400, 2)
    reduction = Reduction.of(bank)
    reduced, queries = reduction.gallery(bank), reduction.queries(asked)
    allowance = Allowance.of(queries, reduced.error.max(), reduced.norms.max())
    lowest = allowance.distances((reduced.points @ queries.points.T).float())  # (640, 100)
    exact = torch.cdist(bank.double(), asked.double(), compute_mode="donot_use_mm_for_euclid_dist")
    assert bool((lowest <= exact).all())
    assert float((lowest / exact).median()) > 0.5


def test_most_rows_are_excluded_without_being_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A query for which more than 2 % of a tile had to be compared would be given up."""
    bank, asked = curved(4096, 300, 1, latent=3), curved(200, 300, 2, latent=3)

    def give_up(*_: object) -> None:
        raise AssertionError("a query was searched by brute force")

    monkeypatch.setattr(screening, "nearest", give_up)
    distances, _ = ScreenedBank(bank, Tiles(hopeless=0.02, few=0, several=0)).nearest(asked)
    torch.testing.assert_close(distances.double(), brute_force(asked, bank), rtol=1e-4, atol=1e-6)


def test_improving_keeps_what_was_nearer() -> None:
    first, second, asked = curved(100, 50, 1), curved(100, 50, 2), curved(30, 50, 3)
    reduction, best = Reduction.of(first), Best.none(asked)
    for number, gallery in enumerate((first, second)):
        queries, reduced = reduction.queries(asked), reduction.gallery(gallery)
        improve(best, Bounded(asked, queries), Bounded(gallery, reduced), first_row=100 * number)
    both = torch.cat([first, second])
    torch.testing.assert_close(best.squared.sqrt(), (asked - both[best.rows]).norm(dim=1))
    torch.testing.assert_close(
        best.squared.sqrt().double(), brute_force(asked, both), rtol=1e-5, atol=0
    )


@pytest.mark.parametrize("kind", adversarial_bounds.KINDS)
def test_no_bound_is_violated_by_a_short_search(kind: str) -> None:
    """`python -m tests.adversarial_bounds` searches for longer."""
    dtype = bounds.low_precision(torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    for dims in (3, 100):
        assert adversarial_bounds.attack(kind, dims, dtype, generator, 10) >= 0


@pytest.mark.parametrize(
    ("dtype", "left"), [(torch.bfloat16, 0.3), (torch.float32, 2e-3), (torch.float64, 1e-6)]
)
def test_bounds_of_whole_vectors_are_as_tight_as_their_precision(
    dtype: torch.dtype, left: float
) -> None:
    bank, queries = torch.randn(2, 64, 300, generator=torch.Generator().manual_seed(0)) + 5
    whole = Reduction(bank.mean(dim=0, dtype=torch.float64), None, dtype)
    room = adversarial_bounds.room(bank, queries, whole)
    assert float(room.min()) >= 0
    assert float(room.max()) < left
