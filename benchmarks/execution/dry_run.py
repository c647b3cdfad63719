"""What plans would take, as text: backbone passes, features, time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from benchmarks.execution.dividing import Estimate, divided
from benchmarks.execution.plan import JobsByCategory, Plan, images_to_pass
from benchmarks.execution.progress.forecast import MINUTE, earlier_rates, pixels, rate_of, rates
from benchmarks.execution.simulation import simulate
from benchmarks.features import FeatureCache


def summary(
    plans: Sequence[tuple[Plan, JobsByCategory]],
    run: Path,
    cache: FeatureCache,
    device: str,
    workers: int,
) -> str:
    """Summarise the passes, features and time that the missing cells need.

    Args:
        plans: each plan with its missing cells.
        run: the folder that their cells go to; earlier cells are those in it and beside it.
        cache: what needn't be extracted again.
        device: where images would pass the backbones.
        workers: how many would share the work; where there are several, they are simulated.

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
    if left and workers > 1:
        lines += _simulated(plans, run, cache, device, workers)
    return "\n".join(lines)


def _passes(
    plan: Plan, work: JobsByCategory, cache: FeatureCache
) -> Iterator[tuple[int, str, str]]:
    """Yield the images that must pass each backbone, its name, and the size of their features."""
    size = plan.protocol.image_size
    for (choice, spec), extractor in zip(plan.members, plan.extractors(cache), strict=True):
        if images := sum(map(extractor.missing, work)):
            levels = ", ".join(map(str, plan.levels))
            what = f"{spec.name} at {size} px, levels {levels}"
            yield images, what, f"{images * plan.image_bytes(choice) / 1e9:.2f} GB of features"


def _time(plans: Sequence[tuple[Plan, JobsByCategory]], run: Path) -> str:
    """Say how long the methods would take, in proportion to the pixels of earlier cells."""
    known, seconds, unknown = rates(run), 0.0, set()
    for plan, work in plans:
        for category, jobs in work.items():
            for job in jobs:
                rate = rate_of(known, job.spec.method)
                seconds += pixels(plan, category, job) * (rate or 0)
                if rate is None:
                    unknown.add(job.spec.method)
    about = f"about {max(1, round(seconds / MINUTE))} min by what earlier cells took"
    lacking = f"no earlier cell of {', '.join(sorted(unknown))}" if unknown else ""
    said = "; ".join(filter(None, (about if seconds else "", lacking)))
    return f"methods: {said}; the backbone's passes come on top"


def _simulated(
    plans: Sequence[tuple[Plan, JobsByCategory]],
    run: Path,
    cache: FeatureCache,
    device: str,
    workers: int,
) -> Iterator[str]:
    """Yield what the plans, one after the other, would take of so many workers."""
    found, guessed = [], set()
    for plan, work in plans:
        earlier = earlier_rates(run, plan.protocol.image_size, device)
        to_pass = images_to_pass(plan.extractors(cache), work)
        estimate = Estimate(plan, earlier, to_pass)
        portions = divided(work, estimate, cache.settings, workers)
        found.append(simulate(portions, workers, cache.limit))
        guessed |= estimate.guessed(work)
    makespan = sum(one.makespan for one in found)
    busy = sum(one.work for one in found) / (workers * makespan) if makespan else 1.0
    bound, chain = sum(one.bound for one in found), sum(one.chain for one in found)
    yield (
        f"on {workers} workers: {_clock(makespan)}, {100 * busy:.1f} % busy; no order takes less "
        f"than {_clock(bound)}, the longest chain takes {_clock(chain)}"
    )
    if guessed:
        yield f"guessed, as nothing like it ran: {', '.join(sorted(guessed))}"


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
