"""What a cell's numbers show to be wrong with its scores: they say the opposite, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

import numpy as np

from benchmarks.array_types import Counts, Floats, Masks

DEVIATIONS = 2.326
"""How many standard deviations below 0.5 the AUROCs of random scores lie in 1 % of draws."""


def is_below_chance(auroc: float, positives: int, normals: int) -> bool:
    """Whether random scores have so low an area under the ROC curve in less than 1 % of draws.

    By the normal approximation of the Mann-Whitney statistic without ties, which lessen its
    variance (Mann and Whitney, "On a Test of Whether one of Two Random Variables is Stochastically
    Larger than the Other", 1947). An undefined area, nan, is not below.

    Args:
        auroc: the area.
        positives: how many samples are anomalous.
        normals: how many are not.
    """
    if not auroc < 1 / 2:
        return False
    return 1 / 2 - auroc > DEVIATIONS * sqrt((positives + normals + 1) / 12 / positives / normals)


def find_hints(
    metrics: Mapping[str, float], labels: Counts, masks: Masks, scores: Floats, maps: Floats
) -> list[str]:
    """Return a line for each sign that scores have the wrong sign, or tell nothing apart.

    Neighbouring pixels say the same, so that pixels count no more than their images do: as one
    anomalous sample an image with a defect, and one normal sample any image.

    Args:
        metrics: the cell's, nan where undefined.
        labels: of N test images, 0 nominal, 1 anomalous, (N,).
        masks: their defect pixels, (N, S, S).
        scores: their image scores, (N,).
        maps: their anomaly maps, (N, S, S).
    """
    anomalous, defects = int((labels == 1).sum()), int(masks.any(axis=(1, 2)).sum())
    samples = {"image": (anomalous, len(labels) - anomalous), "pixel": (defects, len(labels))}
    hints = [
        f"{level} AUROC {100 * metrics[f'{level}_auroc']:.1f} is far below chance: is higher more "
        "anomalous?"
        for level, counts in samples.items()
        if is_below_chance(metrics[f"{level}_auroc"], *counts)
    ]
    if len(scores) > 1 and scores.min() == scores.max():
        hints.append(f"all image scores are {scores[0]:g}: they tell no image from another")
    if np.array_equal(maps.min(axis=(1, 2)), maps.max(axis=(1, 2))):
        hints.append("every map has one value throughout: none shows where a defect is")
    return hints
