"""The real category: the official algorithm's published behaviour, reproduced end to end."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from benchmarks.datasets import load_image, load_mask
from benchmarks.datasets.indexing import index
from benchmarks.reproduction.verdicts import verdicts
from benchmarks.results import result_sets
from benchmarks.results.intervals import cell_intervals
from benchmarks.run import __main__ as run

ROOT = os.environ.get("MVTEC_AD_ROOT")
WEIGHTS = Path(ROOT or "").absolute().parent / "mobilenet_v2_imagenet.pth"

OFFICIAL = {
    "image_auroc": 0.9715,
    "pixel_auroc": 0.9891,
    "aupro_30": 0.9529,
    "false_positives_at_full_recall": 16,
    "false_positives_at_f1_optimal": 3,
    "false_negatives_at_f1_optimal": 8,
}
"""What the official code gives with the whole memory bank and squared distances."""


@pytest.mark.slow
@pytest.mark.skipif(
    not (ROOT and WEIGHTS.exists()),
    reason="$MVTEC_AD_ROOT does not name the real data with mobilenet_v2's weights beside it",
)
def test_the_official_algorithms_figures_are_reproduced(tmp_path: Path) -> None:
    arguments = [
        *("--methods", "patchcore-100[squared=true]", "--categories", "screw"),
        *("--data", str(ROOT), "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")),
        *("--backbone", "mobilenet_v2", "--weights", str(WEIGHTS)),
        *("--layers", "features.3,features.6,features.13,features.18"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert run.main(arguments) == 0
    with (tmp_path / "out" / "metrics.csv").open(newline="") as file:
        values = {row["metric"]: float(row["value"]) for row in csv.DictReader(file)}
    assert {name: round(values[name], 4) for name in OFFICIAL} == OFFICIAL


RESNET18 = WEIGHTS.with_name("resnet18_layers1to3.safetensors")


@pytest.mark.slow
@pytest.mark.skipif(
    not (ROOT and RESNET18.exists()),
    reason="$MVTEC_AD_ROOT does not name the real data with ResNet18's weights beside it",
)
def test_what_was_published_of_padim_with_resnet18_is_met(tmp_path: Path) -> None:
    arguments = [
        *("--methods", "padim", "--categories", "screw", "--seeds", "0,1,2"),
        *("--data", str(ROOT), "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")),
        *("--backbone", "resnet18", "--weights", str(RESNET18)),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert run.main(arguments) == 0
    every = verdicts(result_sets(tmp_path / "out"), cell_intervals)
    found = [one for one in every if one.tolerance]
    assert {(one.published.metric, one.published.value, one.word) for one in found} == {
        ("image_auroc", 74.5, "agrees"),
        ("pixel_auroc", 97.2, "agrees"),
        ("pixel_auroc", 97.4, "agrees"),
    }
    narrow = [
        one.tolerance.without_images for one in found if one.published.metric == "pixel_auroc"
    ]
    assert max(narrow) < 0.5


def test_real_screw_images_are_complete_and_every_defect_has_pixels() -> None:
    if not ROOT or not (Path(ROOT) / "screw").is_dir():
        pytest.skip("MVTEC_AD_ROOT is not set to a folder with the screw category")
    dataset = index(Path(ROOT), ["screw"])
    (screw,) = dataset.categories
    defects = [sample for sample in screw.test if sample.label]
    assert (len(screw.train), len(screw.test) - len(defects), len(defects)) == (320, 41, 119)
    assert (dataset.name, dataset.warnings, dataset.synthetic) == ("mvtec_ad", (), False)
    assert all(load_mask(sample.masks, 256, 256, "nearest").any() for sample in defects)
    assert load_image(screw.train[0].path, 256, 224).std() > 0
