"""Times the coreset selection against the official loop and anomalib's."""

from __future__ import annotations

from functools import partial

from benchmarks.speed import references as plain
from benchmarks.speed.report import Comparison, Growth
from benchmarks.speed.timing import Agreement, Bench, Reference, Run
from methods.components.coreset import farthest_first

ANOMALIB_DIMS = 306
"""What anomalib projects 250,880 patches to (Johnson-Lindenstrauss, distances kept to 0.9)."""


def _official_loop(bench: Bench, count: int, size: int) -> Reference:
    """Return the official coreset loop on the first `count` points."""
    points = bench.inputs.points[:count]
    start, part = bench.inputs.start(points), min(size, bench.scale.centres)
    return Reference(
        "official loop",
        lambda: plain.official_coreset(points, part, start),
        size / part,
        f"{part:,} of {size:,} centres run",
    )


def _anomalib_loop(bench: Bench, size: int) -> Reference:
    """Return anomalib's coreset loop on points of as many dimensions as it projects to."""
    points, part = bench.inputs.columns(ANOMALIB_DIMS), bench.scale.centres // 4
    installed = plain.installed("anomalib")
    loop = plain.anomalib_coreset if installed else plain.norm_coreset
    return Reference(
        "anomalib" if installed else "anomalib's loop",
        lambda: loop(points, part),
        size / part,
        f"{part:,} of {size:,} centres run, {ANOMALIB_DIMS} dimensions, projection not counted",
    )


def coreset(bench: Bench) -> list[Comparison]:
    """Time the selection of the scale's percents of the training patches."""
    inputs, rows = bench.inputs, []
    count, (largest, *_) = len(inputs.points), bench.scale.percents
    for percent in bench.scale.percents:
        size = count * percent // 100
        part = partial(farthest_first, inputs.points, size, inputs.starting)
        rows += bench.compare(
            f"coreset {percent} %",
            f"{size:,} of {count:,} × {inputs.points.shape[1]}, {inputs.patch_source}",
            inputs.select if percent == largest else part,
            [_official_loop(bench, count, size), _anomalib_loop(bench, size)],
            _same_selection(bench, percent),
        )
    return rows


def _same_selection(bench: Bench, percent: int) -> Agreement:
    """Compare with the official loop, run whole in float64 on a few images' patches."""
    per_image = len(bench.inputs.points) // bench.scale.train
    points = bench.inputs.points[: per_image * bench.scale.checked]
    start, size = bench.inputs.start(points), len(points) * percent // 100
    ours = farthest_first(points, size, start).tolist()
    expected = plain.official_coreset(points.double(), size, start.double()).tolist()
    same = len(set(ours) & set(expected))
    text = f"{same:,} of {size:,} centres the same at N = {len(points):,}"
    return Agreement(same == size, text)


def coreset_growth(bench: Bench) -> list[Growth]:
    """Time the selection of the largest coreset of more and more patches."""
    points, percent = bench.inputs.points, bench.scale.percents[0]

    def ours(count: int) -> Run:
        part = points[:count]
        return partial(farthest_first, part, count * percent // 100, bench.inputs.start(part))

    sizes = [len(points) // share for share in (8, 4, 2, 1)]
    return bench.growth(
        f"coreset {percent} %",
        "patches",
        sizes,
        ours,
        lambda n: _official_loop(bench, n, n * percent // 100),
        largest=bench.row(coreset, f"coreset {percent} %", "official loop"),
    )
