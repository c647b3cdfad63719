"""Defects that resizing changes: counted and said; `--regions original` through whole commands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import label

from benchmarks.datasets.__main__ import main as check
from benchmarks.join.__main__ import main as join
from benchmarks.maps.__main__ import main as maps
from benchmarks.report.content import build
from benchmarks.report.pictures import Sheets
from benchmarks.results import Cell, Store, result_sets
from benchmarks.results.intervals import cell_intervals
from benchmarks.results.metrics_csv import read_cells
from benchmarks.run.__main__ import main as run
from benchmarks.specs import CellSpec
from tests.helpers.data_sets import write_category
from tests.metrics.test_regions import distinct, plain_aupro
from tests.results.test_store import SPEC

SIDE, WHOLE = 32, 96
"""Of the crop and of the images; the crop is cut from 37 pixels."""


@pytest.fixture
def data(folder: Path, no_figures: None) -> Path:
    """A category of 96 × 96 pixels: a pinhole, hairlines and dots beside plain squares."""
    cup = write_category(Path("data/cup"))
    for path in cup.rglob("*.png"):
        Image.open(path).resize((WHOLE, WHOLE), Image.Resampling.NEAREST).save(path)
    for number in range(4):
        defect = np.zeros((WHOLE, WHOLE), np.uint8)
        if number == 0:
            defect[44, 46] = 255
        else:
            steps = np.arange(20, 76)
            defect[40 + (steps // 3) % 2, steps] = 255
            defect[60:70, 20 * number : 20 * number + 10] = 255
        Image.fromarray(defect).save(cup / f"ground_truth/spot/{number:03}_mask.png")
    return cup


def compare(*options: str, out: str = "out") -> int:
    command = ["--data", "data", "--methods", "padim", "--backbone", "filterbank", "--out", out]
    return run([*command, "--image-size", str(SIDE), "--cache", "cache", *options])


def cells(out: str = "out") -> dict[str, Cell]:
    return {cell.spec.protocol.regions: cell for cell in Store(Path(out)).cells()}


def labelled(cup: Path, resize: int = 37) -> Any:
    """Return the regions at the images' own size as the crop shows them, image by image."""
    first = (resize - SIDE) // 2
    numbers = [np.zeros((SIDE, SIDE), int)] * 3
    for path in sorted(cup.glob("ground_truth/spot/*.png")):
        regions = label(np.asarray(Image.open(path)) > 0, np.ones((3, 3)))[0].astype(np.int32)
        small = Image.fromarray(regions).resize((resize, resize), Image.Resampling.NEAREST)
        numbers.append(np.asarray(small)[first : first + SIDE, first : first + SIDE])
    return np.stack(numbers)


SAID = "1 of 4 defects vanish, 7 regions become {} (1 vanish, {} break)"


def test_what_resizing_changes_is_said_everywhere(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare() == 0
    said = capsys.readouterr().err
    cell = cells()["resized"]
    line = SAID.format(cell.measured_regions, 3)
    assert said.index(f"resizing changes masks, in cup: {line}") < said.index("passed the backbone")
    assert "--regions original keeps regions in one piece" in said
    counts = (cell.vanished_defects, cell.defect_regions, cell.vanished_regions, cell.torn_regions)
    assert counts == (1, 7, 1, 3)
    assert (cell.unseen_defects, cell.unmarked_defects) == (0, 1)
    regions = [label(image > 0, np.ones((3, 3)))[1] for image in labelled(data)]
    assert cell.measured_regions == sum(regions) > 6
    assert f"resizing changes masks of cup: {line}" in Path("out/tables/aupro_30.md").read_text()
    (results,) = result_sets(Path("out"))
    (page,) = build([[results]], Sheets())["sets"]
    assert any(line in note for note in page["notes"])  # once, not over each table
    assert line not in page["caption"]
    assert dict(page["facts"])["regions"] == "connected in the resized masks"
    (again,) = read_cells(Path("out/metrics.csv"))
    assert again.lost == cell.lost
    assert check(["data", "--image-size", str(SIDE)]) == 0
    assert f"at 32 pixels resizing changes masks, in cup: {line}" in capsys.readouterr().out
    assert check(["data"]) == 0  # at 224 pixels each defect is enlarged
    assert "resizing changes" not in capsys.readouterr().out
    with pytest.raises(SystemExit):
        check(["data", "--image-size", "0"])
    assert "--image-size 0: give a positive number" in capsys.readouterr().err


def test_regions_of_the_images_own_size_are_measured(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare("--save-maps") == compare("--save-maps", "--regions", "original") == 0
    both = cells()
    assert both["original"].measured_regions == 6
    assert both["original"].torn_regions == 0
    different = [n for n, v in both["resized"].metrics.items() if both["original"].metrics[n] != v]
    assert different == ["aupro_05", "aupro_30"]
    regions = labelled(data)
    with np.load(Path("out") / str(both["original"].maps)) as stored:
        order = [str(name).startswith("test/spot") for name in stored["names"]]
        expected = regions[np.argsort(np.argsort(order, kind="stable"), kind="stable")]
        np.testing.assert_array_equal(stored["measured_regions"] > 0, expected > 0)
        value = plain_aupro(stored["maps"], distinct(expected))
    assert both["original"].metrics["aupro_30"] == pytest.approx(value, abs=1e-9)
    for cell in both.values():
        scores, kept = (Path("out") / str(path) for path in (cell.scores, cell.maps))
        low, high = cell_intervals(scores, kept)["aupro_30"]
        assert low <= float(cell.metrics["aupro_30"] or 0) <= high
    sets = {results.measure.regions: results for results in result_sets(Path("out"))}
    assert "regions original" in sets["original"].caption("x")
    assert SAID.format(6, 0) in sets["original"].caption("x")
    assert "regions resized" in sets["resized"].caption("x")  # they differ within the run
    again = {cell.spec.protocol.regions: cell for cell in read_cells(Path("out/metrics.csv"))}
    assert again["original"].key == both["original"].key
    capsys.readouterr()
    assert compare("--regions", "original") == 0
    assert "nothing left to do" in capsys.readouterr().err


def test_imported_maps_are_measured_as_the_run_is(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare("--save-maps", "--regions", "original") == 0
    shared = ["--data", "data", "--cache", "cache"]
    assert maps(["export", "out", "--methods", "padim", "--out", "maps", *shared]) == 0
    take = ["import", "maps/padim", "--name", "copy", "--scores", "maps/padim/scores.csv", *shared]
    assert maps([*take, "--out", "out"]) == 0
    ours, copy = Store(Path("out")).cells()
    assert copy.metrics == ours.metrics
    assert copy.lost == ours.lost
    assert len(result_sets(Path("out"))) == 1
    alone = ["--out", "alone", "--image-size", str(SIDE), "--regions", "original"]
    assert maps([*take, *alone]) == 0
    assert Store(Path("alone")).cells()[0].metrics == ours.metrics
    assert maps([*take, "--out", "out", "--regions", "resized"]) == 2
    assert "regions original" in capsys.readouterr().err


def test_runs_that_label_regions_otherwise_are_not_joined(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(out="one") == compare("--regions", "original", out="two") == 0
    assert join(["one", "two", "--out", "both"]) == 2
    assert "masks nearest, regions original; run one" in capsys.readouterr().err


def test_without_masks_the_share_of_the_images_that_is_cut_off_is_said(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in data.rglob("t*/**/*.png"):
        Image.open(path).resize((96, 128)).save(path)
    assert compare("--no-masks") == 0
    # 37 × 49 pixels, of which 32 × 32 are seen
    share = 1 - SIDE * SIDE / (37 * 49)
    said = capsys.readouterr().err
    assert f"the crop cuts off, in cup: {100 * share:.0f} % of an image at most" in said
    assert "--fit stretch" in said
    cell = cells()["resized"]
    assert cell.unseen_area == pytest.approx(share, abs=1e-12)
    assert cell.lost is None
    caption = result_sets(Path("out"))[0].caption("x")
    assert "the crop cuts off cup: 44 % of an image at most (--fit stretch or pad" in caption
    assert compare("--no-masks", "--fit", "stretch", out="whole") == 0
    assert "cuts off" not in capsys.readouterr().err
    assert "cuts off" not in result_sets(Path("whole"))[0].caption("x")


def test_a_cell_of_original_regions_is_another_and_is_read_back() -> None:
    other = replace(SPEC, protocol=replace(SPEC.protocol, regions="original"))
    assert other.key != SPEC.key
    assert "regions" not in SPEC.as_dict()["protocol"]
    assert CellSpec.from_dict(other.as_dict()) == other
