"""Every search finds what brute force finds."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.components import neighbours
from methods.components.neighbours import nearest


def brute_force(queries: torch.Tensor, bank: torch.Tensor, k: int) -> torch.Tensor:
    """The k smallest distances in float64, by differences."""
    differences = queries.double()[:, None] - bank.double()[None]
    return differences.norm(dim=2).sort(dim=1).values[:, :k]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 90), st.integers(1, 12), st.integers(1, 6))
def test_distances_and_rows_are_exact(n: int, m: int, d: int, k: int) -> None:
    generator = torch.Generator().manual_seed(n * m)
    queries, bank = (torch.randn(rows, d, generator=generator) + 20 for rows in (n, m))
    distances, rows = nearest(queries, bank, k)
    torch.testing.assert_close(distances.double(), brute_force(queries, bank, k), rtol=1e-4, atol=0)
    to_rows = (queries[:, None] - bank[rows]).norm(dim=2)
    torch.testing.assert_close(distances, to_rows)


@pytest.mark.parametrize("k", [1, 4])
def test_blocks_do_not_change_the_torch_search(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "QUERY_ROWS", 7)
    monkeypatch.setattr(neighbours, "BANK_ROWS", 11)
    generator = torch.Generator().manual_seed(1)
    queries, bank = (torch.randn(rows, 5, generator=generator) for rows in (40, 100))
    rows = neighbours._search_torch(queries, bank, k)
    distances, _ = neighbours.refine(queries, bank, rows)
    torch.testing.assert_close(distances.double(), brute_force(queries, bank, k))


def test_a_row_of_the_bank_has_distance_zero_to_itself() -> None:
    """|q|² + |b|² - 2 q·b alone would leave a rounding error of the norms' size."""
    bank = torch.randn(30, 64) * 100
    distances, rows = nearest(bank, bank)
    assert distances.abs().max() == 0
    assert rows[:, 0].tolist() == list(range(30))


def test_more_neighbours_than_rows_returns_all_rows() -> None:
    distances, rows = nearest(torch.randn(3, 2), torch.randn(4, 2), k=9)
    assert distances.shape == rows.shape == (3, 4)
