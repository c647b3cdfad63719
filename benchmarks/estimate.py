"""What plans would take: cells, backbone passes, cache, and time by what earlier cells took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path

import numpy as np

from benchmarks.choices import Choice
from benchmarks.features import FeatureCache
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
    rates = _rates(run)
    seconds, unknown = 0.0, set()
    for plan, work in plans:
        for category, jobs in work.items():
            for job in jobs:
                train = len(category.train) if job.spec.shots is None else job.spec.shots
                pixels = (train + len(category.test)) * plan.protocol.image_size**2
                names = (job.spec.method, _base(job.spec.method))
                rate = next((rates[name] for name in names if name in rates), None)
                seconds += pixels * (rate or 0) * len(plan.members)
                if rate is None:
                    unknown.add(job.spec.method)
    about = f"about {max(1, round(seconds / MINUTE))} min by what earlier cells took"
    lacking = f"no earlier cell of {', '.join(sorted(unknown))}" if unknown else ""
    said = "; ".join(filter(None, (about if seconds else "", lacking)))
    return f"methods: {said}; the backbone's passes come on top"


def _rates(run: Path) -> dict[str, float]:
    """Return method → seconds a pixel, the median of the cells in `run` and in the runs beside it.

    A method with other parameters counts under its name without them, too.
    """
    found: dict[str, list[float]] = {}
    for folder in sorted({run, *(path.parent for path in run.parent.glob("*/cells"))}):
        for cell in Store(folder).cells():
            seconds = (cell.fit_seconds or 0) + (cell.score_seconds or 0)
            images = sum(n or 0 for n in (cell.n_train, cell.n_test_good, cell.n_test_defect))
            pixels = images * cell.spec["protocol"]["image_size"] ** 2
            if cell.status == "ok" and pixels:
                for name in {cell.spec["method"], _base(cell.spec["method"])}:
                    found.setdefault(name, []).append(seconds / pixels)
    return {name: float(np.median(rates)) for name, rates in found.items()}


def _base(method: str) -> str:
    return method.partition("[")[0]
