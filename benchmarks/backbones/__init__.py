"""Backbones: networks with verified weights, cut into pyramid levels."""

from benchmarks.backbones.backbone import Backbone
from benchmarks.backbones.choice import Choice, joined, parse, split
from benchmarks.backbones.loading import describe, load, served, shapes

__all__ = [
    "Backbone",
    "Choice",
    "describe",
    "joined",
    "load",
    "parse",
    "served",
    "shapes",
    "split",
]
