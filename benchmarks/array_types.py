"""The arrays that numbers come in, one definition each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
"""Scores, maps, values: float32 or float64, of any shape."""

Counts = NDArray[np.int64]
"""How many, of any shape."""

Masks = NDArray[np.bool_]
"""True on defects, (N, H, W); or one of them, (H, W)."""

RegionNumbers = NDArray[np.int32]
"""The number of each defect pixel's region within its image, from 1; 0 elsewhere, (N, H, W)."""

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]
"""A curve's x and y, (V,) each."""
