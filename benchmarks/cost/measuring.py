"""One detector timed: images alone, in batches, and the memory that it takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.detection.detector import Detector
from benchmarks.evaluation.device import PeakMemory, card_name
from benchmarks.evaluation.provenance import versions
from benchmarks.processes import cores, processor_name
from benchmarks.results.costs import Cost
from methods.base import Storable
from methods.lazy import torch

WARM_UP = 3
"""Images that are scored before any is timed."""

BATCHES = (1, 2, 4, 8, 16, 32)
"""Numbers of images that are tried for the most images a second."""

SECONDS = 2.0
"""As long as each batch is tried, where it isn't slower than that."""


def machine_of(device: str) -> str:
    """Return what a detector works on: the GPU, or the processor with its threads."""
    if device != "cpu":
        return card_name(device)
    threads = torch.get_num_threads()
    return f"{processor_name()}, {cores()} cores, {threads} thread{'s' * (threads != 1)}"


def measure_cost(
    detector: Detector, files: Sequence[Path], images: int, *, cell: str, method: str
) -> Cost:
    """Return what a fitted detector takes from an image's file to its verdict.

    Args:
        detector: is fitted.
        files: test images, read anew each time, and taken from the start again when they are used
            up.
        images: how many are scored one by one.
        cell: key of the cell whose method it is.
        method: as tables call it.
    """
    peak = PeakMemory(detector.device)
    for number in range(WARM_UP):
        _seconds(detector, files, number, 1)
    alone = [_seconds(detector, files, number, 1) for number in range(images)]
    rates = {batch: _rate(detector, files, batch) for batch in BATCHES}
    best = max(rates, key=rates.__getitem__)
    return Cost(
        cell,
        method,
        detector.spec.category,
        machine_of(detector.device),
        datetime.now(UTC).isoformat(timespec="seconds"),
        images,
        WARM_UP,
        (1e3 * float(np.quantile(alone, 0.5)), 1e3 * float(np.quantile(alone, 0.95))),
        best,
        rates[best],
        _state_bytes(detector),
        peak.megabytes(),
        versions(),
    )


def _seconds(detector: Detector, files: Sequence[Path], first: int, batch: int) -> float:
    """Return how long so many images take, from their files to their maps at their own size."""
    chosen = [files[number % len(files)] for number in range(first, first + batch)]
    begun = time.perf_counter()
    detector.score(chosen)
    return time.perf_counter() - begun


def _rate(detector: Detector, files: Sequence[Path], batch: int) -> float:
    """Return images a second in batches of a size: the median of as many as `SECONDS` hold."""
    times: list[float] = []
    while not times or sum(times) + times[-1] < SECONDS:
        times.append(_seconds(detector, files, batch * len(times), batch))
    return batch / float(np.median(times))


def _state_bytes(detector: Detector) -> int | None:
    """Return the bytes that the fitted method scores by; None where it can't say."""
    if not isinstance(detector.method, Storable):
        return None
    return sum(getattr(value, "nbytes", 0) for value in detector.method.state().values())
