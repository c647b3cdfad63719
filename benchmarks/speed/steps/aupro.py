"""Times the pixel metrics against loops over thresholds and other packages."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.metrics.pixel import pixel_metrics
from benchmarks.speed import references as plain
from benchmarks.speed.report import Comparison
from benchmarks.speed.timing import Agreement, Bench, Reference
from methods.lazy import torch

THRESHOLDS = 200


def aupro(bench: Bench) -> list[Comparison]:
    """Time AUPRO, pixel AUROC and average precision of all test maps, together."""
    maps, masks, part = bench.inputs.maps, bench.inputs.masks, bench.scale.thresholds
    levels = np.linspace(maps.max(), maps.min(), THRESHOLDS)[:: THRESHOLDS // part].tolist()
    references = [
        Reference("np.sort alone", lambda: np.sort(maps, axis=None), note="the limit of a sort"),
        Reference(
            f"loop over {THRESHOLDS} thresholds",
            lambda: plain.threshold_loop(maps, masks, levels),
            THRESHOLDS / part,
            f"{part} thresholds run; AUPRO only, inexact",
        ),
    ]
    if plain.installed("adeval"):
        bins = partial(plain.adeval_metrics, maps, masks.astype(np.uint8))
        references.append(Reference("ADEval", bins, note="all three, from 1,000 bins"))
    if plain.installed("anomalib"):
        tensors = torch.from_numpy(maps), torch.from_numpy(masks)
        exact = partial(plain.anomalib_aupro, *tensors)
        references.append(Reference("anomalib", exact, note="AUPRO only"))
    count, height, width = maps.shape
    return bench.compare(
        "aupro",
        f"{count} maps of {height} × {width}, with pixel AUROC and AP",
        partial(pixel_metrics, maps, masks),
        references,
        _same_metrics(bench),
    )


def _same_metrics(bench: Bench) -> Agreement:
    """Compare with scikit-learn, and with the PRO curve at every distinct score of a few maps."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    maps, masks = bench.inputs.maps[:4, ::4, ::4], bench.inputs.masks[:4, ::4, ::4]
    ours, flat = pixel_metrics(maps, masks), (masks.ravel(), maps.ravel())
    rates, overlaps = plain.threshold_loop(maps, masks, np.unique(maps)[::-1].tolist())
    rates, overlaps = np.append(0, rates), np.append(0, overlaps)
    inside = np.append(rates[rates < 0.3], 0.3)
    area = np.trapezoid(np.append(overlaps[rates < 0.3], np.interp(0.3, rates, overlaps)), inside)
    expected = {"pixel_auroc": roc_auc_score(*flat), "aupro_30": area / 0.3}
    expected["pixel_ap"] = average_precision_score(*flat)
    error = max(abs(ours[name] - value) for name, value in expected.items())
    return Agreement(error < 1e-9, f"differ by at most {error:.0e} on {len(maps)} coarse maps")
