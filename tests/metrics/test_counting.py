"""Counts are those of comparing every score with every threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks.metrics.tally import make_tally

FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)
FEW = st.sampled_from([-3.4e38, -1.0, -1e-45, 0.0, 1e-45, 1.0, np.nextafter(1.0, 2.0), 3.4e38])


@settings(max_examples=150)
@given(
    st.sampled_from([np.float16, np.float32, np.float64, np.int64]),
    st.integers(2, 60).flatmap(
        lambda n: st.tuples(arrays(np.float64, n, elements=FINITE | FEW), arrays(bool, n))
    ),
)
def test_counts_are_those_of_comparing_everything(
    kind: type, drawn: tuple[np.ndarray, np.ndarray]
) -> None:
    bound = {np.float16: 6e4, np.int64: 2.0**53}.get(kind, np.inf)
    scores, anomalous = drawn[0].clip(-bound, bound).astype(kind), drawn[1]
    tally = make_tally(scores, anomalous)
    if anomalous.all() or not anomalous.any():
        assert tally is None
        return
    assert tally is not None
    normals = scores[~anomalous]
    thresholds = np.unique(scores[anomalous])
    assert tally.thresholds.tolist() == thresholds.tolist()
    assert tally.above.tolist() == [int((normals > t).sum()) for t in thresholds]
    assert tally.at_or_above.tolist() == [int((normals >= t).sum()) for t in thresholds]


@pytest.mark.parametrize("decades", [1, 30])
def test_thresholds_crowded_into_one_interval_are_told_apart(decades: int) -> None:
    """Nearly all thresholds fall into the lowest of the equal intervals."""
    dice = np.random.default_rng(decades)
    scores = 10 ** dice.uniform(-decades, 0, 200_000)
    anomalous = dice.random(scores.size) < 0.1
    tally = make_tally(scores, anomalous)
    assert tally is not None
    normals = np.sort(scores[~anomalous])
    expected = normals.size - normals.searchsorted(tally.thresholds, "left")
    assert tally.at_or_above.tolist() == expected.tolist()
