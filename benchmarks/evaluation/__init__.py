"""One cell: a method fitted and scored on a category, and measured."""

from benchmarks.evaluation.anomaly_maps import upsample_and_smooth
from benchmarks.evaluation.category import CategoryData, GroundTruth
from benchmarks.evaluation.device import choose_device
from benchmarks.evaluation.evaluating import evaluate, measure
from benchmarks.evaluation.job import Evaluated, Failure, Job, Prediction

__all__ = [
    "CategoryData",
    "Evaluated",
    "Failure",
    "GroundTruth",
    "Job",
    "Prediction",
    "choose_device",
    "evaluate",
    "measure",
    "upsample_and_smooth",
]
