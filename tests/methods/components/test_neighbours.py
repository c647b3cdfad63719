"""Every search finds what brute force finds."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from methods.components import neighbours, shortlist
from methods.components.neighbours import nearest

SHARED = [HealthCheck.function_scoped_fixture]


def brute_force(queries: torch.Tensor, bank: torch.Tensor, k: int) -> torch.Tensor:
    """The k smallest distances in float64, by differences."""
    differences = queries.double()[:, None] - bank.double()[None]
    return differences.norm(dim=2).sort(dim=1).values[:, :k]


@settings(max_examples=30, deadline=None, suppress_health_check=SHARED)
@given(st.integers(1, 60), st.integers(1, 90), st.integers(1, 12), st.integers(1, 6))
def test_distances_and_rows_are_exact(n: int, m: int, d: int, k: int) -> None:
    generator = torch.Generator().manual_seed(n * m)
    queries, bank = (torch.randn(rows, d, generator=generator) + 20 for rows in (n, m))
    distances, rows = nearest(queries, bank, k)
    torch.testing.assert_close(distances.double(), brute_force(queries, bank, k), rtol=1e-4, atol=0)
    to_rows = (queries[:, None] - bank[rows]).norm(dim=2)
    torch.testing.assert_close(distances, to_rows)


@pytest.fixture(params=["cpu", "device"], autouse=True)
def _ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of searching: the CPU's, and what other devices do, here on CPU tensors."""
    if request.param == "device":
        monkeypatch.setattr(neighbours, "_nearest_by_tiles", neighbours._nearest_by_products)


@pytest.mark.parametrize("k", [1, 4])
def test_blocks_change_nothing(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(1)
    queries, bank = (torch.randn(rows, 5, generator=generator) for rows in (40, 100))
    distances, rows = nearest(queries, bank, k)
    torch.testing.assert_close(distances.double(), brute_force(queries, bank, k))
    monkeypatch.setattr(neighbours, "TILE_QUERIES", 7)
    monkeypatch.setattr(neighbours, "TILE_ROWS", 9)
    monkeypatch.setattr(shortlist, "TILE_BYTES", 1)
    again, same = nearest(queries, bank, k)
    assert torch.equal(again, distances)
    assert torch.equal(same, rows)


@settings(max_examples=60, deadline=None, suppress_health_check=SHARED)
@given(
    n=st.integers(1, 50),
    m=st.integers(1, 120),
    d=st.sampled_from([1, 3, 16, 300]),
    k=st.integers(1, 9),
    exponent=st.integers(-15, 15),
    offset=st.sampled_from([0.0, 1.0, 30.0, 1e3, 1e5]),
    kind=st.sampled_from(["noise", "clusters", "repeated", "line"]),
    seed=st.integers(0, 999),
)
def test_never_farther_than_the_nearest_at_any_offset_and_scale(
    *, n: int, m: int, d: int, k: int, exponent: int, offset: float, kind: str, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(n + m, d, generator=generator)
    match kind:
        case "clusters":
            vectors = vectors * 1e-3 + (torch.arange(n + m) % 3)[:, None] * 1e4
        case "repeated":
            vectors = vectors[torch.randint(0, 1 + m // 8, (n + m,), generator=generator)]
        case "line":
            vectors = vectors[:1] * torch.linspace(0, 1, n + m)[:, None]
    vectors = (vectors + offset)[torch.randperm(n + m, generator=generator)]
    vectors = vectors / vectors.abs().max() * 10.0**exponent
    queries, bank = vectors[:n], vectors[n:]
    distances, rows = nearest(queries, bank, k)
    least = brute_force(queries, bank, k)
    lost = 2 * d * 2.0**-149  # of sums of squares, where float32 doesn't hold these
    assert bool((distances.double() <= (least.square() + lost).sqrt() * (1 + 2.0**-22)).all())
    true = (queries.double()[:, None] - bank.double()[rows]).norm(dim=2)
    torch.testing.assert_close(distances.double(), true, rtol=2.0**-23, atol=0)
    assert all(len(set(row)) == len(row) for row in rows.tolist())
    alone = torch.cat([nearest(query[None], bank, k)[0] for query in queries])
    torch.testing.assert_close(alone, distances, rtol=2.0**-22, atol=lost**0.5)


def test_a_row_of_the_bank_has_distance_zero_to_itself() -> None:
    """|q|² + |b|² - 2 q·b alone would leave a rounding error of the norms' size."""
    bank = torch.randn(30, 64) * 100
    distances, rows = nearest(bank, bank)
    assert distances.abs().max() == 0
    assert rows[:, 0].tolist() == list(range(30))


def test_more_neighbours_than_rows_returns_all_rows() -> None:
    distances, rows = nearest(torch.randn(3, 2), torch.randn(4, 2), k=9)
    assert distances.shape == rows.shape == (3, 4)
