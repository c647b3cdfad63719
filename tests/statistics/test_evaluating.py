"""Metrics of arrays are those of the same maps imported; what isn't arrays of images is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

import benchmarks
from benchmarks.maps.__main__ import main as maps
from benchmarks.metrics.definitions import METRICS
from benchmarks.results import result_sets
from benchmarks.results.intervals import estimates
from tests.helpers.data_sets import SIDE, write_dataset

DICE = np.random.default_rng(0)
MASKS = np.zeros((7, 12, 12), bool)
MASKS[3:, 2:7, 4:9] = True
MAPS = MASKS + DICE.normal(size=MASKS.shape)
SCORES = MAPS.max(axis=(1, 2))


def test_they_are_those_of_the_same_maps_imported(folder: Path, no_figures: None) -> None:
    root = write_dataset(Path("data"), "cup")
    masks, squares, scores = [], [], []
    for kind, count in (("good", 3), ("spot", 4)):
        for number in range(count):
            mask = np.zeros((SIDE, SIDE), bool)
            if kind == "spot":
                mask[12 + number : 20 + number, 14:24] = True
            values = (mask + DICE.normal(size=mask.shape)).astype(np.float32)
            path = Path("maps/cup/test") / kind / f"{number:03}.tiff"
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, values)
            masks.append(mask)
            squares.append(values)
            scores.append(float(values.max()))
    command = ["import", "maps", "--name", "mine", "--data", str(root), "--out", "out"]
    size = ["--fit", "stretch", "--image-size", str(SIDE), "--save-maps", "--cache", "cache"]
    assert maps([*command, *size]) == 0
    (results,) = result_sets(Path("out"))
    imported = estimates(results).set_index("metric")[["value", "low", "high"]]
    computed = benchmarks.evaluate(np.stack(masks), np.stack(squares), scores)
    pd.testing.assert_frame_equal(computed, imported, check_exact=True)


def test_values_are_scikit_learns_and_lie_in_their_intervals() -> None:
    labels = MASKS.any(axis=(1, 2))
    frame = benchmarks.evaluate(MASKS, MAPS, SCORES)
    assert frame.index.tolist() == [*METRICS]
    assert frame.loc["image_auroc", "value"] == pytest.approx(roc_auc_score(labels, SCORES))
    flat = MASKS.ravel(), MAPS.ravel()
    assert frame.loc["pixel_auroc", "value"] == pytest.approx(roc_auc_score(*flat))
    assert frame.loc["pixel_ap", "value"] == pytest.approx(average_precision_score(*flat))
    assert frame.index[frame["value"].isna()].tolist() == ["aupimo"]  # too few pixels
    frame = frame.dropna(subset="value")
    assert (frame["low"] <= frame["value"]).all()
    assert (frame["value"] <= frame["high"]).all()


@pytest.mark.parametrize(
    "masks", [MASKS.astype(np.uint8) * 255, MASKS.astype(float), torch.from_numpy(MASKS)]
)
def test_masks_may_be_of_any_type(masks: Any) -> None:
    expected = benchmarks.evaluate(MASKS, MAPS, SCORES)
    actual = benchmarks.evaluate(masks, torch.from_numpy(MAPS), SCORES.tolist())
    pd.testing.assert_frame_equal(actual, expected, check_exact=True)


def test_labels_count_where_they_are_given() -> None:
    labels = [1, 0, 0, 1, 1, 1, 1]
    frame = benchmarks.evaluate(MASKS, MAPS, SCORES, labels)
    assert frame.loc["image_auroc", "value"] == pytest.approx(roc_auc_score(labels, SCORES))
    alike = benchmarks.evaluate(MASKS, MAPS, SCORES, np.array(labels) == 1)
    pd.testing.assert_frame_equal(frame, alike)


def test_what_is_undefined_is_missing() -> None:
    frame = benchmarks.evaluate(np.zeros((4, 6, 6)), np.ones((4, 6, 6)), np.arange(4), [0, 1, 0, 1])
    assert np.isnan(frame.loc["pixel_auroc", "value"])
    assert frame.loc["image_auroc", "value"] == 0.75
    assert benchmarks.evaluate(np.zeros((4, 6, 6)), np.ones((4, 6, 6)), range(4)).isna().all().all()


def test_without_masks_there_are_image_metrics_alone() -> None:
    labels = MASKS.any(axis=(1, 2))
    expected = benchmarks.evaluate(MASKS, MAPS, SCORES)
    for anomaly_maps in (MAPS, None):
        frame = benchmarks.evaluate(None, anomaly_maps, SCORES, labels)
        of_images = [name for name in METRICS if METRICS[name].level == "image"]
        pd.testing.assert_frame_equal(frame.loc[of_images], expected.loc[of_images])
        assert frame.drop(of_images).isna().all().all()
        with pytest.raises(ValueError, match="without masks and maps give labels"):
            benchmarks.evaluate(None, anomaly_maps, SCORES)


@pytest.mark.parametrize(
    ("masks", "anomaly_maps", "scores", "said"),
    [
        (MASKS, MAPS[:6], SCORES, r"masks are of shape \(7, 12, 12\) and maps of \(6, 12, 12\)"),
        (MASKS[:, None], MAPS[:, None], SCORES, r"give both as \(N, H, W\)"),
        (MASKS, MAPS, SCORES[:6], r"labels are of shape \(7,\) and scores of \(6,\)"),
        (MASKS, MAPS * np.nan, SCORES, "NaN or infinite"),
        (MASKS, MAPS, SCORES * np.inf, "NaN or infinite"),
    ],
)
def test_what_does_not_fit_is_named(masks: Any, anomaly_maps: Any, scores: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        benchmarks.evaluate(masks, anomaly_maps, scores)
