"""Scores against ground truth: exact metrics and curves."""

from benchmarks.metrics.definitions import HEADLINE, MAIN, METRICS, PRO_LIMIT, Metric
from benchmarks.metrics.image import auroc, f1_optimal, full_recall, image_metrics
from benchmarks.metrics.pixel import pixel_metrics, pro_curve
from benchmarks.metrics.tally import WorkingPoint

__all__ = [
    "HEADLINE",
    "MAIN",
    "METRICS",
    "PRO_LIMIT",
    "Metric",
    "WorkingPoint",
    "auroc",
    "f1_optimal",
    "full_recall",
    "image_metrics",
    "pixel_metrics",
    "pro_curve",
]
