"""Times what all methods share, extraction and pixel metrics, and a whole category."""

from __future__ import annotations

import shutil
from functools import partial
from importlib.util import find_spec

import numpy as np

from benchmarks.backbones.backbone import Backbone
from benchmarks.datasets import Category
from benchmarks.evaluation.device import free_memory
from benchmarks.features import Extractor, FeatureCache
from benchmarks.metrics.pixel import pixel_metrics
from benchmarks.specs import EvaluationProtocol
from benchmarks.speed import references
from benchmarks.speed.inputs import BATCH_IMAGES, FILE_SIDE, Inputs
from benchmarks.speed.report import Comparison, in_seconds
from benchmarks.speed.steps.methods import coreset, padim, search, spade
from benchmarks.speed.timing import Agreement, Bench, Reference
from benchmarks.speed.workload import METHODS, evaluated, workload
from methods.lazy import Tensor, torch

SHARES = (4, 2, 1)
"""One part in so many of the images is extracted."""

THRESHOLDS, RUN = 200, 20
"""Thresholds of AUPRO's plain loop, and of these those that it runs for."""


def extraction(bench: Bench) -> list[Comparison]:
    """Time image files → cached features, of more and more images."""
    rows, side, backbone = [], bench.scale.image_size, bench.inputs.backbone
    for count in (bench.scale.extracted // share for share in SHARES):
        images = torch.randint(0, 256, (count, 3, side, side)).to(bench.device, torch.uint8)
        forward, note = partial(_forward, backbone, images), "the limit: no decoding, no writing"
        files = f"{count} PNG files of {FILE_SIDE} × {FILE_SIDE}"
        rows += bench.compare(
            f"extraction {FILE_SIDE}",
            f"{files}, {bench.scale.backbone}, levels 1–4, cached",
            partial(_extract, bench.inputs, bench.inputs.category(count), backbone),
            [Reference("forward alone", forward, note=note)],
            amount=(count, "images"),
        )
    return rows


def _extract(inputs: Inputs, category: Category, backbone: Backbone) -> None:
    shutil.rmtree(inputs.folder / "cache", ignore_errors=True)
    protocol = EvaluationProtocol(backbone.spec, inputs.scale.image_size)
    cache = FeatureCache(inputs.folder / "cache")
    extractor = Extractor(cache, "speed", protocol, backbone.levels, lambda: backbone)
    extractor.arrays(category, lambda images: None)


def _forward(backbone: Backbone, images: Tensor) -> None:
    for batch in images.split(BATCH_IMAGES):
        backbone.forward(batch, backbone.levels)


def aupro(bench: Bench) -> list[Comparison]:
    """Time AUPRO, pixel AUROC and average precision of all test maps, together."""
    maps, masks = bench.inputs.maps, bench.inputs.masks
    levels = np.linspace(maps.max(), maps.min(), THRESHOLDS)[:: THRESHOLDS // RUN].tolist()
    loop = partial(references.threshold_loop, maps, masks, levels)
    note = f"{RUN} thresholds run; AUPRO only, inexact"
    others = [Reference(f"loop over {THRESHOLDS} thresholds", loop, THRESHOLDS / RUN, note)]
    if find_spec("adeval"):
        bins = partial(references.adeval_metrics, maps, masks.astype(np.uint8))
        others.append(Reference("ADEval", bins, note="all three, from 1,000 bins"))
    if find_spec("anomalib"):
        exact = partial(references.anomalib_aupro, torch.from_numpy(maps), torch.from_numpy(masks))
        others.append(Reference("anomalib", exact, note="AUPRO only"))
    count, height, width = maps.shape
    return bench.compare(
        "aupro",
        f"{count} maps of {height} × {width}, with pixel AUROC and AP",
        partial(pixel_metrics, maps, masks),
        others,
        _same_area(bench),
    )


def _same_area(bench: Bench) -> Agreement:
    """Compare AUPRO with that of the curve at every distinct score of a few maps."""
    maps, masks = bench.inputs.maps[:4, ::4, ::4], bench.inputs.masks[:4, ::4, ::4]
    rates, overlaps = references.threshold_loop(maps, masks, np.unique(maps)[::-1].tolist())
    rates, overlaps = np.append(0, rates), np.append(0, overlaps)
    inside = np.append(rates[rates < 0.3], 0.3)
    area = np.trapezoid(np.append(overlaps[rates < 0.3], np.interp(0.3, rates, overlaps)), inside)
    error = abs(pixel_metrics(maps, masks)["aupro_30"] - area / 0.3)
    return error < 1e-9, f"differs by {error:.0e} on {len(maps)} coarse maps"


def category(bench: Bench) -> list[Comparison]:
    """Time five methods on a category, image files to metrics, against their plain forms.

    Ours extracts once and then fits, scores and measures every method. Of the plain forms, whose
    times are the sums of their steps', each extracts for itself.
    """
    scale = bench.scale
    extracted = (scale.train + scale.test) / scale.extracted
    measured, forwards, selected, searched, spades, padims = (
        bench.rows(step)[-1] for step in (aupro, extraction, coreset, search, spade, padim)
    )
    data = workload(bench.inputs, bench.device)(free_memory(bench.device) // 2)
    cells = evaluated(METHODS, data)
    timed = {name: bench.time_and_memory(partial(next, cells)) for name in METHODS}
    ours = {name: seconds + measured.ours_seconds for name, (seconds, _) in timed.items()}
    ours |= {"extraction": extracted * forwards.ours_seconds}
    # what the memory bank takes is in proportion to its size
    bank = selected.reference_seconds + searched.reference_seconds * scale.test / scale.searched
    theirs = {f"patchcore-{percent}": bank * percent / scale.percent for percent in (25, 10, 1)}
    theirs["spade"] = spades.reference_seconds * scale.test
    theirs["padim"] = padims.reference_seconds
    around = extracted * forwards.reference_seconds + measured.reference_seconds
    theirs = {name: seconds + around for name, seconds in theirs.items()}
    row = Comparison(
        step="category",
        size=f"{scale.train} training, {scale.test} test images, {len(METHODS)} methods",
        ours_seconds=sum(ours.values()),
        reference="plain forms",
        reference_seconds=sum(theirs.values()),
        extrapolated=True,
        peak_memory_mb=max(peak for _, peak in timed.values()),
        note=f"ours: {_listed(ours)}; theirs, from their steps' times: {_listed(theirs)}",
        measured=bench.measured,
    )
    return [row]


def _listed(seconds: dict[str, float]) -> str:
    return ", ".join(f"{name} {in_seconds(value)}" for name, value in seconds.items())
