"""What a pretended card says of memory and work, against what is known of each operation."""

from __future__ import annotations

import pytest
import torch

from methods.components.precision import full_precision
from methods.testing.pretended import pretended_cuda


def test_bytes_live_until_the_last_tensor_on_them_is_gone() -> None:
    with pretended_cuda(free=1000) as counts:
        card = counts.cards[0]
        whole = torch.zeros(100, device="cuda")
        part = whole[10:20]
        assert torch.cuda.mem_get_info() == (600, 1000)
        del whole
        assert card.live == 400
        del part
        assert card.live == 0
        assert torch.cuda.max_memory_allocated() == 400
        torch.cuda.reset_peak_memory_stats()
        assert card.peak == 0


def test_what_does_not_fit_is_refused_and_what_fits_goes_on() -> None:
    with pretended_cuda(free=1000) as counts:
        kept = torch.zeros(100, device="cuda")
        with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
            kept.repeat(2)
        assert counts.cards[0].refused == 1
        assert (kept[:150] + 1).sum().item() == 100


def test_devices_have_their_own_memory() -> None:
    with pretended_cuda(devices=2, free=1000) as counts:
        kept = [torch.zeros(200, device=f"cuda:{number}") for number in (0, 1)]
        assert [card.live for card in counts.cards] == [800, 800]
        assert torch.cuda.mem_get_info(1) == (200, 1000)
    assert len(kept) == 2


def test_bytes_at_the_peak_are_listed_by_the_line_that_took_them() -> None:
    from methods.components.neighbours import nearest

    with pretended_cuda() as counts, full_precision():
        rows = torch.rand(50, 8, generator=torch.Generator().manual_seed(0)).to("cuda")
        nearest(rows, rows)
    card = counts.cards[0]
    assert sum(card.peak_lines.values()) == card.peak
    assert any(place.startswith("methods/components/") for place, _ in card.peak_lines)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_products_are_counted_by_type(dtype: torch.dtype) -> None:
    with pretended_cuda() as counts, full_precision():
        left = torch.ones(3, 4, 5, dtype=dtype, device="cuda")
        _ = left @ left.mT
        _ = left[0] @ left[0].mT
    work, kind = counts.work, str(dtype).removeprefix("torch.")
    assert work.products == {kind: 2 * (3 * 4 * 5 * 4) + 2 * (4 * 5 * 4)}
    assert sum(work.sites.values()) == work.products[kind]


def test_factorisations_and_elementwise_numbers_stand_apart() -> None:
    with pretended_cuda() as counts, full_precision():
        matrices = torch.eye(6, dtype=torch.float64, device="cuda").expand(2, 6, 6).contiguous()
        before = counts.work.elementwise["float64"]
        factors, _ = torch.linalg.cholesky_ex(matrices)
        right = torch.ones(2, 6, 3, dtype=torch.float64, device="cuda")
        torch.linalg.solve_triangular(factors, right, upper=False)
        narrow = torch.ones(7, 5, device="cuda")
        torch.linalg.vector_norm(narrow, dim=1, dtype=torch.float64)
        exact = "donot_use_mm_for_euclid_dist"
        torch.cdist(narrow.double(), narrow.double(), compute_mode=exact)
    work = counts.work
    assert work.products == {}
    assert work.factorisations == {"float64": 2 * 6**3 // 3 + 2 * 6 * 3 * 6}
    written = 2 * 6 * 3 + 7 * 5 + 2 * 7 * 5 + 7 * 7 * 5
    assert work.elementwise["float64"] - before == written
