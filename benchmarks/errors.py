"""Expected errors: each is one line that names the file or value and the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

SHOWN = 10
"""Problems that one message names."""


class BenchmarkError(Exception):
    """Something that the reader can put right; shown without a traceback."""

    status: ClassVar[int] = 2
    """The exit status of a command that ends by it."""


class DataError(BenchmarkError):
    """A data set that can't be used as it is."""


class WeightsError(BenchmarkError):
    """Backbone weights that are missing, unreadable or do not fit."""


class StorageError(BenchmarkError):
    """A folder that can't be written or read: full, read-only, or holding something else."""


class FailedCellError(BenchmarkError):
    """The first failed cell, where it is to stop the run; the message ends with its traceback."""

    status = 1


def listed(what: str, problems: Sequence[str]) -> str:
    """Return one message of some problems, the first ten of them named."""
    rest = len(problems) - SHOWN
    tail = [f"… and {rest} more"] if rest > 0 else []
    return "\n".join([f"{what}:", *problems[:SHOWN], *tail])
