"""Divides what is missing into tasks: none too small to be worth handing out, none too large."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import attrgetter

from benchmarks.datasets import Category
from benchmarks.evaluation.job import Job
from benchmarks.execution.plan import JobsByCategory, Plan
from benchmarks.execution.progress.forecast import Rates, pixels, rate_of
from benchmarks.execution.scheduling import Portion
from benchmarks.execution.workers.tasks import Evaluate, Extract, Setting, Task
from benchmarks.features import CacheSettings
from benchmarks.features.crops import BATCH_IMAGES, count_images

UNKNOWN_RATE = 1e-6
"""Seconds a pixel that are assumed for what never ran: 24 s for 480 images of 224 pixels."""

LONGEST_BUNDLE = 60.0
"""Seconds of cells in one task at most; a cell that takes longer is a task by itself."""

LEAST_BATCHES = 2
"""Batches of images in one task at least: opening and writing files takes time, too."""

BUNDLES = 20
"""Tasks that each worker gets at least, so that the last ones end at about the same time."""

LARGEST_BUNDLE = 32
"""Cells that one task evaluates at most, which are held until all are done."""


@dataclass(frozen=True)
class PlanDurations:
    """How long a plan's parts take: by earlier rates, else by a guess in proportion to pixels.

    Attributes:
        plan: the plan.
        rates: what earlier work took.
        to_pass: (category, backbone) → images that have to pass it.
    """

    plan: Plan
    rates: Rates
    to_pass: Mapping[tuple[str, str], int]

    def cell(self, category: Category, job: Job) -> float:
        """Return the seconds of one cell."""
        rate = rate_of(self.rates.cells, job.spec.method)
        return pixels(self.plan, category, job) * (UNKNOWN_RATE if rate is None else rate)

    def features(self, category: Category) -> float:
        """Return the seconds that a category's images take to pass the backbones."""
        guess = UNKNOWN_RATE * self.plan.protocol.image_size**2
        return sum(
            self.to_pass[category.name, name] * self.rates.images.get(name, guess)
            for name in {spec.name for _, spec in self.plan.members}
        )

    def guessed(self, work: JobsByCategory) -> set[str]:
        """Return the methods and backbones of which nothing is known, of those that are needed."""
        named = {job.spec.method for jobs in work.values() for job in jobs}
        passing = {name for (_, name), count in self.to_pass.items() if count}
        unknown = {method for method in named if rate_of(self.rates.cells, method) is None}
        return unknown | (passing - self.rates.images.keys())


def divide_work(
    missing: JobsByCategory, durations: PlanDurations, cache: CacheSettings, workers: int
) -> list[Portion[Task]]:
    """Return the tasks of each category.

    Args:
        missing: category → its cells to evaluate.
        durations: how long they take.
        cache: where features are kept.
        workers: how many share the work.
    """
    plan = durations.plan
    bare = replace(plan, dataset=replace(plan.dataset, categories=()), work={})
    setting = Setting(bare, cache)
    seconds = {
        id(job): durations.cell(category, job) for category, jobs in missing.items() for job in jobs
    }
    longest = min(LONGEST_BUNDLE, sum(seconds.values()) / (workers * BUNDLES))
    size = plan.image_bytes() + 3 * plan.protocol.image_size**2  # and the crops
    portions = []
    for category, jobs in missing.items():
        parts = plan.parts(category)
        images = count_images(parts)
        image = durations.features(category) / images
        shards = tuple(
            Extract(setting, replace(part, rows=rows), len(rows) * image)
            for part in parts
            for rows in shards_of(part.count, workers)
        )
        cells = tuple(
            Evaluate(setting, category, bundle, shards, sum(seconds[id(job)] for job in bundle))
            for bundle in _bundles(jobs, seconds, longest)
        )
        portions.append(Portion[Task](shards, cells, images * size))
    return portions


def shards_of(images: int, workers: int) -> list[range]:
    """Return a split's images in as many runs of whole batches as there are workers at most."""
    batches = -(-images // BATCH_IMAGES)
    count = max(1, min(workers, batches // LEAST_BATCHES))
    bounds = [BATCH_IMAGES * (batches * number // count) for number in range(count)]
    return [range(*pair) for pair in pairwise([*bounds, images])]


def _bundles(
    jobs: Sequence[Job], seconds: Mapping[int, float], longest: float
) -> Iterator[tuple[Job, ...]]:
    """Yield jobs in groups; those that share artefacts, which see the same images, go together."""
    bundle: list[Job] = []
    order = attrgetter("spec.contamination", "spec.seed")
    for job in sorted(jobs, key=lambda job: (job.spec.shots or 0, *order(job))):
        together = sum(seconds[id(member)] for member in (*bundle, job))
        if bundle and (together > longest or len(bundle) == LARGEST_BUNDLE):
            yield tuple(bundle)
            bundle = []
        bundle.append(job)
    if bundle:
        yield tuple(bundle)
