"""Labelled scores, and maps with masks, that tie often."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays


@st.composite
def labelled_scores(draw: Any) -> tuple[list[int], list[float]]:
    """Labels of both classes with scores that tie often."""
    normal = draw(st.lists(st.integers(-3, 4), min_size=1, max_size=12))
    anomalous = draw(st.lists(st.integers(-3, 4), min_size=1, max_size=12))
    pairs = draw(st.permutations([(0, s) for s in normal] + [(1, s) for s in anomalous]))
    return [y for y, _ in pairs], [float(s) for _, s in pairs]


@st.composite
def maps_and_masks(draw: Any, low: int = -2, high: int = 3) -> tuple[Any, Any]:
    """Small maps that tie often, with at least one defect pixel and one defect-free pixel."""
    shape = draw(array_shapes(min_dims=3, max_dims=3, max_side=6).filter(lambda s: np.prod(s) > 1))
    maps = draw(arrays(np.float32, shape, elements=st.integers(low, high)))
    masks = draw(arrays(bool, shape).filter(lambda m: m.any() and not m.all()))
    return maps, masks
