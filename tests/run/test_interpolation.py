"""The filter that images are resized with: identity, caches, captions, and what is kept apart."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from benchmarks.compare.baseline import Baseline, with_rounding
from benchmarks.compare.check import compare
from benchmarks.datasets import index, load_image
from benchmarks.datasets.masks import load_mask
from benchmarks.features import FeatureCache
from benchmarks.features.crops import Crops, whole
from benchmarks.report.content import build
from benchmarks.report.pictures import Sheets
from benchmarks.results import Store, result_sets
from benchmarks.run import __main__ as run
from benchmarks.specs import CellSpec, CropSpec, EvaluationProtocol, Interpolation, digest
from tests.helpers.data_sets import save, write_category
from tests.results.test_store import SPEC

OTHERS = [name for name in get_args(Interpolation) if name != "bilinear"]


def test_what_was_stored_before_there_was_a_choice_is_bilinear() -> None:
    stored = SPEC.as_dict()
    assert "interpolation" not in stored["protocol"]
    assert SPEC.key == digest(stored)
    assert CellSpec.from_dict(stored) == SPEC
    crops = CropSpec("d", "f", "c", "train", 224, 256)
    assert not {"fit", "interpolation"} & {*crops.as_dict()}
    keys = {replace(crops, interpolation=name).key for name in OTHERS}
    assert len({crops.key, *keys}) == 1 + len(OTHERS)


@pytest.mark.parametrize("name", OTHERS)
def test_another_filter_is_another_cell_and_read_back(name: Interpolation) -> None:
    other = replace(SPEC, protocol=replace(SPEC.protocol, interpolation=name))
    assert other.key != SPEC.key
    assert other.as_dict()["protocol"]["interpolation"] == name
    assert CellSpec.from_dict(json.loads(json.dumps(other.as_dict()))) == other


def test_crops_of_each_filter_are_cached_apart(tmp_path: Path) -> None:
    write_category(tmp_path / "data" / "cup")
    dataset = index(tmp_path / "data")
    (category,), cache = dataset.categories, FeatureCache(tmp_path / "cache")
    for _ in range(2):  # decoded, then from the cache
        for name in get_args(Interpolation):
            protocol = EvaluationProtocol(SPEC.protocol.backbone, 7, interpolation=name)
            found = np.concatenate(
                list(Crops(cache, dataset.name, protocol).batches(whole(category, "test")))
            )
            for pixels, sample in zip(found, category.test, strict=True):
                expected = load_image(sample.path, 8, 7, interpolation=name)
                np.testing.assert_array_equal(pixels.transpose(1, 2, 0), expected)
    assert len({*(tmp_path / "cache").rglob("*.npy")}) == len(get_args(Interpolation))


# --- a run -----------------------------------------------------------------------------------


pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture
def cup(folder: Path) -> Path:
    """A category of noise of 24 × 30 pixels, with a defect in the middle of each bad image."""
    dice, cup = np.random.default_rng(0), folder / "data" / "cup"
    for kind, count in (("train/good", 5), ("test/good", 3), ("test/spot", 3)):
        for number in range(count):
            image = dice.integers(0, 200, (24, 30, 3)).astype(np.uint8)
            if kind == "test/spot":
                mask = np.zeros((24, 30), np.uint8)
                mask[8:13, 11 : 15 + number] = 255
                image[mask > 0] += 55
                save(mask, cup / f"ground_truth/spot/{number:03}_mask.png")
            save(image, cup / kind / f"{number:03}.png")
    return cup


def compared(*arguments: str) -> int:
    command = ["--data", "data", "--backbone", "filterbank", "--image-size", "16", "--out", "out"]
    return run.main([*command, "--methods", "padim", "--device", "cpu", *arguments])


def cells() -> dict[str, dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in Path("out/cells").glob("*/*.json")]
    return {one["spec"]["protocol"].get("interpolation", "bilinear"): one for one in found}


@pytest.mark.slow
def test_the_embedded_set_with_another_filter(folder: Path) -> None:
    washer = ["--methods", "padim", "--categories", "washer", "--image-size", "32"]
    assert run.main([*washer, "--interpolation", "lanczos", "--out", "out"]) == 0
    assert {*cells()} == {"lanczos"}
    caption = result_sets(Path("out"))[0].caption("x")
    assert "interpolation lanczos" in caption


def test_a_run_with_another_filter_is_another_protocol(
    cup: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compared() == compared("--interpolation", "lanczos") == 0
    both = cells()
    assert {*both} == {"bilinear", "lanczos"}
    assert both["bilinear"]["metrics"] != both["lanczos"]["metrics"]
    usual, other = result_sets(Path("out"))
    for one in (usual, other):  # never in one table
        assert len({cell.spec.protocol.interpolation for cell in one.cells}) == 1
    assert "interpolation lanczos" in other.caption("x")
    assert "interpolation bilinear" in usual.caption("x")
    assert "interpolation lanczos" in Path("out/tables/image_auroc.md").read_text()
    sets = build([result_sets(Path("out"))], Sheets())["sets"]
    assert ["interpolation lanczos" in one["short"] for one in sets] == [False, True]
    capsys.readouterr()
    assert compared("--interpolation", "lanczos") == 0
    assert "nothing left to do" in capsys.readouterr().err


def test_the_usual_filter_alone_is_not_worth_a_word(cup: Path) -> None:
    assert compared("--interpolation", "bilinear") == 0
    (usual,) = result_sets(Path("out"))
    assert "interpolation" not in usual.caption("x")


def test_a_baseline_is_not_compared_with_another_filter(cup: Path) -> None:
    assert compared("--interpolation", "lanczos") == 0
    (cell,) = Store(Path("out")).cells()
    protocol = replace(cell.spec.protocol, interpolation="bilinear")
    before = replace(cell, spec=replace(cell.spec, protocol=protocol))
    rows = compare(Baseline((before,), with_rounding({}, before.metrics)), [cell])
    assert {row.mark for row in rows} == {"not comparable"}
    assert all("lanczos" in row.note for row in rows)


def test_an_unknown_filter_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        compared("--interpolation", "nearest")
    assert "choose from" in capsys.readouterr().err


def test_masks_are_of_no_filter(cup: Path) -> None:
    """They are framed by the protocol's mask resizing alone, whatever images are resized with."""
    for name in OTHERS:
        assert compared("--interpolation", name, "--save-maps") == 0
    masks = []
    for cell in cells().values():
        with np.load(Path("out") / cell["maps"]) as stored:
            masks.append((stored["names"].tolist(), stored["masks"]))
    for names, found in masks[1:]:
        assert names == masks[0][0]
        np.testing.assert_array_equal(found, masks[0][1])
    (category,) = index(cup.parent).categories
    expected = np.stack([load_mask(sample.masks, 18, 16) for sample in category.test])
    assert expected.any(axis=(1, 2)).sum() == 3
    np.testing.assert_array_equal(masks[0][1], expected)
