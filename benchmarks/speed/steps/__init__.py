"""The steps that are timed, one a file."""

from collections.abc import Mapping

from benchmarks.speed.steps import (
    aupro,
    category,
    coreset,
    embedding,
    extraction,
    padim,
    search,
    spade,
)
from benchmarks.speed.timing import TimedStep

__all__ = ["STEPS"]

STEPS: Mapping[str, TimedStep] = {
    "coreset": TimedStep(coreset.coreset, coreset.coreset_growth),
    "search": TimedStep(search.search, search.search_growth),
    "embedding": TimedStep(embedding.embedding),
    "extraction": TimedStep(extraction.extraction, extraction.extraction_growth),
    "spade": TimedStep(spade.spade),
    "padim": TimedStep(padim.padim),
    "aupro": TimedStep(aupro.aupro),
    "category": TimedStep(category.category),
}
"""Name on the command line → what is timed, in the order of the report."""
