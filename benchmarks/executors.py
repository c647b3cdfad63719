"""Runs the cells of a plan on this machine, category by category."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial

from benchmarks.datasets import Category
from benchmarks.evaluate import CategoryData, evaluate
from benchmarks.features import Arrays, Extractor, Split
from benchmarks.progress import Progress
from benchmarks.protocol import CellSpec, Protocol
from benchmarks.store import Store


def run_locally(
    work: Mapping[Category, Sequence[CellSpec]],
    protocol: Protocol,
    extractor: Extractor,
    store: Store,
    progress: Progress,
    *,
    device: str,
    memory: int,
    all_maps: bool,
) -> None:
    """Evaluate and store every cell, one after the other.

    On a GPU the next category's images are decoded and extracted while this one's methods run; on
    a CPU there is nothing to overlap with.

    Args:
        work: category → the cells to evaluate on it.
        protocol: what all of them share.
        extractor: brings features.
        store: where each cell goes as soon as it is known.
        progress: what the reader sees meanwhile.
        device: "cpu" or "cuda".
        memory: bytes on it that a method may fill with what it could do without.
        all_maps: store the maps of all test images.
    """
    categories = list(work)
    with _background(extractor) as pool:
        pending: list[Future[dict[Split, Arrays]]] = []
        for number, category in enumerate(categories):
            wanted = number + (2 if device == "cuda" else 1)
            for later in categories[len(pending) : wanted]:
                pending.append(pool.submit(extractor.arrays, later, progress.advance))
            data = cache(partial(_data, category, pending[number], protocol, device, memory))
            for spec in work[category]:
                evaluated = evaluate(spec, data, all_maps=all_maps)
                store.write(spec, evaluated.cell, evaluated.scores, evaluated.maps)
                progress.cell(evaluated.cell)


def _data(
    category: Category,
    arrays: Future[dict[Split, Arrays]],
    protocol: Protocol,
    device: str,
    memory: int,
) -> CategoryData:
    return CategoryData(category, arrays.result(), protocol, device, memory)


@contextmanager
def _background(extractor: Extractor) -> Iterator[ThreadPoolExecutor]:
    """Yield a thread for extraction that stops soon when the run is interrupted."""
    with ThreadPoolExecutor(1) as pool:
        try:
            yield pool
        finally:
            extractor.stopped.set()
            pool.shutdown(cancel_futures=True)
