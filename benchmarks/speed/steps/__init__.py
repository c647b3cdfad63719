"""The steps that are timed, of methods or of what they share."""

from collections.abc import Mapping

from benchmarks.speed.steps.methods import coreset, padim, search, spade
from benchmarks.speed.steps.pipeline import aupro, category, extraction
from benchmarks.speed.timing import Step

__all__ = ["STEPS"]

_ALL = (coreset, search, extraction, spade, padim, aupro, category)

STEPS: Mapping[str, Step] = {step.__name__: step for step in _ALL}
"""Name on the command line → what is timed, in the order of the report."""
