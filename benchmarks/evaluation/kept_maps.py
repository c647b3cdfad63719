"""Which anomaly maps are stored, and what is stored beside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.array_types import Curve
from benchmarks.evaluation.category import GroundTruth
from benchmarks.evaluation.job import KeptMaps, Prediction
from benchmarks.metrics.image import f1_optimal
from benchmarks.metrics.pixel import thinned
from benchmarks.results.maps import StoredMaps
from benchmarks.results.previews import map_sheet


def maps_to_keep(
    truth: GroundTruth, prediction: Prediction, kept_maps: KeptMaps, pro: Curve
) -> dict[str, np.ndarray[Any, Any]] | None:
    """Return the arrays of the maps file: kept maps with images and masks, previews of all.

    Images, masks and maps are in the images' own proportions, each in its box of the square.
    Where that isn't what was measured, of stretched images, the squares are there, too: `measured`
    and `measured_masks`. Regions labelled at the images' own sizes are `measured_regions`.

    Args:
        truth: the category's test images.
        prediction: what the method says of its test images.
        kept_maps: which maps are kept; None is returned for "none".
        pro: the PRO curve of all maps.
    """
    if kept_maps == "none":
        return None
    samples, maps = truth.category.test, prediction.maps
    if truth.ignored is not None:
        maps = np.where(truth.ignored, np.nan, maps)
    rows = list(range(len(samples)))
    if kept_maps == "errors":
        kinds = [sample.defect for sample in samples]
        examples = [kinds.index(kind) for kind in sorted(set(kinds))]
        wrong = _misclassified(truth.labels, prediction.images)
        rows = [*examples, *(row for row in wrong if row not in examples)]
    kept = StoredMaps(
        names=np.array([samples[i].name for i in rows]),
        images=np.stack([truth.image(i) for i in rows]),
        masks=truth.shown(truth.masks[rows], rows),
        maps=truth.shown(maps[rows], rows),
        scores=prediction.images[rows],
    )
    squares: dict[str, np.ndarray[Any, Any]] = {}
    if truth.protocol.fit == "stretch":
        squares = {"measured": maps[rows], "measured_masks": truth.masks[rows]}
    if truth.regions is not None:
        squares["measured_regions"] = truth.regions[rows]
    every = truth.shown(maps, range(len(samples)))
    return {
        **kept._asdict(),
        **squares,
        "boxes": np.array([truth.frames[i].box for i in rows]),
        **truth.pictures,
        **map_sheet(every, thinned(*pro)),
    }


def _misclassified(labels: np.ndarray[Any, Any], scores: np.ndarray[Any, Any]) -> list[int]:
    """Return which images the F1-optimal threshold gets wrong; none where one class is missing."""
    point = f1_optimal(labels, scores)
    return [] if point is None else np.flatnonzero(point.misclassified(labels, scores)).tolist()
