"""Copies of training images: what they are, where they are cached, and what methods see of them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.backbones import loading as backbones
from benchmarks.datasets import index
from benchmarks.features import Extractor, FeatureCache
from benchmarks.features.copying import COPIES, copied
from benchmarks.figures import writing
from benchmarks.run import __main__ as run
from benchmarks.specs import EvaluationProtocol
from tests.helpers.data_sets import write_dataset
from tests.helpers.runs import generator


def picture(side: int) -> np.ndarray:
    return generator("copied").integers(0, 256, (3, side, side)).astype(np.uint8)


def test_a_mirrored_image_has_its_columns_in_reverse() -> None:
    image = picture(5)
    assert np.array_equal(copied(image, "mirrored")[:, :, 0], image[:, :, 4])


@pytest.mark.parametrize("side", [6, 7])
def test_right_angles_move_pixels(side: int) -> None:
    image = picture(side)
    whole = Image.fromarray(image.transpose(1, 2, 0))
    for angle in (90, 180, 270):
        turned = np.asarray(whole.rotate(angle, expand=True)).transpose(2, 0, 1)
        assert np.array_equal(copied(image, angle), turned)


def test_other_angles_turn_about_the_centre_and_leave_no_corner_empty() -> None:
    bright = np.full((3, 32, 32), 200, np.uint8)
    bright[:, 14:18, 20:24] = 0
    turned = copied(bright, 45)
    dark = np.argwhere(turned[0] < 100).mean(axis=0)
    distance = 6 / np.sqrt(2)  # counter-clockwise, from the right to the upper right
    np.testing.assert_allclose(dark, [15.5 - distance, 15.5 + distance], atol=0.7)
    assert turned[:, [0, 0, -1, -1], [0, -1, 0, -1]].min() == 200


@pytest.mark.parametrize("augment", ["flip", "rotate8"])
def test_features_of_copies_are_cached_beside_the_images(augment: str, tmp_path: Path) -> None:
    category = index(write_dataset(tmp_path / "data", "cup")).categories[0]
    spec = backbones.describe(backbones.Choice("filterbank"))
    protocols = [EvaluationProtocol(spec, image_size=32, augment=a) for a in ("none", augment)]
    backbone = backbones.load("filterbank")

    def extracted(protocol: EvaluationProtocol) -> tuple[dict, int]:
        cache = FeatureCache(tmp_path / "cache")
        extractor = Extractor(cache, "data", protocol, (1, 4), lambda: backbone)
        return extractor.arrays(category, lambda images: None), extractor.passes

    plain, passes = extracted(protocols[0])
    count = len(category.train)
    assert passes == count + len(category.test)
    arrays, passes = extracted(protocols[1])
    turns = COPIES[protocols[1].augment]
    assert passes == len(turns) * count  # nothing else passes again
    assert extracted(protocols[1])[1] == extracted(protocols[0])[1] == 0
    assert np.array_equal(arrays["train"][1], plain["train"][1])
    assert len(arrays["copies"][1]) == len(turns) * count
    crops = Extractor(FeatureCache(tmp_path / "cache"), "data", protocols[0], (1,), None).crops  # type: ignore[arg-type]
    images = crops.images(category, "train")
    for number, turn in enumerate(turns):
        copies = torch.from_numpy(np.stack([copied(image, turn) for image in images]))
        for level, maps in backbone.forward(copies, (1, 4)).items():
            kept = np.asarray(arrays["copies"][level])[number * count :][:count]
            np.testing.assert_allclose(kept, maps.numpy(), rtol=1e-4, atol=1e-4)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOTAL_RECALL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MVTEC_AD_ROOT", raising=False)
    monkeypatch.setattr(writing, "write_figures", lambda *_, **__: [])
    write_dataset(tmp_path / "data", "cup")


def compare(*more: str) -> dict[str, dict]:
    command = ["--data", "data", "--backbone", "filterbank", "--image-size", "32", "--out", "out"]
    assert run.main([*command, "--methods", "knn", "--device", "cpu", *more]) == 0
    cells = [json.loads(path.read_text()) for path in Path("out/cells").glob("*/*.json")]
    return {cell["spec"]["protocol"].get("augment", "none"): cell for cell in cells}


def test_a_run_with_copies_is_another_protocol(
    data: None, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = compare()["none"]
    both = compare("--augment", "flip")
    assert both["none"] == plain
    assert both["flip"]["n_train"] == plain["n_train"]
    assert both["flip"]["spec"]["protocol"]["augment"] == "flip"
    with Path("out/metrics.csv").open(newline="") as file:
        assert {row["augment"] for row in csv.DictReader(file)} == {"none", "flip"}
    assert "augment flip" in capsys.readouterr().out


def test_shots_are_drawn_with_their_copies(data: None, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def fit(self: object, features: object, generator: object) -> object:
        seen.append(features)
        return original(self, features, generator)

    from methods.knn import Knn

    original = Knn.fit
    monkeypatch.setattr(Knn, "fit", fit)
    compare("--augment", "rotate8", "--shots", "2", "--seeds", "3")
    (features,) = seen
    assert len(features) == 2 * 8
    rows = np.array(features._rows).reshape(8, 2)
    drawn = np.sort(np.random.default_rng(3).permutation(6)[:2])
    tests = 7  # the test images lie between those and their copies
    starts = [0, *(6 + tests + 6 * number for number in range(7))]
    assert rows.tolist() == [(drawn + start).tolist() for start in starts]
