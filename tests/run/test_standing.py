"""What the command shows is what it asked for, of the data that lie there."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.backbones.filterbank import NAME
from benchmarks.compare.__main__ import main as compare
from benchmarks.errors import BenchmarkError
from benchmarks.features import Extractor
from benchmarks.results.lock import only_writer
from benchmarks.run import __main__ as run
from benchmarks.tables.__main__ import main as tables
from methods import padim
from tests.helpers.data_sets import SIDE, write_dataset

pytestmark = pytest.mark.usefixtures("folder", "no_figures")


def call(*arguments: str, data: str = "data", methods: str = "padim") -> int:
    shared = ["--data", data, "--backbone", NAME, "--image-size", "32", "--out", "out"]
    return run.main([*shared, "--methods", methods, *arguments])


def value(category: str = "cup", method: str = "padim", metric: str = "aupro_30") -> str:
    """Return the only value that metrics.csv has of a category, method and metric."""
    with Path("out/metrics.csv").open(newline="") as file:
        (text,) = (
            row["value"]
            for row in csv.DictReader(file)
            if (row["category"], row["method"], row["metric"]) == (category, method, metric)
        )
    return text


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the tables that were printed since the last look."""
    return capsys.readouterr().out


def change_masks(category: str = "cup") -> Callable[[], None]:
    """Let masks show another corner; return what takes that back."""
    before = {p: p.read_bytes() for p in Path("data", category).glob("ground_truth/*/*.png")}
    other = np.zeros((SIDE, SIDE), np.uint8)
    other[28:36, 28:38] = 255
    for path in before:
        Image.fromarray(other).save(path)
    return lambda: [path.write_bytes(content) for path, content in before.items()] and None


def test_masks_that_were_changed_and_changed_back(capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset(Path("data"), "cup", "plate")
    assert call() == 0
    first, table = value(), printed(capsys)
    take_back = change_masks()
    assert call() == 0
    assert value() != first
    assert printed(capsys) != table
    take_back()
    assert call() == 0
    assert value() == first
    shown = capsys.readouterr()
    assert shown.out == table
    assert "nothing left to do" in shown.err
    assert "tables and figures written" in shown.err  # those of the other masks lay there
    assert tables(["out"]) == 0
    assert printed(capsys).rstrip() == table.rstrip()


def test_a_command_that_is_refused_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(Path("data"), "cup")
    assert call() == 0
    asked = Path("out/asked.json").read_bytes()
    change_masks()

    def refuse(extractor: Extractor) -> None:
        raise BenchmarkError("w.pth: not the weights of this network")

    monkeypatch.setattr(Extractor, "prepare", refuse)
    assert call() == 2
    assert Path("out/asked.json").read_bytes() == asked


def test_a_call_without_masks_hides_nothing_of_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset(Path("data"), "cup")
    assert call() == 0
    table = printed(capsys)
    assert call("--no-masks") == 0
    assert value() == ""
    assert "no masks" in printed(capsys)
    assert call() == 0
    assert printed(capsys) == table


def test_a_cell_of_a_clock_that_was_ahead_hides_nothing() -> None:
    write_dataset(Path("data"), "cup")
    assert call() == 0
    (path,) = Path("out/cells").glob("*/*.json")
    cell = json.loads(path.read_text())
    path.write_text(json.dumps({**cell, "started_utc": "2099-01-01T00:00:00+00:00"}))
    first = value()
    change_masks()
    assert call() == 0
    assert value() != first


def test_categories_that_are_not_asked_for_keep_what_was_asked_for_them() -> None:
    write_dataset(Path("data"), "cup", "plate")
    assert call() == 0
    first, plate = value(), value("plate")
    take_back = change_masks()
    change_masks("plate")
    assert call("--categories", "cup") == 0
    assert (value() != first, value("plate")) == (True, plate)
    take_back()
    assert call("--categories", "cup", methods="spade") == 0
    assert (value(), value("plate")) == (first, plate)  # of the data that were seen last


def test_an_interrupted_command_shows_no_cell_of_the_data_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(Path("data"), "cup", "plate")
    assert call() == 0
    change_masks()
    with monkeypatch.context() as patch:

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(padim.Padim, "fit", interrupt)
        assert call() == 130
    assert not Path("out/.lock").exists()
    capsys.readouterr()
    assert tables(["out"]) == 0
    shown = capsys.readouterr()
    assert "1 cells asked for last aren't evaluated yet" in shown.err
    assert "\ncup" not in shown.out
    assert "\nplate" in shown.out
    assert call() == 0
    assert "\ncup" in printed(capsys)


def fail(*_: object) -> None:
    raise RuntimeError("out of patience")


@pytest.mark.parametrize("again", ["--force", "--save-maps"])
def test_a_second_evaluation_that_fails_keeps_the_first_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], again: str
) -> None:
    write_dataset(Path("data"), "cup")
    assert call() == 0
    (path,) = Path("out/cells").glob("*/*.json")
    first, content, table = value(), path.read_bytes(), printed(capsys)
    with monkeypatch.context() as patch:
        patch.setattr(padim.Padim, "fit", fail)
        assert call(again) == 1
    assert path.read_bytes() == content
    shown = capsys.readouterr()
    assert (value(), shown.out) == (first, table)
    (line,) = (line for line in shown.err.splitlines() if "FAILED" in line)
    reason, log = line.split("; traceback: ")
    assert reason.endswith("out of patience; the result stored before stays")
    assert "out of patience" in (Path("out") / log).read_text()
    assert call(again) == 0
    assert not (Path("out") / log).exists()


def test_a_result_of_a_later_version_stops_what_would_overwrite_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(Path("data"), "cup")
    assert call() == 0
    (path,) = Path("out/cells").glob("*/*.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "energy": 3}))
    content = path.read_bytes()
    table = printed(capsys)
    assert call() == 0
    shown = capsys.readouterr()
    assert shown.out == table
    assert "later version" in shown.err
    monkeypatch.setattr(padim.Padim, "fit", fail)
    assert call("--force") == 2
    shown = capsys.readouterr()
    assert f"error: {path}: written by a later version of this program" in shown.err
    assert path.read_bytes() == content


def test_a_second_command_that_writes_ends_and_what_only_reads_does_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_dataset(Path("data"), "cup")
    assert call() == 0
    with only_writer(Path("out")):
        capsys.readouterr()
        assert call() == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: out: another command writes there (process ")
        assert tables(["out"]) == 0
        assert call("--dry-run") == 0
    assert call() == 0


def test_data_that_were_moved_between_two_commands_stand_in_one_table(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_dataset(Path("old/data"), "cup", "plate")
    assert call("--categories", "cup", data="old/data") == 0
    Path("old").rename("new")
    capsys.readouterr()
    assert call(data="new/data") == 0
    out = printed(capsys)
    assert out.count("Image AUROC") == 1
    assert "\nmean" in out


def test_a_baseline_is_compared_with_what_stands() -> None:
    write_dataset(Path("data"), "cup")
    assert call() == 0
    assert compare(["out", "--baseline", "base.json", "--update"]) == 0
    take_back = change_masks()
    assert call() == 0
    assert compare(["out", "--baseline", "base.json"]) == 3
    take_back()
    assert call() == 0
    assert compare(["out", "--baseline", "base.json"]) == 0
