"""Times a whole category with five methods against a separate tool for each."""

from __future__ import annotations

import methods
from benchmarks.evaluation.anomaly_maps import upsample_and_smooth
from benchmarks.metrics.pixel import pixel_metrics
from benchmarks.specs import EvaluationProtocol
from benchmarks.speed import references as plain
from benchmarks.speed.report import Comparison, in_seconds
from benchmarks.speed.steps.aupro import aupro
from benchmarks.speed.steps.extraction import extraction
from benchmarks.speed.steps.padim import padim
from benchmarks.speed.steps.patchcore import EMBEDDED, coreset, embedding, search
from benchmarks.speed.steps.spade import spade
from benchmarks.speed.timing import Bench
from methods.lazy import torch

METHODS = ("patchcore-25", "patchcore-10", "patchcore-1", "spade", "padim")


def category(bench: Bench) -> list[Comparison]:
    """Time five methods on a category, image files to metrics, against a tool for each.

    Ours extracts once and then fits, scores and measures every method. The tools' times are the
    sums of their steps': each extracts for itself, and PatchCore's unfolds.
    """
    scale = bench.scale
    extracted = (scale.train + scale.test) / scale.extracted
    fitted = {name: _fit_and_score(bench, name) for name in METHODS}
    ours = {"extraction": extracted * bench.row(extraction, "", "").ours_seconds}
    ours |= {name: seconds for name, (seconds, _) in fitted.items()}
    theirs, rows = _tools(bench), []
    for step, left_out in (("category", ""), ("category without SPADE", "spade")):
        steps, tools = (
            {name: seconds for name, seconds in times.items() if name != left_out}
            for times in (ours, theirs)
        )
        row = Comparison(
            step=step,
            size=f"{scale.train} training, {scale.test} test images, {len(tools)} methods",
            ours_seconds=sum(steps.values()),
            reference="separate tools",
            reference_seconds=sum(tools.values()),
            extrapolated=True,
            peak_memory_mb=max(peak for _, peak in fitted.values()),
            note=f"ours: {_listed(steps)}; theirs, from their steps' times: {_listed(tools)}",
        )
        rows.append(row)
    return rows


def _listed(seconds: dict[str, float]) -> str:
    return ", ".join(f"{name} {in_seconds(value)}" for name, value in seconds.items())


def _fit_and_score(bench: Bench, name: str) -> tuple[float, float]:
    """Return a method's seconds and peak memory from features to metrics.

    SPADE, whose time is proportional to them, scores only a few of the test images.
    """
    scale, inputs = bench.scale, bench.inputs
    is_spade = name == "spade"
    count = scale.correspond if is_spade else scale.test
    test, masks = inputs.test.select(range(count)), inputs.masks[:count]
    method = methods.create(f"spade[neighbours={scale.neighbours}]" if is_spade else name)

    def fit() -> None:
        method.fit(inputs.train, torch.Generator().manual_seed(0))

    def score() -> None:
        maps = upsample_and_smooth(
            method.score(test), scale.image_size, EvaluationProtocol.smoothing_sigma
        )
        pixel_metrics(maps.cpu().numpy(), masks)

    fitted, fit_peak = bench.time_and_memory(fit)
    scored, score_peak = bench.time_and_memory(score)
    return fitted + scored * scale.test / count, max(fit_peak, score_peak)


def _tools(bench: Bench) -> dict[str, float]:
    """Return method → the sum of the times of a separate tool's steps."""
    scale = bench.scale
    images = scale.train + scale.test
    forward = bench.row(extraction, "", "torchvision").reference_seconds * images / scale.extracted
    unfolded = bench.row(embedding, "", "unfold").reference_seconds * images / EMBEDDED
    loops = bench.row(coreset, "coreset 25", "official").reference_seconds
    searching = bench.row(search, "", "faiss").reference_seconds * scale.test / scale.searched
    curves = "anomalib" if plain.installed("anomalib") else "loop"
    measured = bench.row(aupro, "", curves).reference_seconds
    steps = {
        # selection and search take times proportional to the memory bank
        **{f"patchcore-{p}": unfolded + (loops + searching) * p / 25 for p in (25, 10, 1)},
        "spade": forward + bench.row(spade, "", "popular").reference_seconds * scale.test,
        "padim": forward + bench.row(padim, "", "").reference_seconds,
    }
    return {name: seconds + measured for name, seconds in steps.items()}
