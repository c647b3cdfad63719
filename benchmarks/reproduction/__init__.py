"""Whether our values agree with published ones, within a stated tolerance."""

from benchmarks.reproduction.verdicts import Verdict, verdicts
from benchmarks.reproduction.writing import (
    MEANING,
    comma_separated,
    counted,
    markdown,
    verdict_texts,
)

__all__ = [
    "MEANING",
    "Verdict",
    "comma_separated",
    "counted",
    "markdown",
    "verdict_texts",
    "verdicts",
]
