"""Runs whose test images undergo shifts: what is extracted, judged, ignored and compared."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from benchmarks.datasets import index
from benchmarks.evaluation.category import GroundTruth
from benchmarks.features import Crops, FeatureCache
from benchmarks.figures import contamination
from benchmarks.maps import __main__ as maps
from benchmarks.results import Store, result_sets
from benchmarks.results.intervals import cell_intervals
from benchmarks.results.scores import read_held_out, read_image_scores
from benchmarks.run.__main__ import main as run
from benchmarks.specs import BackboneSpec, EvaluationProtocol
from benchmarks.statistics.paired import paired_test
from tests.helpers.data_sets import write_category
from tests.helpers.passes import Passes

TRAIN, GOOD, DEFECT = 12, 6, 8


@pytest.fixture
def data(folder: Path, no_figures: None) -> Path:
    write_category(Path("data/cup"), train=TRAIN, good=GOOD, defect=DEFECT)
    return Path("data")


def compare(*options: str) -> int:
    command = ["--data", "data", "--backbone", "filterbank", "--image-size", "32", "--out", "out"]
    return run([*command, "--cache", "cache", "--methods", "padim", *options])


def test_combinations_share_features_and_the_plan_counts_each_pass(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shots, contamination, shifts and seeds: only a shift takes passes, of the test images."""
    passes = Passes(monkeypatch)
    shifts = ("--shift", "brightness=3,translation=2")
    options = ["--shots", "4,all", "--contamination", "0,0.25", "--seeds", "0,1", *shifts]
    tested = GOOD + DEFECT
    expected = TRAIN + tested + 2 * tested
    assert compare(*options, "--dry-run") == 0
    out = capsys.readouterr().out
    assert f"{expected} passes in all" in out
    assert "24 of 24 cells to evaluate" in out
    assert compare(*options) == 0
    assert len(passes.images) == expected
    cells = Store(Path("out")).cells()
    assert len({cell.spec.key for cell in cells}) == 24
    assert all(cell.status == "ok" for cell in cells)
    assert len(result_sets(Path("out"))) == 12
    sets = [s for s in result_sets(Path("out")) if not s.spec.shots and not s.spec.shift]
    ((name, draw),) = contamination.figures(sets)
    assert name == "contamination"
    (panel, *_) = draw().axes
    firsts = [s.first["cup", "padim"] for s in sets]
    assert [cell.spec.seed for cell in firsts] == [0, 0]
    drawn = panel.lines[0].get_xydata().tolist()
    assert drawn == [[s, c.metrics["image_auroc"]] for s, c in zip((0, 25), firsts, strict=True)]
    low, high = panel.lines[1].get_ydata()[1], panel.lines[2].get_ydata()[1]  # the caps
    intervals = cell_intervals(Path("out") / str(firsts[1].scores), None)
    assert (low, high) == pytest.approx(intervals["image_auroc"])
    assert compare("--shots", "2", "--shift", "brightness=3") == 0
    assert len(passes.images) == expected  # all was cached


def test_a_shift_is_compared_with_unshifted_images_at_the_old_threshold(data: Path) -> None:
    assert (
        compare("--shift", "gaussian_noise=5,rotation=5", "--calibrate", "10", "--save-maps") == 0
    )
    cells = {cell.spec.shift: cell for cell in Store(Path("out")).cells()}
    assert {*cells} == {"", "gaussian_noise=5", "rotation=5"}
    assert len({tuple(sorted(cell.thresholds.items())) for cell in cells.values()}) == 1
    held = [read_held_out(Path("out") / str(cell.held_out)).images for cell in cells.values()]
    assert all((images == held[0]).all() for images in held)
    with Path("out/tables/conditions.csv").open() as file:
        rows = {(row["shift"], row["metric"]): row for row in csv.DictReader(file)}
    frames = {s: read_image_scores(Path("out") / str(c.scores)) for s, c in cells.items()}
    rate = "calibrated_false_alarm_rate_10"
    for shift in ("gaussian_noise=5", "rotation=5"):
        both = frames[""].merge(frames[shift], on=["path", "label"])
        assert len(both) == GOOD + DEFECT
        p_value = paired_test(both["label"], both["score_x"], both["score_y"])
        row = rows[shift, "image_auroc"]
        before, after = (cells[name].metrics["image_auroc"] or 0 for name in ("", shift))
        assert float(row["drop"]) == before - after
        assert row["differ"] == ("no verdict" if p_value is None else row["differ"])
        limit = cells[""].thresholds["image_10"]
        shown = frames[shift]
        alarms = (shown["score"][shown["label"] == 0] > limit).mean()
        assert float(rows[shift, rate]["with"]) == pytest.approx(alarms)
    turned = cells["rotation=5"]
    intervals = cell_intervals(Path("out") / str(turned.scores), Path("out") / str(turned.maps))
    low, high = intervals["pixel_auroc"]
    assert low <= (turned.metrics["pixel_auroc"] or 0) <= high


def test_masks_follow_and_uncovered_pixels_are_ignored(data: Path) -> None:
    (category,) = index(data).categories
    protocol = EvaluationProtocol(BackboneSpec("filterbank", "none", "", {}), 32, resize=32)
    truth = GroundTruth(category, protocol, Crops(FeatureCache(Path("c"), 1), "d", protocol))
    assert truth.ignored is None
    moved = truth.shifted("translation=3")  # by 8 pixels of the resized image
    assert moved.ignored is not None
    assert moved.outside is not None
    np.testing.assert_array_equal(moved.ignored, moved.outside)
    assert moved.ignored[0].tolist() == [[True] * 8 + [False] * 24] * 32
    np.testing.assert_array_equal(moved.masks[:, :, 8:], truth.masks[:, :, :-8])
    assert not moved.masks[:, :, :8].any()
    np.testing.assert_array_equal(moved.image(0)[:, 9:31], truth.image(0)[:, 1:23])
    few = moved.select([9, 3])
    assert few.ignored is not None
    assert few.ignored.shape == (2, 32, 32)
    np.testing.assert_array_equal(few.image(0), moved.image(9))
    assert [s.name for s in few.category.test] == [category.test[n].name for n in (9, 3)]
    assert truth.shifted("brightness=2").ignored is None


def test_maps_of_other_images_than_those_on_disk_are_no_programs(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare("--shift", "translation=3", "--save-maps") == 0
    export = ["export", "out", "--methods", "padim", "--data", "data", "--out"]
    assert maps.main([*export, "maps"]) == 0  # those of unshifted images
    assert len([*Path("maps").rglob("*.tiff")]) == GOOD + DEFECT
    assert compare("--contamination", "0.2", "--save-maps", "--out", "dirty") == 0
    export[1] = "dirty"
    assert maps.main([*export, "more"]) == 2
    assert "dirty: with --contamination or --shift not all" in capsys.readouterr().err


def test_an_unknown_shift_is_one_line(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare("--shift", "brightnes=3") == 2
    assert "the shifts are brightness, contrast" in capsys.readouterr().err
