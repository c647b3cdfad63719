"""The benchmark runs, what it writes is complete and consistent, and the definitions are right."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.datasets import KNOWN, index
from benchmarks.speed import __main__ as speed
from benchmarks.speed import references as plain
from benchmarks.speed.drawn_set import LEAST, drawn_set
from benchmarks.speed.host import STAGES, WALL, WHOLE, Stopwatch
from benchmarks.speed.inputs import SCALES, Inputs, Scale
from benchmarks.speed.report import GROWTH, Comparison, exponent, kept, markdown, write
from benchmarks.speed.timing import Bench, Reference
from methods.base import Features
from methods.components.coreset import farthest_first


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@dataclass(frozen=True)
class Run:
    status: int
    results: Path

    def table(self, name: str) -> list[dict[str, str]]:
        with (self.results / name).open(newline="") as file:
            return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("speed")
    out = root / "results" / "speed"
    status = speed.main(["--scale", "small", "--device", "cpu", "--out", str(out)])
    return Run(status, out)


@pytest.mark.slow
def test_every_row_is_complete_and_its_ratio_that_of_its_seconds(run: Run) -> None:
    rows = run.table("speed.csv")
    assert {row["step"].split()[0] for row in rows} == set(speed.STEPS)
    for row in rows:
        assert row["size"]
        assert row["reference"]
        assert row["extrapolated"] in {"True", "False"}
        assert float(row["peak_memory_mb"]) >= 0
        ours, theirs = float(row["ours_seconds"]), float(row["reference_seconds"])
        assert min(ours, theirs) > 0
        assert float(row["ratio"]) == pytest.approx(theirs / ours, rel=1e-12)
        assert row["note"] or row["extrapolated"] == "False"


@pytest.mark.slow
def test_every_result_was_compared_with_its_definition(run: Run) -> None:
    assert run.status == 0
    for row in run.table("speed.csv"):
        not_results = row["step"].startswith(("extraction", "category"))
        assert row["agrees"] == ("" if not_results else "True"), row


def growth(summary: str) -> list[dict[str, str]]:
    """Return the rows of the summary's second table."""
    lines = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in summary.partition("Growth")[2].splitlines()
        if line.startswith("|")
    ]
    return [dict(zip(lines[0], cells, strict=True)) for cells in lines[2:]]


@pytest.mark.slow
def test_growth_exponents_are_the_slopes_of_the_stored_times(run: Run) -> None:
    rows = run.table("speed.csv")
    shown = growth((run.results / "speed.md").read_text("utf-8"))
    assert {row["step"] for row in shown} == {"coreset 25 %", "search", "extraction 256"}
    assert len(shown) == 4
    for line in shown:
        names = line["step"], line["reference"]
        curve = [row for row in rows if (row["step"], row["reference"]) == names]
        assert len(curve) > 2
        sizes = [math.log(float(row["amount"])) for row in curve]
        for column, name in (("ours_seconds", "exponent"), ("reference_seconds", "its exponent")):
            seconds = [math.log(float(row[column])) for row in curve]
            slope = np.cov(sizes, seconds)[0, 1] / np.var(sizes, ddof=1)
            assert math.isfinite(slope)
            assert float(line[name]) == pytest.approx(slope, abs=0.0051)


@pytest.mark.slow
def test_the_summary_holds_every_row_and_names_the_machine(run: Run) -> None:
    text = (run.results / "speed.md").read_text("utf-8")
    for row in run.table("speed.csv"):
        assert f"| {row['step']} " in text
    assert f"{torch.get_num_threads()} threads" in text
    assert f"torch {torch.__version__.partition('+')[0]}" in text


def test_an_unknown_step_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert speed.main(["corset"]) == 2
    assert "no step 'corset' at scale full: there are coreset" in capsys.readouterr().err


def test_ours_and_the_references_take_turns(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bench = Bench(replace(SCALES["small"], repeats=3), "cpu", tmp_path)
    order: list[str] = []
    times = iter([(2.0, 5.0), (1.0, 0.0), (9.0, 7.0), (3.0, 0.0), (4.0, 6.0), (2.0, 0.0)])

    def measured(call: Callable[[], object]) -> tuple[float, float]:
        call()
        return next(times)

    monkeypatch.setattr(bench, "time_and_memory", measured)
    part = Reference("loop", lambda: order.append("loop"), 10, "a tenth run")
    (row,) = bench.compare("step", "size", lambda: order.append("ours"), [part])
    assert order == ["ours", "loop"] * 3
    assert (row.ours_seconds, row.reference_seconds, row.ratio) == (4.0, 20.0, 5.0)
    assert (row.peak_memory_mb, row.extrapolated, row.agrees) == (7.0, True, None)


def test_a_difference_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    same = Comparison("a", "", 1.0, "b", 2.0, False, 0.0, True, "same", "")
    rows = [same, replace(same, step="c", agrees=False, agreement="off by 1")]
    monkeypatch.setattr(speed, "STEPS", {"padim": lambda bench: rows})
    assert speed.main(["padim", "--device", "cpu", "--out", str(tmp_path)]) == 1
    assert "error: c differs from its definition: off by 1" in capsys.readouterr().err
    assert "extrapolated" not in markdown(rows)
    assert "2 ×" in markdown(rows)


def test_other_steps_rows_are_kept_as_they_were(tmp_path: Path) -> None:
    old = Comparison("a", "2 rows", 1.0, "b", 2.0, False, 0.5, None, "", "a note")
    old = replace(old, amount=10, unit="rows", measured="Then.")
    larger = replace(old, size="4 rows", amount=20, ours_seconds=2.5)
    search = Comparison("search", "", 4.0, "faiss", 8.0, True, 3.0, True, "same", "")
    write([old, larger, replace(search, measured="Then.")], tmp_path)
    faster = replace(search, ours_seconds=1.0, measured="Now.")
    rows = kept([faster], tmp_path)
    assert rows == [old, larger, faster]
    assert markdown(rows).startswith("a: Then.\n\nsearch: Now.\n\n|")
    assert kept([faster], tmp_path / "nothing") == [faster]


def test_the_plain_product_finds_the_nearest() -> None:
    queries, bank = noise(1100, 6, seed=1), noise(5000, 6, seed=2)
    between = torch.cdist(queries.double(), bank.double())
    distances, rows = plain.plain_product(queries, bank)
    assert torch.equal(rows, between.argmin(dim=1))
    torch.testing.assert_close(distances.double(), between.amin(dim=1), rtol=1e-3, atol=1e-3)


def test_the_exponent_of_a_power_law() -> None:
    sizes = np.array([10, 20, 40, 80])
    assert exponent(sizes, 3 * sizes**1.5) == "1.50"


def test_a_curve_is_summed_up_in_a_line() -> None:
    first = Comparison("a", "", 2.0, "b", 4.0, False, 5.0, amount=1000, unit="rows")
    last = replace(first, amount=4000, ours_seconds=16.0, reference_seconds=64, peak_memory_mb=6000)
    values = ["a", "1,000 to 4,000 rows", "2 s to 16 s", "1.50", "5 to 6,000 MB", "b"]
    expected = dict(zip(GROWTH, [*values, "4 s to 64 s", "2.00"], strict=True))
    assert growth(markdown([first, last])) == [expected]
    assert markdown([first, last]).count("| a ") == 2
    assert "Growth" not in markdown([first])


def test_the_coreset_loop_chooses_the_farthest() -> None:
    points = noise(200, 5)
    between = np.linalg.norm(points.numpy()[:, None] - points.numpy()[None], axis=2)

    def farthest(current: np.ndarray) -> list[int]:
        chosen = []
        for _ in range(30):
            chosen.append(int(current.argmax()))
            current = np.minimum(current, between[chosen[-1]])
        return chosen

    start = points.norm(dim=1)
    assert plain.official_coreset(points, 30, start).tolist() == farthest(start.numpy())


def test_positions_are_those_of_repeated_levels() -> None:
    sides = {1: 8, 2: 4, 3: 2}
    levels = {i: noise(3, i + 1, side, side) for i, side in sides.items()}
    repeated = torch.cat(
        [torch.nn.functional.interpolate(level, size=(8, 8)) for level in levels.values()], dim=1
    )
    where, dims = [0, 13, 63], [0, 3, 8]
    expected = repeated.flatten(2)[:, dims][:, :, where].permute(2, 0, 1).numpy()
    np.testing.assert_array_equal(plain.positions(Features(levels), dims, where), expected)


def test_position_loop_worked_by_hand() -> None:
    """Variances of 2 and no covariance: the distance of (2, 2) from the mean is √(4/2 + 4/2)."""
    training = np.array([[[1, 0], [-1, 0], [0, 1], [0, -1]]]) * np.sqrt(3)
    distances = plain.position_loop(training, np.array([[[2.0, 2.0], [0.0, 0.0]]]), epsilon=0)
    np.testing.assert_allclose(distances, [[2, 0]], atol=1e-12)


def test_threshold_loop_worked_by_hand() -> None:
    maps = np.array([[[5.0, 4.0, 0.0], [1.0, 3.0, 0.0], [2.0, 0.0, 4.0]]])
    masks = np.array([[[1, 1, 0], [0, 0, 0], [0, 0, 1]]], bool)
    rates, overlaps = plain.threshold_loop(maps, masks, [5, 4, 3, 2])
    np.testing.assert_allclose(rates, [0, 0, 1 / 6, 2 / 6])
    np.testing.assert_allclose(overlaps, [0.25, 1, 1, 1])


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> Scale:
    """Set the large scale's number of images down to what a test can wait for."""
    scale = replace(SCALES["large"], train=60, test=8, centres=8, image_size=128)
    monkeypatch.setitem(SCALES, "large", scale)
    return scale


@pytest.mark.usefixtures("large")
def test_the_large_scale_grows_in_time_and_memory(tmp_path: Path) -> None:
    out = tmp_path / "results/speed"
    status = speed.main(["--scale", "large", "--device", "cpu", "--out", str(out)])
    run = Run(status, out)
    assert run.status == 0
    steps = {row["step"]: row["size"] for row in run.table("speed.csv")}
    assert steps.keys() == {"coreset 10 %", "search"}
    assert steps["coreset 10 %"].startswith("1,536 of 15,360 × 128")
    assert "bank 1,536 × 1024" in steps["search"]
    shown = growth((out / "speed.md").read_text("utf-8"))
    assert {row["step"] for row in shown} == {"coreset 10 %", "search"}
    assert all(row["memory"].endswith(" MB") for row in shown)


@pytest.mark.usefixtures("large")
def test_what_is_not_of_the_large_scale_is_a_usage_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert speed.main(["padim", "--scale", "large"]) == 2
    assert "'padim' at scale large: there are coreset, search" in capsys.readouterr().err


def test_the_bank_is_the_coresets_patches_in_its_order(large: Scale, tmp_path: Path) -> None:
    inputs = Inputs(large, "cpu", tmp_path)
    patches = torch.cat([*inputs.patches()])
    chosen = farthest_first(inputs.points, len(patches) // 10, inputs.start(inputs.points))
    assert torch.equal(inputs.bank, patches[chosen])


@pytest.mark.slow
def test_the_host_is_measured_cold_and_warm_on_a_set_that_is_drawn_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOTAL_RECALL_CACHE", str(tmp_path / "cache"))
    drawn = drawn_set(tmp_path / "cache/speed", 0.03)
    before = {path: path.stat().st_mtime_ns for path in drawn.rglob("*.png")}
    assert speed.main(["host", "--scale", "small", "--out", str(tmp_path / "out")]) == 0
    assert {path: path.stat().st_mtime_ns for path in drawn.rglob("*.png")} == before
    table = (tmp_path / "out/host.md").read_text("utf-8")
    assert table in capsys.readouterr().out
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
    seconds = {name.strip(): (float(cold), float(warm)) for name, cold, warm in rows[2:]}
    assert set(STAGES) < set(seconds)
    assert seconds["images: decode, resize"][0] > seconds["images: decode, resize"][1] == 0
    parts = [times for name, times in seconds.items() if name not in {WHOLE, WALL}]
    for run, whole in enumerate(seconds[WHOLE]):
        assert sum(times[run] for times in parts) == pytest.approx(whole, abs=0.05 * len(seconds))


def test_the_drawn_set_is_one_of_mvtec_ads_counts_without_a_file_twice(tmp_path: Path) -> None:
    dataset = index(drawn_set(tmp_path, 0.03))
    assert dataset.synthetic
    official = KNOWN["mvtec_ad"].counts
    assert [category.name for category in dataset.categories] == sorted(official)
    for category in dataset.categories:
        wanted = [max(LEAST, round(0.03 * count)) for count in official[category.name]]
        assert list(category.counts) == wanted
        assert all(sample.defect_pixels.any() for sample in category.test if sample.label)
        assert not [line for line in category.warnings if "same" in line or "identical" in line]
    samples = [s for c in dataset.categories for s in (*c.train, *c.test)]
    assert len({sample.file.sha256 for sample in samples}) == len(samples)


def test_stages_add_up_across_threads_and_leave_out_what_is_within_others() -> None:
    stopwatch = Stopwatch()

    def busy(seconds: float) -> None:
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    inner = stopwatch.timed("inner", partial(busy, 0.05))

    def outer() -> None:
        busy(0.02)
        inner()

    timed = stopwatch.timed("outer", outer)
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(timed) for _ in range(2)]:
            future.result()
    assert stopwatch.seconds["inner"] == pytest.approx(0.1, abs=0.02)
    assert stopwatch.seconds["outer"] == pytest.approx(0.04, abs=0.02)
