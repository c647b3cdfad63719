"""Loops over lower bounds, compiled for the CPU: which pairs are worth an exact distance.

Bounds come as integers: the bits of non-negative floating-point numbers are ordered as the numbers
are, those of negative ones lie below zero, and integers are several times as fast to compare.
bfloat16's are the upper half of float32's.
Loops over bounds are written by index, in functions of their own: so they compile to vectors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from methods.components.compiled import compiled

if TYPE_CHECKING:
    from methods.components.bounds import Allowance

BLOCK = 64
"""Bounds that are looked at together before one by one."""

Array = np.ndarray[Any, Any]


class Pairs(NamedTuple):
    """Queries and a gallery's rows, with what is known of each query's nearest row.

    Attributes:
        queries: (n, d) float32.
        gallery: (m, d) float32.
        squared: (n,) squared distances to the nearest so far.
        rows: (n,) whose distance that is.
        first_row: the number of the gallery's first row.
    """

    queries: Array
    gallery: Array
    squared: Array
    rows: Array
    first_row: int


@compiled(fastmath={"reassoc", "contract"})
def squared_distance(query: Array, row: Array) -> Any:
    """Return the squared distance of two vectors (d,), from their differences."""
    total = np.float32(0)
    for i in range(len(query)):
        difference = query[i] - row[i]
        total += difference * difference
    return total


@compiled()
def _limit(squared: Array, allowance: Allowance, query: int) -> Any:
    """Return the upper limit, as integer bits, of a query's bounds that need an exact check.

    Bounds up to the number itself do: the integer is the first that is above.
    """
    number = np.empty(1, np.float32)
    distance = np.sqrt(np.float64(max(squared[query], np.float32(0)))) + allowance.reach[query]
    number[0] = distance * distance * (1 + allowance.eps) + allowance.slack[query]
    bits = np.int64(number.view(np.int32)[0])
    return (bits >> 16) + 1 if allowance.eps > 2.0**-16 else bits + 1


@compiled()
def _lowest(values: Array) -> Any:
    lowest = values[0]
    for i in range(len(values)):
        lowest = min(lowest, values[i])
    return lowest


@compiled()
def _position(values: Array, wanted: int) -> int:
    position = 0
    while values[position] != wanted:
        position += 1
    return position


@compiled()
def _any_below(values: Array, limits: Array) -> Any:
    below = False
    for i in range(len(values)):
        below |= values[i] < limits[i]
    return below


@compiled()
def _compare_block(
    row_bounds: Array, start: int, end: int, allowance: Allowance, pairs: Pairs, query: int
) -> int:
    """Do what `nearest_below` does for a query and a block; return how many rows were compared."""
    queries, gallery, squared, rows, first_row = pairs
    compared, below = 0, _limit(squared, allowance, query)
    for row in range(start, end):
        if row_bounds[row] < below:
            compared += 1
            distance = squared_distance(queries[query], gallery[row])
            if distance < squared[query]:
                squared[query], rows[query] = distance, first_row + row
                below = _limit(squared, allowance, query)
            elif distance == squared[query] and first_row + row < rows[query]:
                rows[query] = first_row + row
    return compared


@compiled()
def nearest_below(
    bounds: Array, allowance: Allowance, pairs: Pairs, patience: int, most: int
) -> Array:
    """Lower the pairs' `squared` and set `rows`, in place, by what is nearer in the gallery.

    Of equally near rows the first is named, if galleries are passed in the order of their rows.

    Args:
        bounds: (n, m) bits of the squared distances' lower bounds.
        allowance: what rounding may have added to them, in arrays.
        pairs: the queries and the gallery.
        patience: queries that are never given up.
        most: comparisons of a query after which it is given up, once patience is at an end.

    Returns:
        Whether a query was given up, so that its nearest may not have been found, (n,).
    """
    given_up = np.zeros(len(bounds), np.bool_)
    for query in range(len(bounds)):
        row_bounds = bounds[query]
        below = _limit(pairs.squared, allowance, query)
        lowest = _lowest(row_bounds)
        if lowest >= below:
            continue
        # The block of the lowest bound comes first: what it leaves to be beaten spares the others.
        first = _position(row_bounds, lowest) // BLOCK
        blocks = (len(row_bounds) + BLOCK - 1) // BLOCK
        compared = 0
        for number in range(blocks):
            start = (first + number) % blocks * BLOCK
            end = min(start + BLOCK, len(row_bounds))
            if _lowest(row_bounds[start:end]) >= below:
                continue
            compared += _compare_block(row_bounds, start, end, allowance, pairs, query)
            below = _limit(pairs.squared, allowance, query)
            if compared > most:
                if patience > 0:
                    patience -= 1
                    compared = -len(row_bounds)
                else:
                    given_up[query] = True
                    break
    return given_up


@compiled()
def farthest_first(
    bounds: Array,
    allowance: Allowance,
    points: Array,
    squared: Array,
    ceiling: float,
    barrier: int,
    size: int,
) -> Array:
    """Return up to `size` points, each the farthest from those before it, down to `ceiling`.

    Of equally far points the first is selected.

    Args:
        bounds: (n, n) bits of the squared distances' lower bounds.
        allowance: what rounding may have added to them, in arrays.
        points: (n, d) float32.
        squared: (n,) squared distances to the nearest centre so far, lowered in place; -1 for what
            has been selected.
        ceiling: squared distance below which no point is selected.
        barrier: the first point that is not selected at the ceiling itself.
        size: most points to select.
    """
    below = np.empty(len(points), bounds.dtype)
    for row in range(len(points)):
        below[row] = _limit(squared, allowance, row)
    chosen = np.empty(size, np.int64)
    for number in range(size):
        best = squared.argmax()
        if squared[best] < ceiling or (squared[best] == ceiling and best >= barrier):
            return chosen[:number]
        chosen[number] = best
        squared[best] = below[best] = -1
        row_bounds = bounds[best]
        for start in range(0, len(row_bounds), BLOCK):
            end = min(start + BLOCK, len(row_bounds))
            if not _any_below(row_bounds[start:end], below[start:end]):
                continue
            for row in range(start, end):
                if row_bounds[row] < below[row] and squared[row] >= 0:
                    distance = squared_distance(points[best], points[row])
                    if distance < squared[row]:
                        squared[row] = distance
                        below[row] = _limit(squared, allowance, row)
    return chosen


@compiled()
def lower(points: Array, squared: Array, members: Array, centres: Array, near: Array) -> None:
    """Lower some points' squared distances, in place, to those from the nearest of some centres.

    Args:
        points: (N, d) float32.
        squared: (N,) squared distances to the nearest centre so far.
        members: which points.
        centres: (n, d) float32.
        near: which centres.
    """
    for member in members:
        for number in near:
            distance = squared_distance(points[member], centres[number])
            squared[member] = min(squared[member], distance)
