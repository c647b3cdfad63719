"""What a GPU is asked for is counted right, its time worked out by hand, and the fit is a fit."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.speed import __main__ as speed
from benchmarks.speed.counting import counting
from benchmarks.speed.counting.card import CARDS, Card
from benchmarks.speed.counting.estimate import CATEGORIES, Estimate, Part
from benchmarks.speed.counting.growth import Growth, Size, fit
from benchmarks.speed.counting.processor import Processor
from benchmarks.speed.counting.steps import counted_steps
from benchmarks.speed.counting.tables import COLUMNS
from benchmarks.speed.counting.work import TOTALS, Kind, Ledger, Load, Work
from benchmarks.speed.inputs import SCALES, Inputs
from methods.components.precision import full_precision
from methods.testing.pretended import pretended_cuda

pytestmark = pytest.mark.xdist_group("speed")

TOY = Card("toy", 2048.0, {"float32": 512.0}, pcie=64.0, launch=1.0, wait=3.0, reached=0.5)


def load_of(run: Callable[..., object], *tensors: torch.Tensor) -> Load:
    """Return what a function asks for of tensors that lie on the device already."""
    with pretended_cuda() as counts, full_precision():
        there = [tensor.to("cuda") for tensor in tensors]
        ledger = Ledger(counts)
        run(*there)
        return ledger.close()


def by_name(load: Load) -> dict[str, Work]:
    return {kind.name: work for kind, work in load.work.items()}


def test_a_product_and_a_sum_worked_by_hand() -> None:
    """(8, 4) × (4, 16): 2·8·4·16 = 1,024 operations, 4·(32 + 64 + 128) = 896 bytes; half of the
    card's peaks are reached, so they take 1,024/256 = 4 s and 896/1,024 s: 4 s. The sum of two
    (8, 16) is 3·128 numbers of 4 bytes, 1.5 s; the transposition takes the card no time. The host
    asks for three operations, copies one number and waits for it."""
    a, b = torch.ones(8, 4), torch.ones(16, 4)
    load = load_of(lambda a, b: ((product := a @ b.T), (product + product)[0, 0].item()), a, b)
    work = by_name(load)
    assert work["mm"] == Work(1, 1024, 896)
    assert work["add"] == Work(1, 0, 1536)
    assert work["t" if "t" in work else "permute"] == Work()
    assert load.device(TOY) == 4 + 1.5
    assert load.totals["waits"] == 1
    assert load.host(TOY) == load.totals["operations"] * 1.0 + 3.0
    assert load.seconds(TOY) == max(load.host(TOY), 5.5)


def test_a_small_operation_takes_its_launch() -> None:
    load = load_of(lambda a: a + 1, torch.ones(2))
    assert load.device(TOY) == TOY.launch


def test_picking_rows_touches_these_rows_alone() -> None:
    """3 rows of 8 bytes are read and written, by indices of 8 bytes each."""
    rows = torch.tensor([1, 5, 7])
    load = load_of(lambda a, rows: a.index_select(0, rows), torch.ones(1000, 2), rows)
    assert by_name(load)["index_select"].bytes == 2 * 3 * 8 + 3 * 8


def test_a_cast_is_counted_and_a_copy_takes_the_bus() -> None:
    load = load_of(lambda a: a.double().cpu(), torch.ones(10))
    assert by_name(load)["_to_copy"] == Work(1, 0, 10 * 4 + 10 * 8)
    assert load.totals["bytes from device"] == 80
    assert load.copying(TOY) == 80 / 64


@pytest.mark.parametrize(
    ("run", "shape", "expected"),
    [
        (torch.linalg.cholesky, (2, 6, 6), 2 * 6**3 / 3),
        (torch.linalg.eigh, (6, 6), 9 * 6**3),
        (lambda a: torch.linalg.solve_triangular(a, a[:, :3], upper=False), (6, 6), 6**2 * 3),
        (lambda a: torch.bmm(a, a), (5, 6, 6), 2 * 5 * 6**3),
        (
            lambda a: torch.cdist(a, a, compute_mode="donot_use_mm_for_euclid_dist"),
            (6, 6),
            3 * 6**3,
        ),
    ],
)
def test_products_and_factors_by_their_formulas(
    run: Callable[..., object], shape: tuple[int, ...], expected: float
) -> None:
    load = load_of(run, torch.eye(shape[-1]).expand(shape).clone() + 0.01)
    assert load.flops("float32") == pytest.approx(expected)


@given(
    st.lists(st.sampled_from([0.0, 1.0, 2.5, 1e6]), min_size=3, max_size=3),
    st.lists(st.integers(1, 50), min_size=3, max_size=3, unique=True),
)
def test_what_is_made_of_the_terms_is_found_exactly(true: list[float], at: list[int]) -> None:
    terms = [(1, n, n**2) for n in at]
    values = np.asarray(terms, float) @ true
    if values.any():
        found = fit(terms, values.tolist())
        np.testing.assert_allclose(np.asarray(terms, float) @ found, values, rtol=1e-6)


def test_a_fit_has_no_coefficient_below_zero() -> None:
    found = fit([(1, 1), (1, 2), (1, 3)], [5.0, 4.0, 3.0])
    assert (found >= 0).all()
    assert found[1] == 0


def test_growth_fits_every_kind_and_adds_sizes_up() -> None:
    """One kind grows with n, another with n²; launches are constant."""
    linear, square = Kind("add", "float32", "", 0), Kind("mm", "float32", "", 0)
    sizes = [Size(2, 0), Size(3, 0), Size(4, 0)]
    loads = [
        Load(
            {
                linear: Work(1, 0, 10.0 * size.train),
                square: Work(2, 7.0 * size.train**2, 5.0),
            },
            dict.fromkeys(TOTALS, 3.0),
        )
        for size in sizes
    ]
    growth = Growth(lambda s: (1, s.train, s.train**2), lambda s: (1,), sizes, loads)
    there = growth.at([Size(100, 0), Size(200, 0)])
    assert there.work[linear] == pytest.approx(Work(2, 0, 3000))
    assert there.work[square] == pytest.approx(Work(4, 7 * (100**2 + 200**2), 10))
    assert there.totals == pytest.approx(dict.fromkeys(TOTALS, 6.0))


def test_the_total_is_the_longest_after_the_first_decoding() -> None:
    load = Load({}, dict.fromkeys(TOTALS, 0.0))
    parts = [Part("a", load, 1.0, 3.0, 0.5), Part("b", load, 2.0, 1.0, 0.5)]
    one = Estimate(TOY, 4, Processor(0.0, 0.0), parts, 4.0, 1.0, 0.25, 0.0)
    assert one.seconds == 5.0
    assert one.total == 5.25
    assert [name for name, _ in one.largest] == ["decoding", "a", "b"]
    assert replace(one, decoding=9.0).total == 9.25


def test_the_processors_part_is_shared_by_cores_and_by_four_threads() -> None:
    assert Processor(0.032, 0.01).seconds(1000, 800, 16) == pytest.approx((2.0, 2.0))
    assert Processor(0.032, 0.01).seconds(1000, 800, 2) == pytest.approx((16.0, 4.0))


def test_the_categories_are_mvtec_ads() -> None:
    assert len(CATEGORIES) == 15
    assert sum(size.train for size in CATEGORIES) == 3629
    assert sum(size.test for size in CATEGORIES) == 1725


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("counting")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SCALES, "small", replace(SCALES["small"], image_size=64))
        command = ["--count", "--scale", "small", "--card", "h200", "--cores", "8"]
        assert speed.main([*command, "--out", str(folder)]) == 0
    return folder


def table(out: Path) -> list[dict[str, str]]:
    with (out / "counts.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_step_is_counted_and_estimated(out: Path, tmp_path: Path) -> None:
    rows = table(out)
    assert tuple(rows[0]) == COLUMNS
    steps = counted_steps(Inputs(SCALES["small"], "cpu", tmp_path))
    estimated = [row for row in rows if row["kind"] == "estimated"]
    assert [row["step"] for row in estimated] == [name for step in steps for name in step.estimated]
    for row in rows:
        assert int(row["operations"]) > 0
        assert float(row["device_seconds"]) > 0
        assert row["measured_seconds"] == ""
    assert sum(float(row["share"]) for row in estimated) == pytest.approx(1)
    for step in steps:
        counted = [int(r["bytes_on_device"]) for r in rows if r["step"] == step.name]
        for row in estimated:
            if row["step"] in step.estimated:
                assert int(row["bytes_on_device"]) > max(counted[: len(step.sizes)])


def test_the_summary_marks_the_estimate_and_names_the_largest_three(out: Path) -> None:
    text = (out / "counts.md").read_text("utf-8")
    (line,) = [one for one in text.splitlines() if one.startswith("**Estimate, not measured")]
    assert f"one {CARDS['h200'].name} with 8 cores" in line
    assert len(line.partition("The largest three: ")[2].split(", ")) >= 3


def test_steps_are_not_named_with_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert speed.main(["--count", "coreset"]) == 2
    assert "leave their names out" in capsys.readouterr().err


def test_where_there_is_a_gpu_every_size_is_timed_on_it(tmp_path: Path) -> None:
    inputs = Inputs(replace(SCALES["small"], image_size=64, train=16, test=4), "cpu", tmp_path)
    steps = [step for step in counted_steps(inputs) if step.name.startswith("padim")]
    with pretended_cuda() as counts:
        seconds = counting._measure(steps, inputs)
    assert counts["wait: synchronize"] == 2 * sum(len(step.sizes) for step in steps)
    assert {name: len(times) for name, times in seconds.items()} == {
        step.name: len(step.sizes) for step in steps
    }
    assert min(min(times) for times in seconds.values()) > 0
