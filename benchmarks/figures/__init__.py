"""Figures of a run's stored cells."""

from benchmarks.figures.curves import CURVES
from benchmarks.figures.writing import write_figures

__all__ = ["CURVES", "write_figures"]
