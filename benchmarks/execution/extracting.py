"""Extracts a category's features, and notes what that took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Generic, TypeVar

from benchmarks.datasets import Category
from benchmarks.errors import StorageError
from benchmarks.features import Extractor, Split
from benchmarks.features.crops import count_images
from benchmarks.features.uploading import Arrays
from benchmarks.results.journal import Extraction

T = TypeVar("T")

MEASURED_TOGETHER = 4
"""Predictions that are measured beside the device's work at most; each holds a cell's maps."""


class Lazy(Generic[T]):
    """Computes a value at the first call; later calls return it, or raise its error, again."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._outcome: Future[T] | None = None
        self._traceback: TracebackType | None = None

    def __call__(self) -> T:
        """Return the value, or raise what making it raised."""
        if self._outcome is None:
            self._outcome = Future()
            try:
                self._outcome.set_result(self._make())
            except Exception as error:  # noqa: BLE001 raised below
                self._outcome.set_exception(error)
                self._traceback = error.__traceback__
        if failure := self._outcome.exception():
            raise failure.with_traceback(self._traceback)  # else it grows with each call
        return self._outcome.result()


def extract_category(
    extractors: Sequence[Extractor],
    category: Category,
    advance: Callable[[str, int], None],
    note: Callable[[Extraction], None],
) -> list[dict[Split, Arrays]]:
    """Return each member's arrays of a category, and note what extracting them took.

    Args:
        extractors: of each backbone, more than one in an ensemble.
        category: the category.
        advance: called with a backbone's name and how many images have just passed it.
        note: called once a member, also where its extraction breaks off.

    Raises:
        BenchmarkError: an image can't be decoded, or the cache can't be written.
        InterruptedExtractionError: the extractor was told to stop.
    """
    images = count_images(extractors[0].parts(category))
    members = []
    for extractor in extractors:
        with noted(extractor, category, images, note):
            members.append(extractor.arrays(category, partial(advance, extractor.backbone)))
    return members


def finish(extractors: Sequence[Extractor], warn: Callable[[str], None]) -> None:
    """Wait for the disk; what it could not take is named through `warn` and extracted again."""
    for extractor in extractors:
        try:
            extractor.finish()
        except StorageError as error:
            warn(str(error))


@contextmanager
def noted(
    extractor: Extractor, category: Category, images: int, note: Callable[[Extraction], None]
) -> Iterator[None]:
    """Note what extracting so many images takes; where it breaks off, only those that passed."""
    begun, before, extracted = time.perf_counter(), extractor.passes, 0
    try:
        yield
        extracted = images
    finally:
        passed, seconds = extractor.passes - before, time.perf_counter() - begun
        note(Extraction(category.name, extractor.backbone, extracted or passed, passed, seconds))
