"""The steps that are timed, by method or what they are of."""

from collections.abc import Mapping

from benchmarks.speed.steps import aupro, category, extraction, padim, patchcore, spade
from benchmarks.speed.timing import TimedStep

__all__ = ["STEPS"]

STEPS: Mapping[str, TimedStep] = {
    "coreset": TimedStep(patchcore.coreset, patchcore.coreset_growth),
    "search": TimedStep(patchcore.search, patchcore.search_growth),
    "embedding": TimedStep(patchcore.embedding),
    "extraction": TimedStep(extraction.extraction, extraction.extraction_growth),
    "spade": TimedStep(spade.spade),
    "padim": TimedStep(padim.padim),
    "aupro": TimedStep(aupro.aupro),
    "category": TimedStep(category.category),
}
"""Name on the command line → what is timed, in the order of the report."""
