"""What plans would take, and what is left of one: passes, cache, time by what earlier work took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from statistics import median_low

import numpy as np

from benchmarks import journal
from benchmarks.choices import Choice
from benchmarks.datasets import Category
from benchmarks.evaluate import Job
from benchmarks.features import FeatureCache
from benchmarks.journal import Extraction
from benchmarks.plan import Plan, Work
from benchmarks.store import Store

MINUTE = 60


def summary(plans: Sequence[tuple[Plan, Work]], run: Path, cache: FeatureCache) -> str:
    """Return in some lines what plans would take.

    Args:
        plans: each plan with its missing cells.
        run: the folder that their cells go to; earlier cells are those in it and beside it.
        cache: what needn't be extracted again.

    Raises:
        BenchmarkError: a backbone that has to be run can't be made.
    """
    total = sum(len(jobs) for plan, _ in plans for jobs in plan.work.values())
    left = sum(len(jobs) for _, work in plans for jobs in work.values())
    lines = [f"{left} of {total} cells to evaluate, {total - left} stored in {run}"]
    # Members of an ensemble may share what is extracted.
    passes = sorted({one for plan, work in plans for one in _passes(plan, work, cache)})
    lines += [f"{images} images to pass {what}: {size}" for images, what, size in passes]
    lines.append(f"{sum(images for images, *_ in passes)} passes in all; the rest is cached")
    if left:
        lines.append(_time(plans, run))
    return "\n".join(lines)


def _passes(plan: Plan, work: Work, cache: FeatureCache) -> Iterator[tuple[int, str, str]]:
    """Yield the images that must pass each backbone, its name, and the size of their features."""
    size = plan.protocol.image_size
    for (choice, spec), extractor in zip(plan.members, plan.extractors(cache), strict=True):
        if images := sum(map(extractor.missing, work)):
            levels = ", ".join(map(str, plan.levels))
            what = f"{spec.name} at {size} px, levels {levels}"
            yield images, what, _gigabytes(choice, plan, images)


def _gigabytes(choice: Choice, plan: Plan, images: int) -> str:
    shapes = choice.shapes(plan.protocol.image_size)
    numbers = sum(prod(shapes[level]) for level in plan.levels)
    return f"{images * numbers * np.dtype(plan.protocol.dtype).itemsize / 1e9:.2f} GB of features"


def _time(plans: Sequence[tuple[Plan, Work]], run: Path) -> str:
    """Say how long the methods would take, in proportion to the pixels of earlier cells."""
    known, seconds, unknown = rates(run), 0.0, set()
    for plan, work in plans:
        for category, jobs in work.items():
            for job in jobs:
                rate = _rate(known, job.spec.method)
                seconds += pixels(plan, category, job) * (rate or 0)
                if rate is None:
                    unknown.add(job.spec.method)
    about = f"about {max(1, round(seconds / MINUTE))} min by what earlier cells took"
    lacking = f"no earlier cell of {', '.join(sorted(unknown))}" if unknown else ""
    said = "; ".join(filter(None, (about if seconds else "", lacking)))
    return f"methods: {said}; the backbone's passes come on top"


def pixels(plan: Plan, category: Category, job: Job) -> int:
    """Return how many pixels a job reads, as often as it has backbones."""
    train = len(category.train) if job.spec.shots is None else job.spec.shots
    return (train + len(category.test)) * plan.protocol.image_size**2 * len(plan.members)


def rates(run: Path) -> dict[str, float]:
    """Return method → seconds a pixel, the median of the cells in `run` and in the runs beside it.

    A method with other parameters counts under its name without them, too.
    """
    found: dict[str, list[float]] = {}
    for folder in _beside(run, "cells"):
        for cell in Store(folder).cells():
            protocol = cell.spec["protocol"]
            seconds = (cell.fit_seconds or 0) + (cell.score_seconds or 0)
            images = sum(n or 0 for n in (cell.n_train, cell.n_test_good, cell.n_test_defect))
            members = protocol["backbone"]["name"].count("+") + 1
            read = images * protocol["image_size"] ** 2 * members
            if cell.status == "ok" and read:
                for name in {cell.spec["method"], _base(cell.spec["method"])}:
                    found.setdefault(name, []).append(seconds / read)
    return {name: float(np.median(several)) for name, several in found.items()}


def image_rates(extractions: Iterable[Extraction]) -> dict[str, float]:
    """Return backbone → seconds an image took to pass it."""
    passed: Counter[str] = Counter()
    seconds: dict[str, float] = {}
    for one in extractions:
        if one.passed:
            passed[one.backbone] += one.passed
            seconds[one.backbone] = seconds.get(one.backbone, 0) + one.seconds
    return {name: seconds[name] / count for name, count in passed.items()}


def _beside(run: Path, kind: str) -> list[Path]:
    """Return `run` and the runs beside it that have a folder of that name."""
    return sorted({run, *(path.parent for path in run.parent.glob(f"*/{kind}"))})


@dataclass(frozen=True)
class Rates:
    """How long things take: method → seconds a pixel, and backbone → seconds an image."""

    cells: Mapping[str, float]
    images: Mapping[str, float]


def earlier_rates(run: Path, image_size: int, device: str) -> Rates:
    """Return how long things took by the cells and journals in `run` and in the runs beside it.

    Args:
        run: the folder of a run.
        image_size: side of the crop in pixels; images of another size don't count.
        device: where images passed the backbone; those that did elsewhere don't count.
    """
    extractions = [
        extraction
        for folder in _beside(run, "journal")
        for call in journal.read(folder)
        if (call.image_size, call.device) == (image_size, device)
        for extraction in call.extractions
    ]
    return Rates(rates(run), image_rates(extractions))


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
        for name, own in list(self._cells.items()):
            earlier = [known[name]] if name in known else []
            known[name] = median_low([*earlier, *own])
        passing = {**self._earlier.images, **image_rates(list(self._extractions))}
        work = [(count, _rate(known, name)) for name, count in cells.items()]
        work += [(count, passing.get(name)) for name, count in images.items()]
        total = 0.0
        for count, rate in work:
            if count and rate is None:
                return None
            total += count * (rate or 0)
        return total / self._workers


def _rate(known: Mapping[str, float], method: str) -> float | None:
    return known.get(method, known.get(_base(method)))


def _base(method: str) -> str:
    return method.partition("[")[0]
