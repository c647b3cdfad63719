"""Products of float64 matrices on a device, from exact products of float32: few do float64 fast.

A vector is rounded to a sum of three whole numbers, each a smaller unit's:
x = u·(X₀ + X₁/B + X₂/B²). Their products are whole numbers, too, and as no sum of them exceeds
2²⁴, float32 has them exactly, in whatever order they are added. So a product is that of the rounded
vectors, the same on every device; rounding a vector of n numbers moves it by 2⁻¹¹·√n / B² of its
length at most.
"""

from __future__ import annotations

import math

from methods.lazy import Tensor, torch

LENGTH = 11
"""Bits of a vector's length in its unit: three products of such lengths stay below 2²⁴."""


def split(vectors: Tensor) -> tuple[Tensor, Tensor, Tensor, float]:
    """Return vectors (…, n, k) as three whole numbers each (…, n, 3k), float32, and units.

    Returns:
        the numbers in ascending order of their units' sizes, and in descending order; units
        (…, n, 1) float64 of the largest; and B.
    """
    base = 2.0 ** int(LENGTH + 1 - math.log2(vectors.shape[-1]) / 2)
    _, exponents = torch.frexp(torch.linalg.vector_norm(vectors, dim=-1, keepdim=True))
    units = torch.ldexp(torch.ones_like(vectors[..., :1]), exponents - LENGTH)
    rest, parts = vectors / units, []
    for _ in range(3):
        parts.append(rest.round())
        rest = (rest - parts[-1]) * base
    descending, ascending = (torch.cat(some, dim=-1).float() for some in (parts, parts[::-1]))
    return ascending, descending, units, base


def rounded(vectors: Tensor) -> Tensor:
    """Return vectors (…, n, k) rounded as products take them, float64."""
    _, descending, units, base = split(vectors)
    largest, middle, smallest = descending.double().chunk(3, dim=-1)
    return (largest + (middle + smallest / base) / base) * units


def bmm(left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    """Return left·rightᵀ (p, n, m) of vectors (p, n, k) and (p, m, k), float64."""
    terms = left.shape[-1]
    (_, ours, units, base), (theirs, _, other_units, _) = split(left), split(right)
    total = left.new_zeros(left.shape[0], left.shape[1], right.shape[1])
    for first, last in ((2, 3), (1, 3), (0, 3), (0, 2), (0, 1)):  # the smallest units first
        numbers = slice(first * terms, last * terms)
        others = slice((3 - last) * terms, (3 - first) * terms)
        total.div_(base).add_(torch.bmm(ours[..., numbers], theirs[..., others].mT))
    total.mul_(units).mul_(other_units.mT)
    return total if out is None else out.copy_(total)
