"""The layouts that data sets are distributed in, one a file."""

from benchmarks.datasets.layouts import folders, visa
from benchmarks.datasets.layouts.base import Layout

__all__ = ["LAYOUTS"]

LAYOUTS: tuple[Layout, ...] = (visa.VISA, folders.FOLDERS)
"""The first that recognises a folder lists its categories; the last recognises any."""
