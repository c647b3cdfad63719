"""Which anomaly maps are stored, and what is stored beside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.evaluation.category import CategoryData
from benchmarks.evaluation.job import KeptMaps, Prediction
from benchmarks.metrics import f1_optimal
from benchmarks.results.previews import map_sheet


def maps_to_keep(
    data: CategoryData, prediction: Prediction, kept_maps: KeptMaps
) -> dict[str, np.ndarray[Any, Any]] | None:
    """Return the maps to store, with what shows them, and small previews of all of them.

    Images, masks and maps are in the images' own proportions, each in its box of the square.
    """
    if kept_maps == "none":
        return None
    samples = data.category.test
    rows = list(range(len(samples)))
    if kept_maps == "errors":
        kinds = [sample.defect for sample in samples]
        examples = [kinds.index(kind) for kind in sorted(set(kinds))]
        wrong = _misclassified(data.labels, prediction.images)
        rows = [*examples, *(row for row in wrong if row not in examples)]
    return {
        "names": np.array([samples[i].name for i in rows]),
        "images": np.stack([data.image(i) for i in rows]),
        "masks": data.shown(data.masks[rows], rows),
        "maps": data.shown(prediction.maps[rows], rows),
        "scores": prediction.images[rows],
        "boxes": np.array([data.frames[i].box for i in rows]),
        **data.pictures,
        **map_sheet(
            prediction.maps,
            data.masks,
            data.ignored,
            data.shown(prediction.maps, range(len(samples))),
        ),
    }


def _misclassified(labels: np.ndarray[Any, Any], scores: np.ndarray[Any, Any]) -> list[int]:
    """Return which images the F1-optimal threshold gets wrong; none where one class is missing."""
    point = f1_optimal(labels, scores)
    if point is None:
        return []
    return np.flatnonzero((scores >= point.threshold) != (labels == 1)).tolist()
