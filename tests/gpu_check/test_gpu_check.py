"""The check of a card, on a pretended one: it passes, and fails where something is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch

import methods
from benchmarks.evaluation import scoring
from benchmarks.gpu_check import __main__ as gpu_check
from benchmarks.gpu_check import equality, program
from benchmarks.gpu_check.bounds import bounds as bounds_part
from benchmarks.gpu_check.check import Check
from benchmarks.gpu_check.equality import equality as equality_part
from benchmarks.gpu_check.header import header
from benchmarks.gpu_check.steps import _rated, smaller_cards, steps
from benchmarks.results import Cell
from methods.components import kernels, screening
from methods.components.bounds import Allowance, Reduced
from methods.testing.pretended import OnDevice, pretended_cuda

GIB = 1 << 30

pytestmark = pytest.mark.usefixtures("folder")


def run(*arguments: str, devices: int = 1, parts: Any = None) -> tuple[int, dict[str, Any]]:
    """Check a pretended card; return the exit status and what is sent back."""
    with (
        pretended_cuda(devices, free=4 * GIB),
        mock.patch.object(program, "PARTS", parts or program.PARTS),
    ):
        status = gpu_check.main(["--memory-as", "0.25,16", *arguments])
    return status, json.loads(Path("gpu_check.json").read_text())


def failure(capsys: pytest.CaptureFixture[str], part: str, **options: Any) -> str:
    """Return the line of the part that fails."""
    status, report = run(**options)
    line = next(row["failed"] for row in report["parts"][part] if "failed" in row)
    assert status == 1
    assert not report["passed"]
    assert list(report["parts"])[-1] == part
    assert f"FAIL {part}: {line}\n" in capsys.readouterr().out
    return str(line)


# Whole


@pytest.mark.slow
def test_a_card_in_order_passes_all_parts(capsys: pytest.CaptureFixture[str]) -> None:
    status, report = run("--out", "gpu_check.json")
    assert status == 0
    assert report["passed"]
    assert list(report["parts"]) == [part.__name__ for part in program.PARTS]
    assert capsys.readouterr().out.count("PASS ") == len(program.PARTS)
    rows = report["parts"]["steps"]
    assert [row["method"] for row in rows] == [
        *("patchcore-25", "patchcore-10", "patchcore-1", "spade", "padim")
    ]
    for row in rows:
        for stage in ("fit", "score"):
            assert row[stage]["bytes"] > 0
            assert row[stage]["operations"] > 0
            assert row[stage]["peak_allocated_bytes"] > 0
    assert rows[0]["score"]["flop"]["float32"] > 0
    as_of, skipped = report["parts"]["smaller_cards"]
    assert as_of["as_of"] == "0.25 GiB"
    assert as_of["spade"] == "ok with 1 of the memory"
    assert as_of["images_kept"] == 8
    assert skipped == {"skipped": "16 GiB: this card has less"}


def test_without_a_card_a_line_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with mock.patch.object(torch.cuda, "is_available", return_value=False):
        assert gpu_check.main([]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert "nvidia-smi" in output.err


def test_another_device_than_a_card_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pretended_cuda():
        assert gpu_check.main(["--device", "cpu"]) == 2
        assert gpu_check.main(["--device", "cuda:1"]) == 2
    assert "there are 1 GPUs" in capsys.readouterr().err


def test_a_cards_own_error_fails_its_part(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(check: Check) -> Iterator[dict[str, Any]]:
        yield {"seen": 1}
        raise torch.AcceleratorError("CUDA error: an illegal memory access\nwas encountered")

    line = failure(capsys, "broken", parts=(broken, header))
    assert line == "CUDA error: an illegal memory access was encountered"


# Devices and their memory


def test_a_second_card_that_is_dead_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make = OnDevice.__new__

    def dead(cls: Any, inner: torch.Tensor, index: int = 0) -> Any:
        if index == 1:
            raise RuntimeError("CUDA error: unspecified launch failure\nmore")
        return make(cls, inner, index)

    monkeypatch.setattr(OnDevice, "__new__", staticmethod(dead))
    line = failure(capsys, "header", devices=2)
    assert line.startswith("cuda:1 doesn't work (CUDA error: unspecified launch failure)")
    assert "CUDA_VISIBLE_DEVICES" in line


def test_a_card_that_multiplies_wrong_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make = OnDevice.__new__
    monkeypatch.setattr(
        OnDevice,
        "__new__",
        staticmethod(lambda cls, inner, index=0: make(cls, inner + index, index)),
    )
    assert failure(capsys, "header", devices=2).startswith("cuda:1 doesn't work (a product is")


@pytest.mark.parametrize(
    ("name", "lie"),
    [
        ("mem_get_info", lambda device=None: (8 * GIB, 8 * GIB)),
        ("mem_get_info", lambda device=None: (2 * GIB, 4 * GIB)),
        ("memory_allocated", lambda device=None: 0),
        ("max_memory_allocated", lambda device=None: 0),
        ("max_memory_allocated", lambda device=None: 8 * GIB),
        ("max_memory_reserved", lambda device=None: 0),
    ],
)
def test_a_figure_of_memory_that_lies_is_named(
    capsys: pytest.CaptureFixture[str], name: str, lie: Callable[..., Any]
) -> None:
    def lying(check: Check) -> Iterator[dict[str, Any]]:
        with mock.patch.object(torch.cuda, name, lie):
            yield from header(check)

    lying.__name__ = "header"
    line = failure(capsys, "header", parts=(lying,))
    assert name in line
    assert line.endswith("memory figures are wrong")


# Bounds


@pytest.fixture
def too_high(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make lower bounds too high, in one of the ways of a slip."""
    plant: Callable[[pytest.MonkeyPatch], None] = request.param
    plant(monkeypatch)


def higher_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    distances = Allowance.distances
    monkeypatch.setattr(Allowance, "distances", lambda self, b: 1.01 * distances(self, b))


def higher_products(monkeypatch: pytest.MonkeyPatch) -> None:
    squared = Reduced.squared_distances
    monkeypatch.setattr(
        Reduced, "squared_distances", lambda self, other: 1.05 * squared(self, other)
    )


def forgotten_slack(monkeypatch: pytest.MonkeyPatch) -> None:
    allowance_of = Allowance.of
    monkeypatch.setattr(
        Allowance,
        "of",
        lambda *given: (made := allowance_of(*given))._replace(slack=torch.zeros_like(made.slack)),
    )


def lower_limits_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    allowance_of = screening.allowance_of

    def lowered(*reduced: Reduced) -> Allowance:
        allowance = allowance_of(*reduced)
        return Allowance(allowance.reach, allowance.slack - 100, allowance.eps)

    monkeypatch.setattr(screening, "allowance_of", lowered)


def higher_in_compiled_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    below = kernels.nearest_below
    shift = {np.dtype(np.int16): 1 << 6, np.dtype(np.int32): 1 << 22}  # times the square root of 2
    monkeypatch.setattr(
        kernels,
        "nearest_below",
        lambda bounds, *others: below(bounds + bounds.dtype.type(shift[bounds.dtype]), *others),
    )


@pytest.mark.parametrize(
    "too_high",
    [
        higher_distances,
        higher_products,
        forgotten_slack,
        lower_limits_on_the_cpu,
        higher_in_compiled_loops,
    ],
    indirect=True,
)
@pytest.mark.usefixtures("too_high")
def test_a_lower_bound_that_is_too_high_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    line = failure(capsys, "bounds", parts=(header, bounds_part))
    assert "lower bound" in line


def test_bounds_hold_in_every_size_and_are_not_all_open() -> None:
    status, report = run(parts=(bounds_part,))
    assert status == 0
    rows = [row for row in report["parts"]["bounds"] if "K" in row]
    assert {row["K"] for row in rows} == {39, 135}
    assert {row["precision"] for row in rows} == {"torch.bfloat16", "torch.float32"}
    for row in rows:
        assert row["violations"] == 0
        assert 1 / row["rows"] <= row["share_left_open"] < 0.1


def test_bounds_that_a_smaller_card_has_no_room_for_are_skipped() -> None:
    with mock.patch.object(Check, "memory", return_value=1 << 20):
        status, report = run(parts=(bounds_part,))
    assert status == 0
    assert [row.keys() for row in report["parts"]["bounds"]] == [{"skipped"}]


# Equality


@contextmanager
def changed(change: Callable[[torch.Tensor], torch.Tensor]) -> Iterator[None]:
    """Change maps on the card."""
    finish = scoring.upsample_and_smooth

    def finished(*arguments: Any) -> torch.Tensor:
        maps = finish(*arguments)
        return change(maps) if maps.is_cuda else maps

    with mock.patch.object(scoring, "upsample_and_smooth", finished):
        yield


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda maps: maps * 1.0001, "relative differences"),
        (lambda maps: maps.flip(2), "on the card"),
    ],
)
def test_numbers_of_the_card_that_are_not_the_cpus_are_said(
    capsys: pytest.CaptureFixture[str], change: Callable[[torch.Tensor], torch.Tensor], said: str
) -> None:
    with changed(change):
        line = failure(capsys, "equality", parts=(equality_part,))
    assert said in line
    assert line.startswith("washer ")
    assert line.split()[1] in methods.names()


def test_a_difference_is_of_the_largest_expected() -> None:
    expected = np.array([0.0, -4.0, 2.0], np.float32)
    assert equality.difference(expected + np.array([0, 0, 1e-3]), expected) == pytest.approx(2.5e-4)
    assert equality.difference(np.zeros(3), np.zeros(3)) == 0


# Sizes, time and memory


def a_check(**changes: Any) -> Check:
    return replace(Check("cuda:0", Path(), end=0.0, memory_as=[GIB]).small(), **changes)


def test_nothing_is_timed_after_the_minutes() -> None:
    with pretended_cuda(free=4 * GIB):
        check = a_check()
        seen = [row["skipped"] for part in (steps, smaller_cards) for row in part(check)]
    assert seen == [
        "6 + 2 images: the time is over (--minutes)",
        "1 GiB: the time is over (--minutes)",
    ]


def test_a_smaller_card_that_runs_out_of_memory_fails(capsys: pytest.CaptureFixture[str]) -> None:
    with pretended_cuda(free=4 * GIB), mock.patch.object(program, "PARTS", (smaller_cards,)):
        assert gpu_check.main(["--memory-as", "0.001"]) == 1
        assert torch.cuda.mem_get_info("cuda:0")[1] == 4 * GIB
    assert "patchcore-25 ran out of memory" in capsys.readouterr().out


def test_seconds_are_held_against_the_measured_rates() -> None:
    check = a_check(rates={"float32": 100.0, "float64": 10.0, "copy": 1000.0})
    spec: Any = None
    alone, beside = (
        Cell(spec, "ok", fit_seconds=2.0 * slower, score_seconds=8.0 * slower) for slower in (1, 2)
    )
    work = {"flop": {"float32": 50, "float64": 5}, "bytes": 100}
    row = {"fit": dict(work), "score": {"flop": {}, "bytes": 4000}, "launches": 3}
    rated = _rated(check, {**row, "device_seconds": 4.0}, alone, beside)
    assert rated["fit"]["share_of_roofline"] == 0.5
    assert rated["score"]["share_of_roofline"] == 0.5
    assert rated["score"]["seconds_beside_extraction"] == 16.0
    assert rated["share_of_host"] == 0.6
