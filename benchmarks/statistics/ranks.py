"""Wilcoxon's test over categories, average ranks, and groups that do not differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import comb, floor, log2

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.array_types import Floats
from benchmarks.statistics.delong import midranks
from benchmarks.statistics.pairs import DIGITS, LEVEL, Pair
from benchmarks.statistics.sign_flips import flip_p_value


def fewest_categories(methods: int) -> int:
    """Return how many categories it takes to tell any pair of so many methods apart, two or more.

    C differences of one sign have p = 2 / 2**C, which Holm multiplies by the number of pairs, or by
    more where these are not all of a family.
    """
    return floor(log2(comb(methods, 2) / LEVEL)) + 2


def signed_rank(differences: ArrayLike) -> tuple[float, float]:
    """Return the rank-biserial correlation and p value of Wilcoxon's signed-rank test.

    Zeros are dropped. The p value is exact with ties too: over all signs of the differences, with
    midranks (SciPy's is exact without ties only). Differences that are all zero give (0, 1).

    Args:
        differences: (C,), one a category.
    """
    differences = np.asarray(differences, float).round(DIGITS)
    signed = differences[differences != 0]
    doubled = np.rint(2 * midranks(abs(signed))).astype(np.int64) * np.sign(signed).astype(np.int64)
    if not signed.size:
        return 0.0, 1.0
    return int(doubled.sum()) / int(abs(doubled).sum()), flip_p_value(doubled)


def compare_categories(values: Mapping[str, Floats], higher_is_better: bool) -> tuple[Pair, ...]:
    """Return all pairs of methods by their values on the same categories, not corrected yet.

    Without p values where there are fewer than `fewest_categories`.

    Args:
        values: method → value in each category, (C,).
        higher_is_better: the direction of improvement.
    """
    pairs = []
    for first, second in combinations(values, 2):
        differences = values[first] - values[second]
        effect, p_value = signed_rank(differences if higher_is_better else -differences)
        known = p_value if differences.size >= fewest_categories(len(values)) else None
        pairs.append(Pair(first, second, float(np.median(differences)), effect, known))
    return tuple(pairs)


def average_ranks(values: Mapping[str, Floats], higher_is_better: bool) -> dict[str, float]:
    """Return each method's rank, 1 the best, ties sharing theirs, averaged over categories.

    Arguments as `compare_categories`; best first.
    """
    table = np.array(list(values.values())).round(DIGITS)  # (methods, categories)
    ranks = np.apply_along_axis(midranks, 0, -table if higher_is_better else table).mean(axis=1)
    return dict(sorted(zip(values, ranks.tolist(), strict=True), key=lambda ranked: ranked[1]))


def groups(pairs: Sequence[Pair]) -> list[tuple[str, ...]]:
    """Return the largest sets of methods no two of which differ significantly, of two or more."""
    methods = list(dict.fromkeys(name for pair in pairs for name in (pair.first, pair.second)))
    alike: dict[str, set[str]] = {method: set() for method in methods}
    for pair in pairs:
        if not pair.significant:
            alike[pair.first].add(pair.second)
            alike[pair.second].add(pair.first)
    cliques: set[frozenset[str]] = set()
    for method in methods:
        cliques |= {clique & alike[method] | {method} for clique in (*cliques, frozenset())}
        cliques = {clique for clique in cliques if not any(clique < other for other in cliques)}
    shared = [tuple(filter(clique.__contains__, methods)) for clique in cliques if len(clique) > 1]
    return sorted(shared, key=lambda group: [methods.index(method) for method in group])
