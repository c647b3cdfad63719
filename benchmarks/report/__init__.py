"""A run's tables, curves, pictures and times, or two runs' differences, as one HTML page."""

from benchmarks.report.page import write_report

__all__ = ["write_report"]
