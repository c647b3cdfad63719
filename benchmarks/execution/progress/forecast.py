"""How long the rest of a run takes, by what earlier work took."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low

import numpy as np

from benchmarks.datasets import Category
from benchmarks.evaluation.device import card_name
from benchmarks.evaluation.job import Job
from benchmarks.execution.plan import Plan
from benchmarks.results import Store, journal
from benchmarks.results.folders import find_runs_beside
from benchmarks.results.journal import Extraction
from benchmarks.specs import CellSpec

MINUTE = 60


QUADRATIC = "spade"
"""The method that compares all positions of an image with all of others: tiles, which make four
times as many, take it 16 times as long."""


def _read(spec: CellSpec, images: int, members: int) -> int:
    """Return how many pixels a cell reads of so many images of some backbones."""
    weight = spec.protocol.tiles**2 if spec.method.startswith(QUADRATIC) else 1
    return images * spec.protocol.image_size**2 * members * weight


def pixels(plan: Plan, category: Category, job: Job) -> int:
    """Return how many pixels a job reads, as often as it has backbones."""
    train = len(category.train) if job.spec.shots is None else job.spec.shots
    images = train + len(category.test)
    return _read(job.spec, images, len(plan.members))


def rates(run: Path, device: str, card: str | None = None) -> dict[str, float]:
    """Return method → seconds a pixel, the median of the cells in `run` and in the runs beside it.

    A method with other parameters counts under its name without them, too; a cell of another
    device, or of another card than `card`, by default this process's, doesn't count.
    """
    is_alike = _comparison(device, card)
    seconds_a_pixel: dict[str, list[float]] = {}
    for folder in find_runs_beside(run, "cells"):
        for cell in Store(folder).cells():
            seconds = (cell.fit_seconds or 0) + (cell.score_seconds or 0)
            images = sum(n or 0 for n in (cell.n_train, cell.n_test_good, cell.n_test_defect))
            read = _read(cell.spec, images, cell.spec.protocol.backbone.members)
            alike = is_alike(cell.device, cell.card.get("name", ""))
            if cell.status == "ok" and read and alike:
                for name in {cell.spec.method, _base(cell.spec.method)}:
                    seconds_a_pixel.setdefault(name, []).append(seconds / read)
    return {name: float(np.median(several)) for name, several in seconds_a_pixel.items()}


def image_rates(extractions: Iterable[Extraction]) -> dict[str, float]:
    """Return backbone → seconds an image took to pass it."""
    passed: Counter[str] = Counter()
    seconds = defaultdict[str, float](float)
    for extraction in extractions:
        if extraction.passed:
            passed[extraction.backbone] += extraction.passed
            seconds[extraction.backbone] += extraction.seconds
    return {name: seconds[name] / count for name, count in passed.items()}


@dataclass(frozen=True)
class Rates:
    """Earlier durations: method → seconds a pixel, and backbone → seconds an image."""

    cells: Mapping[str, float]
    images: Mapping[str, float]


def earlier_rates(run: Path, image_size: int, device: str, card: str | None = None) -> Rates:
    """Return the rates of the cells and journals in `run` and in the runs beside it.

    Args:
        run: the folder of a run.
        image_size: side of the crop in pixels; images of another size don't count.
        device: where cells are evaluated and images pass the backbone; what was done on another,
            or on another card, doesn't count.
        card: its name; None for what this process calls it.
    """
    is_alike = _comparison(device, card)
    extractions = [
        extraction
        for folder in find_runs_beside(run, "journal")
        for call in journal.read(folder)
        if call.image_size == image_size and is_alike(call.device, call.card)
        for extraction in call.extractions
    ]
    return Rates(rates(run, device, card), image_rates(extractions))


def _comparison(device: str, card: str | None) -> Callable[[str, str], bool]:
    """Return whether another device, with its card, is as fast as `device`, whatever its number.

    Where the GPUs are other machines', as those of a cluster, any card's counts.
    """
    kind, name = device.partition(":")[0], card_name(device) if card is None else card
    known = bool(name) or kind == "cpu"
    return lambda other, of: other.partition(":")[0] == kind and (of == name or not known)


class Forecast:
    """How long the rest of a run takes: by its own rates, until it has them by earlier ones.

    A method's rate is the median of its cells in this run, where an earlier rate counts as one of
    them: the first cell alone, which also loads and compiles what the others use, says little.

    Args:
        earlier: what earlier runs took.
        workers: processes that share the work.
    """

    def __init__(self, earlier: Rates, workers: int) -> None:
        self._earlier, self._workers = earlier, workers
        self._cells: dict[str, list[float]] = {}
        self._extractions: list[Extraction] = []

    def cell(self, method: str, rate: float) -> None:
        """Note how many seconds a pixel one cell of this run took."""
        self._cells.setdefault(method, []).append(rate)

    def extraction(self, extraction: Extraction) -> None:
        """Note an extraction of this run."""
        self._extractions.append(extraction)

    def seconds(self, cells: Mapping[str, int], images: Mapping[str, int]) -> float | None:
        """Return how long the rest takes; None where some of it is of a kind never seen.

        Args:
            cells: method → pixels that its cells have yet to read.
            images: backbone → images that have yet to pass it.
        """
        known = dict(self._earlier.cells)
        for name, of_this_run in list(self._cells.items()):
            earlier = [known[name]] if name in known else []
            known[name] = median_low([*earlier, *of_this_run])
        passing = {**self._earlier.images, **image_rates(list(self._extractions))}
        work = [(count, rate_of(known, name)) for name, count in cells.items()]
        work += [(count, passing.get(name)) for name, count in images.items()]
        if any(count and rate is None for count, rate in work):
            return None
        return sum(count * (rate or 0) for count, rate in work) / self._workers


def rate_of(known: Mapping[str, float], method: str) -> float | None:
    """Return a method's rate, else that of its name without parameters; None where unknown."""
    return known.get(method, known.get(_base(method)))


def _base(method: str) -> str:
    return method.partition("[")[0]
