"""Methods without maps, from the run to what is stored and shown; levels beside the pyramid."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch

import methods
from benchmarks.datasets import index
from benchmarks.detection.detector import detector
from benchmarks.errors import BenchmarkError
from benchmarks.evaluation import evaluating
from benchmarks.evaluation.drawing import draw_images
from benchmarks.evaluation.evaluating import average_members
from benchmarks.evaluation.job import Job, Prediction
from benchmarks.features import Extractor, FeatureCache
from benchmarks.features.crops import whole
from benchmarks.figures.example_maps import figures
from benchmarks.maps import __main__ as maps
from benchmarks.report.content import build
from benchmarks.report.pictures import Sheets
from benchmarks.results import result_sets
from benchmarks.results.intervals import cell_intervals
from benchmarks.run import __main__ as run
from benchmarks.specs import BackboneSpec, CellSpec, EvaluationProtocol
from methods.base import GLOBAL, LAST, Features, Method
from tests.helpers.data_sets import write_category, write_dataset


def spec(name: str) -> BackboneSpec:
    return BackboneSpec(name, "t", "", {1: "one", 2: "two", 3: "three"})


def test_of_networks_without_tokens_the_deepest_level_is_extracted_for_those_beside() -> None:
    assert spec("resnet18").extracted((GLOBAL, LAST, 1)) == {1: "one", 3: "three"}
    own = spec("timm/vit_small_patch14_dinov2.lvd142m")
    assert own.extracted((LAST, 2)) == {2: "two", LAST: "norm"}
    assert own.extracted((GLOBAL,)) == {GLOBAL: "norm"}


@pytest.mark.parametrize("name", ["timm/efficientnet_b5.x", "vit_b_16", "timm/vitamin_small.x"])
def test_other_networks_have_no_tokens(name: str) -> None:
    assert spec(name).every_layer == spec(name).layers


def test_arrays_beside_the_pyramid_are_specified_by_level_and_layer(tmp_path: Path) -> None:
    category = index(write_dataset(tmp_path, "cup")).categories[0]
    protocol = EvaluationProtocol(spec("timm/vit_tiny_patch16_224.x"))
    cache = FeatureCache(tmp_path / "cache")
    extractor = Extractor(cache, "data", protocol, (GLOBAL, 2, LAST), Mock())
    specs = extractor.specs(whole(category, "train"))
    assert {level: (s.level, s.layer) for level, s in specs.items()} == {
        GLOBAL: (0, "norm"),
        2: (2, "two"),
        LAST: (5, "norm"),
    }
    assert len({s.key for s in specs.values()}) == 3


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of methods with and without maps."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOTAL_RECALL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MVTEC_AD_ROOT", raising=False)
    monkeypatch.setattr("benchmarks.figures.writing.write_figures", lambda *_, **__: [])
    write_dataset(tmp_path / "data", "cup")
    assert compare("knn,padim") == 0
    return tmp_path / "out"


def compare(methods: str, *more: str) -> int:
    command = ["--data", "data", "--backbone", "filterbank", "--image-size", "32", "--out", "out"]
    return run.main([*command, "--methods", methods, "--device", "cpu", "--save-maps", *more])


def cells(run_folder: Path) -> dict[str, dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in run_folder.glob("cells/*/*.json")]
    return {cell["spec"]["method"]: cell for cell in found}


def test_pixel_metrics_are_undefined_and_nothing_is_left_to_do(
    stored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = cells(stored)
    assert known["padim"]["metrics"]["pixel_auroc"] is not None
    of_knn = known["knn"]["metrics"]
    assert of_knn["image_auroc"] is not None
    assert {of_knn[name] for name in of_knn if name.startswith(("pixel", "aupro"))} == {None}
    assert known["knn"]["spec"]["protocol"] == known["padim"]["spec"]["protocol"]
    capsys.readouterr()
    assert compare("knn,padim") == 0
    assert "nothing left to do" in capsys.readouterr().err


def test_the_report_has_the_images_and_an_empty_place(stored: Path) -> None:
    (of_set,) = build([result_sets(stored)], Sheets())["sets"]
    (row,), (images,) = of_set["cells"], of_set["images"]
    shown = dict(zip([m["name"] for m in of_set["methods"]], row, strict=True))
    assert images["images"] is not None
    assert shown["knn"]["maps"] is None
    assert shown["knn"]["scores"] is not None
    assert shown["padim"]["maps"] is not None


def test_figures_and_intervals_take_what_there_is(stored: Path) -> None:
    (results,) = result_sets(stored)
    drawn = dict(figures(results))
    assert drawn["examples_cup"]().axes
    place = ("cup", "knn")
    intervals = cell_intervals(results.scores[place], results.maps[place])
    assert "image_auroc" in intervals
    assert not any(name.startswith("pixel") for name in intervals)


def test_there_are_no_maps_to_export(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert maps.main(["export", "out", "--methods", "knn", "--data", "data", "--out", "maps"]) == 2
    assert "knn judges whole images: it makes no maps to export" in capsys.readouterr().err


def test_a_detector_scores_images_and_has_no_maps(stored: Path) -> None:
    training = sorted(Path("data/cup/train/good").iterdir())
    made = detector("knn", backbone="filterbank", image_size=32, device="cpu").fit(training)
    verdicts = made.score(training[:2])
    assert np.isfinite(verdicts.scores).all()
    assert all(np.isnan(grid).all() for grid in verdicts.maps)


def test_an_ensembles_scores_are_averaged_without_maps() -> None:
    nothing = np.broadcast_to(np.float32(np.nan), (3, 4, 4))
    members = [Prediction(np.array(scores), nothing) for scores in ([1.0, 2, 3], [3.0, 1, 2])]
    joined = average_members(members)
    np.testing.assert_allclose(joined.images, [0.5, 0.25, 0.75])
    assert not joined.has_maps


def test_held_out_images_set_a_threshold_of_images_and_none_of_pixels(
    tmp_path: Path, stored: Path
) -> None:
    write_category(tmp_path / "data/plate", train=12)
    options = ["--categories", "plate", "--calibrate", "9", "--augment", "flip"]
    assert compare("knn", *options) == 0
    (cell,) = (json.loads(path.read_text()) for path in stored.glob("cells/*/*plate*.json"))
    assert cell["thresholds"].keys() == {"image_01", "image_05", "image_10"}
    assert cell["thresholds"]["image_05"] is None
    assert cell["thresholds"]["image_10"] is not None
    assert cell["metrics"]["calibrated_false_alarm_rate_10"] is not None
    assert cell["metrics"]["calibrated_seg_f1_10"] is None


def test_copies_of_images_that_are_held_out_are_not_fitted_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[list[float]] = []

    def fit(parameters: Any, features: Features, seed: int) -> Method:
        shown.append(features.read(1)[:, 0, 0, 0].tolist())
        raise BenchmarkError("seen")

    monkeypatch.setattr(evaluating, "fit_method", fit)
    levels = {1: [torch.arange(n).float().reshape(-1, 1, 1, 1) + s for n, s in ((6, 0), (12, 100))]}
    training, copies = Features(levels).by_array()
    protocol = EvaluationProtocol(spec("resnet18"))
    cell = CellSpec("data", "", "cup", "knn", {}, protocol, 0, calibrate=2)
    job = Job(cell, methods.resolve("knn").parameters)
    features = {"train": training, "copies": copies, "test": training}
    truth: Any = SimpleNamespace(draw=lambda cell: draw_images(cell, 6))
    with pytest.raises(BenchmarkError, match="seen"):
        evaluating._score(job, features, None, lambda _: None, truth)  # type: ignore[arg-type]
    fitted = draw_images(cell, 6).fitted
    assert len(fitted) == 4
    assert shown == [[float(row + start) for start in (0, 100, 106) for row in fitted]]
