"""Products split into float32's are those of slightly rounded vectors, exactly."""

from __future__ import annotations

import math

import pytest
import torch

from methods.components import split_products
from methods.components.precision import full_precision


def vectors(count: int, terms: int, scale: float) -> torch.Tensor:
    """Return vectors (2, count, terms) with numbers of many sizes; the first is 0."""
    generator = torch.Generator().manual_seed(terms)
    shape = (2, count, terms)
    noise = torch.randn(shape, generator=generator, dtype=torch.float64)
    noise *= torch.rand(shape, generator=generator, dtype=torch.float64) ** 6 * scale
    noise[0, 0] = 0
    return noise


@full_precision()
def product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    return split_products.bmm(left, right)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e7])
@pytest.mark.parametrize("terms", [1, 3, 79, 314, 1024])
def test_a_product_is_that_of_vectors_rounded_as_derived(terms: int, scale: float) -> None:
    left, right = vectors(7, terms, scale), vectors(5, terms, 1.0)
    ours, theirs = split_products.rounded(left), split_products.rounded(right)
    base = 2.0 ** int(12 - math.log2(terms) / 2)
    for given, kept in ((left, ours), (right, theirs)):
        moved = torch.linalg.vector_norm(given - kept, dim=-1)
        lengths = torch.linalg.vector_norm(given, dim=-1)
        assert bool((moved <= 2.0**-11 * terms**0.5 / base**2 * lengths).all())
    exact = ours @ theirs.mT
    lengths = torch.linalg.vector_norm(ours, dim=-1)[..., None]
    assert bool(((product(left, right) - exact).abs() <= terms * 2.0**-50 * lengths
                 * torch.linalg.vector_norm(theirs, dim=-1)[:, None]).all())  # fmt: skip


@pytest.mark.parametrize("terms", [3, 79, 1024])
def test_no_sum_of_whole_numbers_leaves_float32(terms: int) -> None:
    """Whatever the order: the magnitudes' sum is a number that float32 has, as are all below it."""
    hostile = torch.full((1, 2, terms), 1.0, dtype=torch.float64)
    hostile[0, 1] = 1 - 2.0**-12
    for given in (vectors(40, terms, 1.0), hostile):
        ascending, descending, _, _ = split_products.split(given)
        assert torch.equal(ascending, ascending.round())
        magnitudes = descending.abs().double() @ ascending.abs().double().mT
        assert float(magnitudes.max()) <= 2.0**24


@pytest.mark.parametrize("terms", [3, 79, 1024])
def test_the_order_of_terms_changes_no_bit(terms: int) -> None:
    left, right = vectors(6, terms, 1.0), vectors(6, terms, 1.0)
    order = torch.randperm(terms, generator=torch.Generator().manual_seed(0))
    expected = product(left, right)
    assert torch.equal(product(left[..., order], right[..., order]), expected)
