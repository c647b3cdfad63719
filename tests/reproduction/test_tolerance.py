"""The tolerance is what it says: by hand, and against simulated reproductions that are right."""

from __future__ import annotations

from math import hypot, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from benchmarks.reproduction.tolerance import Tolerance, of_seeds

SOME = st.floats(0, 20)
MAYBE = st.none() | SOME


def test_the_tolerance_by_hand() -> None:
    assert of_seeds(3.1, 3) == pytest.approx(2 * 3.1 * sqrt(4 / 3))
    assert of_seeds(None, 1) is None
    one = Tolerance(3.0, 4.0, 0.05)
    assert (one.without_images, one.whole) == (3.05, 5.05)
    assert Tolerance(None, 4.0, 0.05).whole == 4.05
    assert Tolerance(None, None, 0.05).whole == 0.05


@pytest.mark.parametrize(
    ("seeds", "images", "difference", "word"),
    [
        (3.0, 4.0, 3.05, "agrees"),
        (3.0, 4.0, -3.05, "agrees"),
        (3.0, 4.0, 3.06, "close"),
        (3.0, 4.0, -5.05, "close"),
        (3.0, 4.0, 5.06, "differs"),
        (0.0, 4.0, 0.06, "close"),
        (3.0, None, 3.06, "differs"),
        (None, 4.0, 0.05, "agrees"),
        (None, 4.0, 4.05, "close"),
        (None, 4.0, -4.06, "differs"),
        (None, None, 0.05, "agrees"),
        (None, None, 0.06, "can't tell"),
    ],
)
def test_words(seeds: float | None, images: float | None, difference: float, word: str) -> None:
    assert Tolerance(seeds, images, 0.05).judge(difference) == word


def test_what_keeps_within_more_than_five_points_says_little() -> None:
    assert Tolerance(7.0, 8.0, 0.05).says_little(6)
    assert not Tolerance(3.0, 8.0, 0.05).says_little(2)
    assert Tolerance(3.0, 8.0, 0.05).says_little(4)
    assert not Tolerance(7.0, 8.0, 0.05).says_little(20)  # it differs, which says a lot


@given(MAYBE, MAYBE, st.floats(0, 1), st.floats(-50, 50))
def test_a_word_never_says_more_than_the_numbers(
    seeds: float | None, images: float | None, rounding: float, difference: float
) -> None:
    word = Tolerance(seeds, images, rounding).judge(difference)
    assert word == Tolerance(seeds, images, rounding).judge(-difference)
    apart = abs(difference)
    assert (word == "agrees") == (apart <= (seeds or 0) + rounding)
    if word == "close":
        assert images is not None
        assert apart <= hypot(seeds or 0, images) + rounding
    if word == "differs":
        assert apart > hypot(seeds or 0, images or 0) + rounding


@pytest.mark.parametrize(("count", "outside"), [(3, 0.18), (5, 0.12), (10, 0.08), (1000, 0.05)])
def test_right_reproductions_stay_outside_as_rarely_as_the_docstring_says(
    count: int, outside: float
) -> None:
    assert 2 * t.sf(2, count - 1) == pytest.approx(outside, abs=0.006)
    random = np.random.default_rng(count)
    runs = random.normal(80, 3, (4000, count))
    published = random.normal(80, 3, 4000)
    reach = [of_seeds(s, count) for s in runs.std(axis=1, ddof=1)]
    share = np.mean(np.abs(runs.mean(axis=1) - published) > np.array(reach, float))
    assert share == pytest.approx(outside, abs=0.02)
