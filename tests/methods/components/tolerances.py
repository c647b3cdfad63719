"""What float32 may add to distances, derived; nothing here is measured."""

from __future__ import annotations

UNIT = 2.0**-24
"""The unit roundoff of float32: the largest relative error of one operation."""

LANES, REMAINDER = 16, 64
"""Partial sums that a loop over a vector keeps at least (four registers of four numbers), and the
most numbers that it leaves to be added one by one."""


def distance_tolerance(dims: int) -> float:
    """Return the relative error of a distance summed in float32 over `dims` dimensions.

    A term passes the rounding of a difference, twice, as that is squared; of the square; and of the
    additions: of its partial sum, of the partial sums' sum, and of a remainder. Errors of n
    roundings are a random walk of √n unit roundoffs (Higham and Mary, "A new approach to
    probabilistic rounding error analysis", 2019), where they are not fewer than that. The root
    halves them, and rounds once more. At 1,792 dimensions this is 2⁻²¹.
    """
    roundings = 3 + dims / LANES + min(dims, REMAINDER)
    return UNIT * (roundings**0.5 / 2 + 1)
