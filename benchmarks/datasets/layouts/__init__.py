"""The layouts that data sets are distributed in, each in the file of its kind."""

from benchmarks.datasets.layouts import folders, magnetic_tiles, paired, real_iad, unsplit, visa
from benchmarks.datasets.layouts.base import Layout

__all__ = ["LAYOUTS"]

LAYOUTS: tuple[Layout, ...] = (
    visa.LAYOUT,
    real_iad.LAYOUT,
    paired.KOLEKTOR,
    paired.KOLEKTOR_PARTS,
    paired.DAGM,
    magnetic_tiles.LAYOUT,
    unsplit.LAYOUT,
    folders.LAYOUT,
)
"""The first that recognises a folder lists its categories; the last recognises any."""
