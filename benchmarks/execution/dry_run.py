"""What plans would take: cells, backbone passes, features, time; as numbers and as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path

import numpy as np

from benchmarks.backbones import Choice, shapes
from benchmarks.execution.plan import JobsByCategory, Plan
from benchmarks.execution.progress.forecast import MINUTE, pixels, rate_of, rates
from benchmarks.features import FeatureCache

Work = Sequence[tuple[Plan, JobsByCategory]]
"""Each plan with its missing cells."""


@dataclass(frozen=True)
class Passes:
    """Images that have to pass a backbone.

    Attributes:
        images: how many.
        what: the backbone, the image size and the levels, for people.
        size: bytes of their features.
    """

    images: int
    what: str
    size: int

    def __str__(self) -> str:
        return f"{self.images} images to pass {self.what}: {self.size / 1e9:.2f} GB of features"


@dataclass(frozen=True)
class Needs:
    """What the missing cells of some plans need.

    Attributes:
        cells: of the plans.
        left: those that are missing.
        passes: images that have to pass backbones, each once.
        seconds: what the methods take, in proportion to the pixels of earlier cells.
        unknown: methods without an earlier cell, whose time isn't in `seconds`.
    """

    cells: int
    left: int
    passes: tuple[Passes, ...]
    seconds: float
    unknown: tuple[str, ...]

    @property
    def images(self) -> int:
        """All passes."""
        return sum(one.images for one in self.passes)

    @property
    def size(self) -> int:
        """Bytes of all features that are not cached yet."""
        return sum(one.size for one in self.passes)

    @property
    def minutes(self) -> str:
        """How long the methods take, at least a minute; "" where nothing is known."""
        return f"about {max(1, round(self.seconds / MINUTE))} min" if self.seconds else ""


def needs(work: Work, known: Mapping[str, float], cache: FeatureCache) -> Needs:
    """Return what missing cells need.

    Args:
        work: each plan with its missing cells.
        known: method → seconds a pixel, from `progress.forecast.rates`.
        cache: what needn't be extracted again.

    Raises:
        BenchmarkError: a backbone that has to be run can't be made.
    """
    seconds, unknown = 0.0, set()
    for plan, missing in work:
        for category, jobs in missing.items():
            for job in jobs:
                rate = rate_of(known, job.spec.method)
                seconds += pixels(plan, category, job) * (rate or 0)
                if rate is None:
                    unknown.add(job.spec.method)
    # Members of an ensemble may share what is extracted.
    passes = {one for plan, missing in work for one in _passes(plan, missing, cache)}
    return Needs(
        cells=sum(len(jobs) for plan, _ in work for jobs in plan.work.values()),
        left=sum(len(jobs) for _, missing in work for jobs in missing.values()),
        passes=tuple(sorted(passes, key=lambda one: (one.images, one.what))),
        seconds=seconds,
        unknown=tuple(sorted(unknown)),
    )


def summary(work: Work, run: Path, cache: FeatureCache) -> str:
    """Summarise the passes, features and time that the missing cells need.

    Args:
        work: each plan with its missing cells.
        run: the folder that their cells go to; earlier cells are those in it and beside it.
        cache: what needn't be extracted again.

    Raises:
        BenchmarkError: a backbone that has to be run can't be made.
    """
    found = needs(work, rates(run), cache)
    stored = found.cells - found.left
    lines = [f"{found.left} of {found.cells} cells to evaluate, {stored} stored in {run}"]
    lines += map(str, found.passes)
    lines.append(f"{found.images} passes in all; the rest is cached")
    if found.left:
        about = f"{found.minutes} by what earlier cells took" if found.minutes else ""
        lacking = f"no earlier cell of {', '.join(found.unknown)}" if found.unknown else ""
        said = "; ".join(filter(None, (about, lacking)))
        lines.append(f"methods: {said}; the backbone's passes come on top")
    return "\n".join(lines)


def _passes(plan: Plan, missing: JobsByCategory, cache: FeatureCache) -> Iterator[Passes]:
    """Yield the images that must pass each backbone, with the size of their features."""
    size = plan.protocol.image_size
    for (choice, spec), extractor in zip(plan.members, plan.extractors(cache), strict=True):
        if images := sum(map(extractor.missing, missing)):
            levels = ", ".join(map(str, plan.levels))
            what = f"{spec.name} at {size} px, levels {levels}"
            yield Passes(images, what, images * _bytes(choice, plan))


def _bytes(choice: Choice, plan: Plan) -> int:
    """Return the size of one image's features."""
    of_image = _shapes(choice, plan.protocol.image_size)
    numbers = sum(prod(of_image[level]) for level in plan.levels)
    return numbers * np.dtype(plan.protocol.dtype).itemsize


@cache
def _shapes(choice: Choice, image_size: int) -> Mapping[int, tuple[int, int, int]]:
    """As `shapes`, which builds the network: once for all parts of a plan."""
    return shapes(choice, image_size)
