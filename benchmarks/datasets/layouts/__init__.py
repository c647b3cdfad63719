"""The layouts that data sets are distributed in, one a file."""

from benchmarks.datasets.layouts import dagm, folders, kolektor, magnetic_tiles, real_iad, visa

LAYOUTS = (
    visa.LAYOUT,
    real_iad.LAYOUT,
    kolektor.LAYOUT,
    dagm.LAYOUT,
    magnetic_tiles.LAYOUT,
    folders.LAYOUT,
)
"""The first that recognises a root reads it."""
