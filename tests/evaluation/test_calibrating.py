"""Images are held out by the seed, and their scores set thresholds that keep what they promise."""

from __future__ import annotations

import csv
import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import binomtest

from benchmarks.errors import BenchmarkError
from benchmarks.evaluation.drawing import describe_promise, draw_images, held_out_count
from benchmarks.maps.__main__ import main as maps
from benchmarks.metrics.calibrated import PER_CENT, images_needed, threshold
from benchmarks.results import Cell, Store, result_sets
from benchmarks.results.intervals import estimates
from benchmarks.results.metrics_csv import read_cells
from benchmarks.results.scores import read_held_out, read_image_scores
from benchmarks.run.__main__ import main as run
from benchmarks.specs import BackboneSpec, CellSpec, EvaluationProtocol
from benchmarks.uncertainty.__main__ import main as uncertainty
from methods.testing.pretended import pretended_cuda
from tests.helpers.data_sets import write_category

RATE = "calibrated_false_alarm_rate_{:02}"


def spec(calibrate: float | None, shots: int | None = None, seed: int = 0) -> CellSpec:
    protocol = EvaluationProtocol(BackboneSpec("filterbank", "none", "", {}), 32)
    return CellSpec("d", "f", "cup", "padim", {}, protocol, seed, shots, calibrate=calibrate)


# The draw


@given(st.integers(2, 60), st.data())
def test_nothing_is_both_fitted_to_and_held_out_and_draws_nest(images: int, data: Any) -> None:
    held = data.draw(st.integers(1, images - 1))
    shots = data.draw(st.none() | st.integers(1, images - held))
    seed = data.draw(st.integers(0, 50))
    drawn = draw_images(spec(held, shots, seed), images)
    assert len(drawn.held_out) == held
    assert len(drawn.fitted) == (shots or images - held)
    assert not {*drawn.fitted} & {*drawn.held_out}
    assert {*drawn.fitted, *drawn.held_out} <= {*range(images)}
    if shots:  # calibration leaves the shots as they are
        assert drawn.fitted == draw_images(spec(None, shots, seed), images).fitted
    if held > 1:
        assert {*draw_images(spec(held - 1, shots, seed), images).held_out} < {*drawn.held_out}


def test_a_share_is_rounded_exactly_and_what_cant_be_held_out_is_refused() -> None:
    assert held_out_count(0.35, 320) == 112
    assert held_out_count(0.29, 100) == 29  # 0.29 * 100 is 28.999… in binary
    assert held_out_count(100, 320) == 100
    assert held_out_count(None, 320) == 0
    with pytest.raises(BenchmarkError, match=r"0\.01 of 20 images is none: hold out more"):
        draw_images(spec(0.01), 20)
    with pytest.raises(BenchmarkError, match="20 images are to be held out, but there are 20"):
        draw_images(spec(20), 20)
    with pytest.raises(BenchmarkError, match=r"5 shots asked for, .* for the 16 that are held out"):
        draw_images(spec(16, shots=5), 20)


def test_the_promise_says_how_many_images_a_rate_needs() -> None:
    assert [images_needed(rate) for rate in PER_CENT] == [99, 19, 9]
    assert describe_promise(98).endswith("thresholds for 5 %, 10 % of false alarms; 1 % needs 99")
    assert describe_promise(8).endswith("no threshold; 1 % needs 99; 5 % needs 19; 10 % needs 9")
    assert "needs" not in describe_promise(99)


# The threshold


@given(st.lists(st.integers(0, 9).map(float), max_size=230), st.sampled_from(PER_CENT))
def test_the_threshold_is_the_quantile_of_split_conformal_prediction(
    scores: list[float], per_cent: int
) -> None:
    rank = math.ceil((len(scores) + 1) * (1 - Fraction(per_cent, 100)))  # the rank from below
    expected = sorted(scores)[rank - 1] if rank <= len(scores) else None
    assert threshold(np.array(scores), per_cent) == expected
    assert (expected is None) == (len(scores) < images_needed(per_cent))


@pytest.mark.parametrize("held_out", [9, 19, 40, 99, 112])
def test_over_exchangeable_sets_the_mean_rate_is_at_most_what_was_promised(held_out: int) -> None:
    dice, sets, test = np.random.default_rng(held_out), 4000, 50
    for scores in (dice.normal(size=(sets, held_out + test)), dice.integers(0, 7, (sets, 200))):
        drawn = scores[:, : held_out + test].astype(float)
        for per_cent in PER_CENT:
            if held_out < images_needed(per_cent):
                continue
            limits = np.array([threshold(row[:held_out], per_cent) for row in drawn])
            rates = (drawn[:, held_out:] > limits[:, None]).mean(axis=1)
            error = rates.std() / math.sqrt(sets)
            assert rates.mean() <= per_cent / 100 + 4 * error  # once in 30,000 draws by chance
            if scores.dtype == float:  # without ties it is ⌊α (n + 1)⌋ / (n + 1)
                rank = per_cent * (held_out + 1) // 100
                assert abs(rates.mean() - rank / (held_out + 1)) <= 4 * error


# The whole way


@pytest.fixture
def data(folder: Path, no_figures: None) -> Path:
    """One category, of whose nominal images those for training and for tests are of one kind."""
    write_category(Path("data/cup"), train=40, good=10, defect=4)
    return Path("data")


def compare(*options: str, out: str = "out") -> int:
    command = ["--data", "data", "--backbone", "filterbank", "--image-size", "32", "--out", out]
    return run([*command, "--cache", "cache", "--methods", "padim", *options])


def stored(out: str = "out") -> list[Cell]:
    return Store(Path(out)).cells()


def judged(cell: Cell, out: str = "out") -> dict[str, float | None]:
    """Return a cell's calibrated metrics, computed naively from the files beside it."""
    held_out = read_held_out(Path(out) / str(cell.held_out))
    frame = read_image_scores(Path(out) / str(cell.scores))
    assert held_out.maxima is not None
    with np.load(Path(out) / str(cell.maps)) as kept:
        assert kept["names"].tolist() == frame["path"].tolist()
        pixels, masks = kept["maps"].astype(float), kept["masks"]
    values: dict[str, float | None] = {}
    for rate in PER_CENT:
        rank = int(Fraction(rate, 100) * (len(held_out.names) + 1))
        names = [name + f"_{rate:02}" for name in ("false_alarm_rate", "recall", "seg_f1")]
        if rank == 0:
            values |= dict.fromkeys(f"calibrated_{name}" for name in names)
            continue
        limit = sorted(held_out.images)[-rank]
        marked = pixels > sorted(held_out.maxima)[-rank]
        shares = [
            np.mean([score > limit for score in frame["score"][frame["label"] == label]])
            for label in (0, 1)
        ]
        f1 = 2 * np.sum(marked & masks) / (np.sum(marked) + np.sum(masks))
        values |= {f"calibrated_{n}": v for n, v in zip(names, (*shares, f1), strict=True)}
    return values


def test_a_cell_stores_what_its_held_out_images_make_of_the_test_images(data: Path) -> None:
    assert compare("--calibrate", "0.5", "--save-maps") == 0
    (cell,) = stored()
    assert (cell.n_train, cell.n_held_out, cell.spec.calibrate) == (20, 20, 0.5)
    held_out = read_held_out(Path("out") / str(cell.held_out))
    assert all(name.startswith("train/good/") for name in held_out.names)
    assert cell.thresholds == held_out.thresholds
    assert cell.thresholds["image_01"] is None
    assert cell.thresholds["image_05"] == held_out.images.max()
    expected = judged(cell)
    actual = {name: cell.metrics[name] for name in expected}
    assert actual == pytest.approx(expected)
    assert actual["calibrated_recall_05"] == 1.0  # the defects are bright
    assert "needs 99" in Path("out/tables/calibrated_recall_01.md").read_text()
    again = read_cells(Path("out/metrics.csv"))[0]
    assert again.spec.key == cell.spec.key
    assert again.metrics == cell.metrics
    rows = estimates(result_sets(Path("out"))[0]).set_index("metric")
    rate = RATE.format(5)
    interval = binomtest(round(10 * rows.value[rate]), 10).proportion_ci(method="exact")
    assert (rows.low[rate], rows.high[rate]) == pytest.approx((interval.low, interval.high))


def test_shots_are_fitted_to_as_without_calibration(data: Path) -> None:
    assert compare("--shots", "3", "--calibrate", "19") == 0
    assert compare("--shots", "3") == 0
    calibrated, alone = sorted(stored(), key=lambda cell: -len(cell.metrics))
    assert (calibrated.n_train, alone.n_train, calibrated.n_held_out) == (3, 3, 19)
    assert {name: calibrated.metrics[name] for name in alone.metrics} == alone.metrics
    assert not alone.thresholds
    assert [*map(len, (results.cells for results in result_sets(Path("out"))))] == [1, 1]


def test_a_second_run_finds_the_cell_and_one_without_its_held_out_scores_runs_again(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare("--calibrate", "20") == 0
    (cell,) = stored()
    assert compare("--calibrate", "20") == 0
    assert "nothing left to do" in capsys.readouterr().err
    path = Path("out") / str(cell.held_out)
    before = path.read_bytes()
    path.write_bytes(before[:40])
    assert compare("--calibrate", "20") == 0
    assert path.read_bytes() == before


def test_several_seeds_show_mean_and_range_and_no_interval(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare("--calibrate", "20", "--seeds", "0,1,2") == 0
    rates = [cell.metrics[RATE.format(10)] or 0.0 for cell in stored()]
    shown = f"{100 * np.mean(rates):.1f} ({100 * min(rates):.1f}–{100 * max(rates):.1f})"
    text = Path(f"out/tables/{RATE.format(10)}.md").read_text()
    assert shown in text
    assert "mean (lowest–highest) over seeds 0, 1, 2" in text
    frame = estimates(result_sets(Path("out"))[0]).set_index("metric")
    assert frame.low[[RATE.format(10)]].isna().all()
    assert uncertainty(["out"]) == 0
    assert "there is none" in capsys.readouterr().out


def test_workers_and_a_pretended_device_hold_out_the_same_images(data: Path) -> None:
    assert compare("--calibrate", "0.5") == 0
    assert compare("--calibrate", "0.5", "--jobs", "2", out="workers") == 0
    with pretended_cuda():
        assert compare("--calibrate", "0.5", "--device", "cuda", out="device") == 0
    (expected,) = stored()
    held_out = read_held_out(Path("out") / str(expected.held_out))
    for out in ("workers", "device"):
        (cell,) = stored(out)
        other = read_held_out(Path(out) / str(cell.held_out))
        assert other.names == held_out.names
        np.testing.assert_allclose(other.images, held_out.images, rtol=1e-5)
        values, others = ({**one.metrics} for one in (expected, cell))
        undefined = {name for name, value in values.items() if value is None}
        rates = {f"calibrated_{n}_01" for n in ("false_alarm_rate", "recall", "seg_f1")}
        assert undefined == {"aupimo", *rates}
        known = values.keys() - undefined
        assert {n: others[n] for n in known} == pytest.approx({n: values[n] for n in known})
        assert all(others[name] is None for name in undefined)


def test_borders_of_padded_images_set_no_threshold(data: Path) -> None:
    for path in data.rglob("*.png"):
        Image.open(path).crop((0, 8, 40, 32)).save(path)
    assert compare("--calibrate", "0.5", "--fit", "pad", "--save-maps") == 0
    (cell,) = stored()
    held_out = read_held_out(Path("out") / str(cell.held_out))
    assert held_out.maxima is not None
    np.testing.assert_allclose(held_out.maxima, held_out.images, rtol=1e-6)  # PaDiM's are maxima


def test_over_many_draws_of_one_line_the_realised_rate_is_at_most_what_was_promised(
    folder: Path, no_figures: None
) -> None:
    """The 60 nominal images are one line's: which of them are test images is drawn 12 times."""
    write_category(Path("all/cup"), train=60, good=1, defect=1)
    images = sorted(Path("all/cup/train/good").iterdir())
    rates = []
    for draw in range(12):
        order = np.random.default_rng(draw).permutation(60)
        for folder_name, rows in (("train", order[:40]), ("test", order[40:])):
            good = Path(f"data/cup{draw}") / folder_name / "good"
            good.mkdir(parents=True)
            for row in rows:
                (good / images[row].name).write_bytes(images[row].read_bytes())
    assert compare("--calibrate", "19", "--seeds", "0") == 0
    for cell in stored():
        rates.append(cell.metrics[RATE.format(5)] or 0.0)
        assert cell.metrics["calibrated_recall_05"] is None  # there are no defects
    assert len(rates) == 12
    error = np.std(rates, ddof=1) / math.sqrt(len(rates))
    assert np.mean(rates) <= 0.05 + 3 * error


@pytest.mark.parametrize("text", ["0", "1.5", "-1", "nan", "many", "1e9"])
def test_what_is_no_share_and_no_number_is_one_line(
    text: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        compare(f"--calibrate={text}")
    assert stopped.value.code == 2
    assert "give a share of the training images, as 0.35" in capsys.readouterr().err


def test_an_ensemble_is_refused_and_the_dry_run_says_what_can_be_promised(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--data", "data", "--image-size", "32", "--out", "out", "--calibrate", "0.5"]
    assert run([*command, "--backbone", "filterbank+filterbank"]) == 2
    assert "--calibrate takes no ensemble" in capsys.readouterr().err
    assert compare("--calibrate", "0.5", "--dry-run") == 0
    said = "cup: 20 images held out: thresholds for 5 %, 10 % of false alarms; 1 % needs 99"
    assert said in capsys.readouterr().err


# Maps of other programs


def test_imported_maps_bring_held_out_scores(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare("--calibrate", "0.5", "--save-maps") == 0
    (own,) = stored()
    give = ["export", "out", "--methods", "padim", "--out", "maps", "--data", "data"]
    assert maps([*give, "--dtype", "float64"]) == 0
    held_out = read_held_out(Path("out") / str(own.held_out))
    rows = zip(held_out.names, held_out.images.tolist(), strict=True)
    with Path("held-out.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "score"), *((f"cup/{n}", s) for n, s in rows)])
    take = ["import", "maps/padim", "--name", "copy", "--data", "data", "--out", "out"]
    given = ["--scores", "maps/padim/scores.csv", "--held-out", "held-out.csv"]
    assert maps([*take, *given, "--calibrate", "0.5"]) == 0
    (results,) = result_sets(Path("out"))  # beside the run's own
    ours, theirs = (results.first["cup", name] for name in ("padim", "copy (imported)"))
    for metric, value in ours.metrics.items():
        if metric.startswith("calibrated_") and "seg_f1" not in metric:
            assert theirs.metrics[metric] == value
    assert theirs.metrics["calibrated_seg_f1_05"] is None  # no maximum of a held-out map is known
    assert (theirs.n_train, theirs.n_held_out) == (20, 20)
    assert maps([*take, "--held-out", "held-out.csv", "--calibrate", "0.5"]) == 0
    theirs = result_sets(Path("out"))[0].first["cup", "copy (imported)"]
    assert theirs.metrics["calibrated_seg_f1_05"] is not None
    capsys.readouterr()
    assert maps([*take, "--held-out", "held-out.csv", "--calibrate", "19"]) == 2
    said = "20 of 40 training images of cup have scores, and --calibrate 19 says 19"
    assert said in capsys.readouterr().err
    assert maps([*take, "--held-out", "held-out.csv"]) == 2
    assert "belong together" in capsys.readouterr().err
    Path("held-out.csv").write_text("image,score\ncup/test/good/000.png,1\n")
    assert maps([*take, "--held-out", "held-out.csv", "--calibrate", "1"]) == 2
    assert "cup/test/good/000.png is no training image" in capsys.readouterr().err


def test_an_earlier_versions_cell_is_read_as_without_calibration(data: Path) -> None:
    assert compare() == 0
    (path,) = Path("out/cells/padim").glob("*.json")
    values = json.loads(path.read_text())
    assert "calibrate" not in values["spec"]
    for name in ("n_held_out", "thresholds", "held_out"):
        del values[name]
    path.write_text(json.dumps(values))
    assert stored()[0].thresholds == {}
    assert compare() == 0
