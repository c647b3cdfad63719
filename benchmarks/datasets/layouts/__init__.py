"""The layouts that data sets are distributed in, one a file."""

from benchmarks.datasets.layouts import dagm, folders, kolektor, magnetic_tiles, real_iad, visa
from benchmarks.datasets.layouts.base import Layout

__all__ = ["LAYOUTS"]

LAYOUTS: tuple[Layout, ...] = (
    visa.LAYOUT,
    real_iad.LAYOUT,
    kolektor.LAYOUT,
    dagm.LAYOUT,
    magnetic_tiles.LAYOUT,
    folders.LAYOUT,
)
"""The first that recognises a folder lists its categories; the last recognises any."""
