"""Crop, stretch and pad through a whole run: identity, metrics, maps, and what is said."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.evaluation import scoring
from benchmarks.evaluation.frames import Frame, padding_of
from benchmarks.evaluation.scoring import image_scores_of
from benchmarks.figures import writing as figures
from benchmarks.metrics.pixel import pixel_metrics, pro_curve
from benchmarks.report.content import build
from benchmarks.report.pictures import Sheets
from benchmarks.results import Cell, Store, result_sets
from benchmarks.results.intervals import cell_intervals
from benchmarks.results.previews import read_previews
from benchmarks.results.scores import read_scores
from benchmarks.run import __main__ as run
from benchmarks.specs import CellSpec, EvaluationProtocol, digest
from benchmarks.statistics.intervals import metric_intervals
from methods.base import Scores
from tests.helpers.data_sets import save, write_category
from tests.results.test_store import SPEC

# --- identity --------------------------------------------------------------------------------


def test_what_was_stored_before_there_were_fits_is_of_the_crop() -> None:
    stored = SPEC.as_dict()
    assert "fit" not in stored["protocol"]
    assert SPEC.key == digest(stored)
    others = {replace(SPEC, protocol=replace(SPEC.protocol, fit=f)).key for f in ("pad", "stretch")}
    assert len({SPEC.key, *others}) == 3


def test_the_key_of_a_cell_stays() -> None:
    protocol = EvaluationProtocol(SPEC.protocol.backbone, 224)
    spec = CellSpec("d", "f", "c", "m", {}, protocol, 0)
    as_before = {
        "dataset": "d", "dataset_fingerprint": "f", "category": "c", "method": "m", "params": {},
        "protocol": {
            "backbone": spec.as_dict()["protocol"]["backbone"], "image_size": 224,
            "dtype": "float32", "mask_resize": "nearest", "smoothing_sigma": 4.0, "resize": 256,
        },
        "seed": 0, "shots": None, "extractor_version": 2, "metrics_version": 1,
    }  # fmt: skip
    assert spec.key == digest(as_before)


def test_without_a_crop_the_whole_image_has_the_squares_side() -> None:
    backbone = SPEC.protocol.backbone
    assert EvaluationProtocol(backbone, 224).resize == 256
    assert EvaluationProtocol(backbone, 224, fit="pad").resize == 224
    assert EvaluationProtocol(backbone, 224, fit="stretch").resize == 224


# --- metrics ---------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), border=st.integers(0, 3))
def test_ignored_pixels_count_as_nothing(seed: int, border: int) -> None:
    dice = np.random.default_rng(seed)
    maps, masks = dice.random((3, 8, 9)).round(1), np.zeros((3, 8, 9), bool)
    masks[0, 3:5, 4:6] = masks[1, 5, 3:5] = True
    ignored = np.zeros_like(masks)
    ignored[:, :border] = ignored[:, :, 9 - border :] = True
    inside = (slice(None), slice(border, None), slice(0, 9 - border))
    measured = pixel_metrics(maps, masks, ignored)
    flat = masks[inside].ravel(), maps[inside].ravel()
    assert measured["pixel_auroc"] == pytest.approx(roc_auc_score(*flat), abs=1e-12)
    assert measured["pixel_ap"] == pytest.approx(average_precision_score(*flat), abs=1e-12)
    assert measured == pixel_metrics(maps[inside], masks[inside])
    np.testing.assert_array_equal(
        pro_curve(maps, masks, ignored=ignored), pro_curve(maps[inside], masks[inside])
    )
    labels = np.array([1, 1, 0])
    assert metric_intervals(labels, labels, maps, masks, ignored) == metric_intervals(
        labels, labels, maps[inside], masks[inside]
    )


def test_an_ignored_defect_is_a_mistake() -> None:
    masks = np.ones((1, 2, 2), bool)
    with pytest.raises(ValueError, match="hold defects"):
        pixel_metrics(np.zeros((1, 2, 2)), masks, masks)


# --- pictures in their own proportions --------------------------------------------------------


def test_a_padded_map_is_shown_without_its_border() -> None:
    square = np.arange(64, dtype=np.float32).reshape(8, 8)
    shown = Frame(20, 10, 8, "pad").shown(square, np.nan)
    assert np.isnan(shown[:2]).all()
    assert np.isnan(shown[6:]).all()
    np.testing.assert_array_equal(shown[2:6], square[2:6])


def test_a_stretched_map_is_shown_in_proportion() -> None:
    square = np.repeat(np.arange(8, dtype=np.float32)[None], 8, axis=0)
    frame = Frame(20, 10, 8, "stretch")
    shown = frame.shown(square, np.nan)
    assert frame.box == (0, 2, 8, 6)
    np.testing.assert_allclose(shown[2:6], square[:4])
    assert np.isnan(shown[:2]).all()
    assert np.isnan(shown[6:]).all()
    mask = Frame(10, 20, 8, "stretch").shown(np.eye(8, dtype=bool), around=False)
    assert mask.dtype == bool
    assert not mask[:, :2].any()
    assert mask[:, 2:6].any(axis=1).sum() >= 4


def test_a_crop_is_shown_as_it_is() -> None:
    square = np.zeros((4, 4), np.float32)
    assert Frame(9, 3, 4, "crop").shown(square, 1) is square


# --- a run -----------------------------------------------------------------------------------


@pytest.fixture
def wide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A category of 80 × 40 pixels, half of whose defects lie at the left end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOTAL_RECALL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MVTEC_AD_ROOT", raising=False)
    monkeypatch.setattr(figures, "write_figures", lambda *_, **__: [])
    cup, dice = tmp_path / "data" / "cup", np.random.default_rng(0)
    for kind, count in (("train/good", 6), ("test/good", 3), ("test/spot", 4)):
        for number in range(count):
            image = dice.integers(80, 120, (40, 80, 3)).astype(np.uint8)
            if kind == "test/spot":
                mask = np.zeros((40, 80), np.uint8)
                left = 2 if number % 2 else 36
                mask[16:24, left : left + 8] = 255
                image[mask > 0] += 100
                save(mask, cup / f"ground_truth/spot/{number:03}_mask.png")
            save(image, cup / kind / f"{number:03}.png")
    return cup


def compare(*arguments: str) -> int:
    command = ["--data", "data", "--backbone", "filterbank", "--image-size", "32", "--out", "out"]
    return run.main([*command, "--methods", "padim", "--device", "cpu", *arguments])


def cells() -> dict[str, dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in Path("out/cells").glob("*/*.json")]
    return {one["spec"]["protocol"].get("fit", "crop"): one for one in found}


def test_the_crops_loss_is_said_before_the_run_and_in_the_tables(
    wide: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare() == 0
    said = capsys.readouterr().err
    line = "the crop cuts off, in cup: 2 of 4 defects whole, 50 % of defect pixels"
    assert said.index(line) < said.index("passed the backbone")
    assert "--fit stretch" in said
    assert "--fit pad" in said
    assert (cells()["crop"]["unseen_defects"], cells()["crop"]["unseen_share"]) == (2, 0.5)
    table = Path("out/tables/aupimo.md").read_text()
    assert "defect images without a mask pixel left out, cup: 2 of 4 on " in table
    table = Path("out/tables/image_auroc.md").read_text()
    assert "left out" not in table
    assert "the crop cuts off cup: 2 of 4 defects whole, 50 % of defect pixels (--fit" in table


@pytest.mark.parametrize("fit", ["stretch", "pad"])
def test_the_whole_image_loses_nothing_and_is_another_protocol(
    wide: Path, capsys: pytest.CaptureFixture[str], fit: str
) -> None:
    assert compare() == compare("--fit", fit) == 0
    both = cells()
    assert set(both) == {"crop", fit}
    assert (both[fit]["unseen_defects"], both[fit]["unseen_share"]) == (0, 0.0)
    assert both[fit]["metrics"]["image_auroc"] > both["crop"]["metrics"]["image_auroc"]
    assert both[fit]["metrics"]["pixel_auroc"] > 0.9
    crop, other = result_sets(Path("out"))
    assert f"fit {fit}" in other.caption("x")
    assert "cuts off" not in other.caption("x")
    assert "cuts off" in crop.caption("x")
    sets = build([result_sets(Path("out"))], Sheets())["sets"]
    assert [fit in one["short"] for one in sets] == [False, True]
    assert compare("--fit", fit) == 0  # nothing left to do
    assert "nothing left to do" in capsys.readouterr().err


@pytest.mark.parametrize("fit", ["stretch", "pad"])
def test_maps_are_stored_in_the_images_own_proportions(wide: Path, fit: str) -> None:
    assert compare("--fit", fit, "--save-maps") == 0
    path = Path("out") / cells()[fit]["maps"]
    with np.load(path) as stored:
        assert stored["boxes"].tolist() == [[0, 8, 32, 24]] * 7
        for top, bottom in ((0, 8), (24, 32)):
            assert np.isnan(stored["maps"][:, top:bottom]).all()
            assert not stored["masks"][:, top:bottom].any()
            assert (stored["images"][:, top:bottom] == 255).all()
        assert np.isfinite(stored["maps"][:, 8:24]).all()
        assert stored["masks"][stored["names"] == "test/spot/000.png"][0].sum() >= 9
    previews = read_previews(path)
    assert previews is not None
    assert np.isfinite(previews.span).all()


def test_a_padded_images_score_is_its_own_maximum(
    wide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nominal images of another shape have a border that no training image has."""
    for number in range(3):
        tall = np.random.default_rng(number).integers(80, 120, (80, 40, 3)).astype(np.uint8)
        tall[:, :1] = tall[:, -1:] = 250  # what a border repeats
        save(tall, wide / f"test/good/{number:03}.png")
    assert compare("--fit", "pad", "--save-maps") == 0
    cell = cells()["pad"]
    assert cell["spec"]["protocol"]["score_area"] == "image"
    with np.load(Path("out") / cell["maps"]) as stored:
        inside, scores = np.nanmax(stored["maps"], axis=(1, 2)), stored["scores"]
    np.testing.assert_array_equal(scores, inside.astype(float))
    monkeypatch.setattr(scoring, "image_scores_of", lambda _, maps, outside: maps.amax((1, 2)))
    assert compare("--fit", "pad", "--save-maps", "--force") == 0
    with np.load(Path("out") / cells()["pad"]["maps"]) as stored:
        assert (stored["scores"] >= scores).all()
        assert (stored["scores"] > scores)[:3].all()  # the tall ones, in their borders


@settings(deadline=None, max_examples=60)
@example(seed=1, width=2, height=5, grid=3, own=True)  # pixels that two positions share
@given(
    seed=st.integers(0, 10_000),
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    grid=st.sampled_from([2, 3, 4, 8]),
    own=st.booleans(),
)
def test_maxima_are_taken_within_the_images(
    seed: int, width: int, height: int, grid: int, own: bool
) -> None:
    side, dice = 16, torch.Generator().manual_seed(seed)
    maps, finished = (
        torch.rand(2, grid, grid, generator=dice),
        torch.rand(2, 16, 16, generator=dice),
    )
    outside = padding_of([Frame(width, height, side, "pad")] * 2)
    scores = Scores(maps, maps.amax(dim=(1, 2)) if own else None)
    found = image_scores_of(scores, finished, outside)
    shown = maps if own else finished
    count = shown.shape[1]
    spans = [slice(n * side // count, -(-(n + 1) * side // count)) for n in range(count)]
    for image, score in enumerate(found.tolist()):
        held = [
            float(shown[image, row, column])
            for row in range(count)
            for column in range(count)
            if not outside[image, spans[row], spans[column]].all()
        ]
        assert score == max(held)
    torch.testing.assert_close(image_scores_of(scores, finished, None), shown.amax(dim=(1, 2)))


def test_other_image_scores_stay_a_methods_own() -> None:
    maps, outside = torch.rand(2, 4, 4), np.ones((2, 16, 16), bool)
    outside[:, 4:8] = False
    for scores in (
        Scores(maps, maps.amax(dim=(1, 2)) * torch.tensor([1.0, 0.5])),  # re-weighted
        Scores((maps, maps), maps.amax(dim=(1, 2))),
        Scores(maps, maps.mean(dim=(1, 2))),
    ):
        assert image_scores_of(scores, torch.rand(2, 16, 16), outside) is scores.images


def test_padded_cells_from_before_keep_their_key_and_stand_apart(wide: Path) -> None:
    assert compare("--fit", "pad") == 0
    (path,) = Path("out/cells").glob("*/*.json")
    stored = json.loads(path.read_text())
    assert stored["spec"]["protocol"].pop("score_area") == "image"
    before = CellSpec.from_dict(stored["spec"])
    assert before.protocol.score_area == "square"
    assert before.key == digest(stored["spec"])
    path.unlink()
    Store(Path("out")).write(Cell.from_dict(stored))
    assert compare("--fit", "pad") == 0  # it doesn't count as done
    first, second = result_sets(Path("out"))
    assert "score area square" in first.caption("x")
    assert "score area image" in second.caption("x")
    assert [str(one.measure).endswith("borders scored") for one in (first, second)] == [True, False]


@pytest.mark.parametrize("fit", ["stretch", "pad"])
def test_intervals_are_of_the_pixels_that_were_measured(wide: Path, fit: str) -> None:
    assert compare("--fit", fit, "--save-maps") == 0
    cell = cells()[fit]
    scores, path = (Path("out") / cell[name] for name in ("scores", "maps"))
    found = cell_intervals(scores, path)
    labels, values = read_scores(scores)
    with np.load(path) as stored:
        if fit == "pad":
            maps, masks = (stored[name][:, 8:24] for name in ("maps", "masks"))
        else:
            maps, masks = stored["measured"], stored["measured_masks"]
    assert found == metric_intervals(labels, values, maps, masks)
    for name in ("pixel_auroc", "pixel_ap", "aupro_30"):
        assert cell["metrics"][name] == pixel_metrics(maps, masks)[name]
        low, high = found[name]
        assert low <= cell["metrics"][name] <= high


def test_square_images_are_the_same_stretched_and_padded(wide: Path, tmp_path: Path) -> None:
    shutil.rmtree(wide)
    write_category(wide)
    assert compare("--fit", "stretch") == compare("--fit", "pad") == 0
    both = cells()
    assert both["stretch"]["metrics"] == both["pad"]["metrics"]


def test_a_resize_without_a_crop_is_refused(wide: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare("--fit", "pad", "--resize", "64") == 2
    assert "--resize is of the crop; with --fit pad leave it out" in capsys.readouterr().err


def test_without_masks_there_are_image_metrics_alone_and_the_tables_say_so(
    wide: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(wide / "ground_truth")
    assert compare() == 2
    assert compare("--no-masks") == 0
    metrics = cells()["crop"]["metrics"]
    assert metrics["image_auroc"] is not None
    assert metrics["pixel_auroc"] is metrics["aupro_30"] is None
    table = Path("out/tables/image_auroc.md").read_text()
    assert "no masks: image-level metrics alone" in table


def test_warnings_stand_in_the_cell_and_in_the_report(
    wide: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (wide / "test/good/000.png").write_bytes((wide / "train/good/000.png").read_bytes())
    assert compare() == 0
    assert "warning: cup: 1 of 7 test images are the same" in capsys.readouterr().err
    assert cells()["crop"]["warnings"][0].startswith("1 of 7 test images are the same")
    (one,) = build([result_sets(Path("out"))], Sheets())["sets"]
    assert dict(one["facts"])["warnings"].startswith("cup: 1 of 7 test images are the same")
