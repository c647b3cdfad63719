"""Backbones: networks with verified weights, cut into pyramid levels."""

from benchmarks.backbones.backbone import Backbone
from benchmarks.backbones.choice import Choice, ensemble_spec, parse, split
from benchmarks.backbones.loading import describe, fit_to_checkpoint, load, shapes

__all__ = [
    "Backbone",
    "Choice",
    "describe",
    "ensemble_spec",
    "fit_to_checkpoint",
    "load",
    "parse",
    "shapes",
    "split",
]
