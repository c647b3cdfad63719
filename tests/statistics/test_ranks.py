"""Ranks and pairs of methods over categories: by hand, over all signs, and as published."""

from __future__ import annotations

from itertools import combinations, permutations, product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from benchmarks.statistics.pairs import Pair, correct_table, holm
from benchmarks.statistics.ranks import (
    average_ranks,
    compare_categories,
    fewest_categories,
    groups,
    signed_rank,
)


def compared(values: Any, higher_is_better: bool) -> tuple[Pair, ...]:
    """Return the pairs, corrected as a table of their own."""
    return correct_table({"all": compare_categories(values, higher_is_better)})["all"]


def test_holm_by_hand() -> None:
    # 4 · 0.005, 3 · 0.01, 2 · 0.03, and 0.04 no less than the one before; 2 · 0.6 is no chance.
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.6, 0.7]), [1, 1])
    np.testing.assert_allclose(holm([0.5]), [0.5])


@settings(max_examples=30)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_signed_ranks_are_exact_with_ties_and_zeros(differences: list[int]) -> None:
    effect, p_value = signed_rank(differences)
    assert signed_rank([-difference for difference in differences]) == (-effect, p_value)
    kept = np.array([difference for difference in differences if difference])
    if not kept.size:
        assert (effect, p_value) == (0, 1)
        return
    ranks = pd.Series(abs(kept)).rank().to_numpy()
    sums = np.array(list(product((-1, 1), repeat=kept.size))) @ ranks  # over all signs
    observed = np.sign(kept) @ ranks
    assert effect == pytest.approx(observed / ranks.sum())
    assert p_value == pytest.approx((abs(sums) >= abs(observed)).mean())


@given(st.sets(st.integers(1, 99), min_size=2, max_size=20), st.randoms(use_true_random=False))
def test_signed_ranks_are_those_of_scipy_where_nothing_ties(sizes: set[int], random: Any) -> None:
    differences = [size * random.choice((-1, 1)) for size in sizes]
    assert signed_rank(differences)[1] == pytest.approx(wilcoxon(differences, mode="exact").pvalue)


def test_noise_of_the_last_digit_is_a_tie() -> None:
    assert signed_rank([0.3 - 0.2, 0.1, -0.1]) == signed_rank([1, 1, -1])
    assert signed_rank([0.1 + 0.2 - 0.3] * 8) == (0, 1)


DEMSAR = {
    "c45": (763, 599, 954, 628, 882, 936, 661, 583, 775, 1000, 940, 619, 972, 957),
    "c45+m": (768, 591, 971, 661, 888, 931, 668, 583, 838, 1000, 962, 666, 981, 978),
    "c45+cf": (771, 590, 968, 654, 886, 916, 609, 563, 866, 1000, 965, 614, 975.01, 946),
    "c45+m+cf": (798, 569, 967, 657, 898, 931, 685, 625, 875, 1000, 962, 669, 975, 970),
}
"""AUCs of four classifiers on 14 data sets, in thousandths (Demšar, JMLR 2006, table 6).

Its ranks are of unrounded values: the third classifier's 975 beats the fourth's.
"""


def test_ranks_are_the_published_ones() -> None:
    values = {name: np.array(column) / 1000 for name, column in DEMSAR.items()}
    ranks = average_ranks(values, True)
    assert {name: round(rank, 3) for name, rank in ranks.items()} == {
        "c45+m+cf": 1.964,
        "c45+m": 2.0,
        "c45+cf": 2.893,
        "c45": 3.143,
    }
    assert list(ranks) == ["c45+m+cf", "c45+m", "c45+cf", "c45"]
    assert average_ranks({name: 1 - value for name, value in values.items()}, False) == ranks


def test_too_few_categories_cannot_tell() -> None:
    assert [fewest_categories(methods) for methods in (2, 3, 7)] == [6, 7, 10]
    for methods in range(2, 9):
        names = [str(number) for number in range(methods)]
        for short in (0, 1):
            size = fewest_categories(methods) - short
            values = {name: np.arange(size) + 100.0 * place for place, name in enumerate(names)}
            pairs = compared(values, True)
            assert {pair.p_value is None for pair in pairs} == {bool(short)}
            assert {pair.significant for pair in pairs} == {not short}
            assert {pair.effect for pair in pairs} == {-1}


def test_pairs_know_which_is_better_and_tell_nothing_of_ties() -> None:
    low, high = np.arange(8.0), np.arange(8.0) + 2
    (pair,) = compared({"low": low, "high": high}, True)
    assert (pair.difference, pair.effect, pair.worse) == (-2, -1, "low")
    assert pair.p_value == pair.holm == 2 / 2**8
    (pair,) = compared({"low": low, "high": high}, False)
    assert (pair.difference, pair.effect, pair.worse) == (-2, 1, "high")
    (pair,) = compared({"low": low, "again": low}, True)
    assert (pair.effect, pair.p_value, pair.worse) == (0, 1, None)


def test_the_order_of_methods_does_not_matter() -> None:
    random = np.random.default_rng(1)
    values = {name: random.normal(loc=place, size=12) for place, name in enumerate("abc")}
    expected = {(p.first, p.second): p.holm for p in compared(values, True)}
    for names in permutations("abc"):
        for pair in compared({name: values[name] for name in names}, True):
            first, second = sorted((pair.first, pair.second))
            assert pair.holm == expected[first, second]


@given(st.integers(2, 6).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n * n)))))
def test_groups_are_all_maximal_cliques(drawn: tuple[int, set[int]]) -> None:
    methods, differing = "abcdef"[: drawn[0]], drawn[1]
    pairs = [
        Pair(first, second, 1, 1, 0, 0.0 if number in differing else 1.0)
        for number, (first, second) in enumerate(combinations(methods, 2))
    ]
    apart = {(pair.first, pair.second) for pair in pairs if pair.significant}
    cliques = [
        members
        for size in range(2, len(methods) + 1)
        for members in combinations(methods, size)
        if not apart.intersection(combinations(members, 2))
    ]
    largest = [one for one in cliques if not any({*one} < {*other} for other in cliques)]
    assert groups(pairs) == sorted(largest)
