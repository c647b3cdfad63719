"""What plans would need: cells, backbone passes, features, time; as numbers and as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from benchmarks.execution.dividing import PlanDurations, divide_work
from benchmarks.execution.plan import JobsByCategory, Plan, images_to_pass
from benchmarks.execution.progress.forecast import MINUTE, earlier_rates, pixels, rate_of, rates
from benchmarks.execution.simulation import simulate
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
        return sum(passes.images for passes in self.passes)

    @property
    def size(self) -> int:
        """Bytes of all features that are not cached yet."""
        return sum(passes.size for passes in self.passes)

    @property
    def minutes(self) -> str:
        """How long the methods take, at least a minute; "" where nothing is known."""
        return f"about {max(1, round(self.seconds / MINUTE))} min" if self.seconds else ""


def needs(work: Work, known: Mapping[str, float], cache: FeatureCache) -> Needs:
    """Return what missing cells need.

    Args:
        work: each plan with its missing cells.
        known: method → seconds a pixel, from `progress.forecast.rates`.
        cache: of the features that needn't be extracted again.

    Raises:
        BenchmarkError: a backbone that has to be run can't be made.
    """
    jobs = [
        (job.spec.method, pixels(plan, category, job))
        for plan, missing in work
        for category, several in missing.items()
        for job in several
    ]
    # Members of an ensemble may share what is extracted.
    passes = {passes for plan, missing in work for passes in _passes(plan, missing, cache)}
    return Needs(
        cells=sum(len(several) for plan, _ in work for several in plan.work.values()),
        left=len(jobs),
        passes=tuple(sorted(passes, key=lambda passes: (passes.images, passes.what))),
        seconds=sum(count * (rate_of(known, method) or 0) for method, count in jobs),
        unknown=tuple(sorted({name for name, _ in jobs if rate_of(known, name) is None})),
    )


def summary(work: Work, run: Path, cache: FeatureCache, device: str, workers: int) -> str:
    """Summarise the passes, features and time that the missing cells need.

    Args:
        work: each plan with its missing cells.
        run: the folder that their cells go to; earlier cells are those in it and beside it.
        cache: what needn't be extracted again.
        device: where images would pass the backbones.
        workers: how many would share the work; where there are several, they are simulated.

    Raises:
        BenchmarkError: a backbone that has to be run can't be made.
    """
    needed = needs(work, rates(run, device), cache)
    stored = needed.cells - needed.left
    lines = [f"{needed.left} of {needed.cells} cells to evaluate, {stored} stored in {run}"]
    lines += map(str, needed.passes)
    lines.append(f"{needed.images} passes in all; the rest is cached")
    if needed.left:
        about = f"{needed.minutes} by what earlier cells took" if needed.minutes else ""
        lacking = f"no earlier cell of {', '.join(needed.unknown)}" if needed.unknown else ""
        text = "; ".join(filter(None, (about, lacking)))
        lines.append(f"methods: {text}; the backbone's passes come on top")
        lines += simulation_lines(work, run, cache, device, workers)
    return "\n".join(lines)


def _passes(plan: Plan, missing: JobsByCategory, cache: FeatureCache) -> Iterator[Passes]:
    """Yield the images that must pass each backbone, with the size of their features."""
    size = plan.protocol.image_size
    for (choice, spec), extractor in zip(plan.members, plan.extractors(cache), strict=True):
        if images := sum(map(extractor.missing, missing)):
            levels = ", ".join(map(str, spec.extracted(plan.levels)))
            what = f"{spec.name} at {size} px, levels {levels}"
            yield Passes(images, what, images * plan.image_bytes(choice))


def simulation_lines(
    work: Work, run: Path, cache: FeatureCache, device: str, workers: int
) -> Iterator[str]:
    """Yield how long several workers would take for the plans in turn; nothing for one worker."""
    if workers < 2:
        return
    simulations, guessed = [], set()
    for plan, missing in work:
        earlier = earlier_rates(run, plan.protocol.image_size, device)
        durations = PlanDurations(plan, earlier, images_to_pass(plan.extractors(cache), missing))
        portions = divide_work(missing, durations, cache.settings, workers)
        simulations.append(simulate(portions, workers, cache.room))
        guessed |= durations.guessed(missing)
    makespan = sum(simulation.makespan for simulation in simulations)
    seconds = sum(simulation.work for simulation in simulations)
    busy = seconds / (workers * makespan) if makespan else 1.0
    bound = sum(simulation.bound for simulation in simulations)
    chain = sum(simulation.chain for simulation in simulations)
    yield (
        f"on {workers} workers: {_clock(makespan)}, {100 * busy:.1f} % busy; no order takes less "
        f"than {_clock(bound)}, the longest chain takes {_clock(chain)}"
    )
    if guessed:
        yield f"guessed, as nothing like it ran: {', '.join(sorted(guessed))}"


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
