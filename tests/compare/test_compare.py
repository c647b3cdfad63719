"""The check on metrics: every mark, every exit status, damaged files, updates, tolerances."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from benchmarks import specs as protocol
from benchmarks.compare import __main__ as compare_command
from benchmarks.compare import baseline
from benchmarks.compare import check as compare
from benchmarks.compare.baseline import Tolerance
from benchmarks.metrics.calibrated import CALIBRATED, KNOWN
from benchmarks.metrics.definitions import METRICS
from benchmarks.results import Store
from tests.compare.writing import CUP, PLATE, VALUES, images_of, write
from tests.helpers.paths import ROOT
from tests.helpers.runs import Cell as Stored

SHIPPED = ROOT / "results" / "baselines" / "embedded.json"
QUOTED = ROOT / "results" / "baselines" / "false_alarms.md"
ALL = len(METRICS)
pytestmark = pytest.mark.usefixtures("folder")


def check(*arguments: str) -> int:
    return compare_command.main([*arguments, "--baseline", "base.json"])


def new_baseline(*cells: Stored, **values: float | None) -> None:
    """Write base.json of these cells, with the narrowest tolerances."""
    assert check(write("before", *cells, **values), "--update") == 0


def marks(run: str) -> Counter[str]:
    cells = Store(Path(run)).cells()
    return Counter(row.mark for row in compare.compare(baseline.read(Path("base.json")), cells))


# --- marks and statuses ----------------------------------------------------------------------


def test_the_same_values_are_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    new_baseline(CUP, PLATE)
    capsys.readouterr()
    assert check(write("run", CUP, PLATE)) == 0
    assert capsys.readouterr().out == f"No regression: {2 * ALL} unchanged.\n"


@pytest.mark.parametrize("metric", METRICS)
def test_each_metric_is_worse_and_better_in_its_own_direction(metric: str) -> None:
    new_baseline(CUP)
    step = 1 / images_of(metric) if METRICS[metric].counted_images else 2e-5
    up, down = (VALUES[metric] + sign * step for sign in (1, -1))
    better, worse = (up, down) if METRICS[metric].higher_is_better else (down, up)
    assert check(write("worse", CUP, **{metric: worse})) == 3
    assert marks("worse") == {"worse": 1, "unchanged": ALL - 1}
    assert check(write("better", CUP, **{metric: better})) == 0
    assert marks("better") == {"better": 1, "unchanged": ALL - 1}


def test_a_difference_within_the_tolerance_is_none() -> None:
    new_baseline(CUP)
    write("run", CUP, pixel_auroc=VALUES["pixel_auroc"] - 0.9e-5)
    assert marks("run") == {"unchanged": ALL}
    write("run", CUP, pixel_auroc=VALUES["pixel_auroc"] - 1.1e-5)
    assert marks("run") == {"unchanged": ALL - 1, "worse": 1}


def test_a_cell_that_fails_now_is_a_new_failure(capsys: pytest.CaptureFixture[str]) -> None:
    new_baseline(CUP, PLATE)
    assert check(write("run", CUP, replace(PLATE, status="failed"))) == 3
    assert marks("run") == {"unchanged": ALL, "new failure": ALL}
    shown = capsys.readouterr().out
    assert f"**{ALL} of {2 * ALL} rows regressed**: {ALL} new failure, {ALL} unchanged." in shown
    assert f"| new failure: RuntimeError: out \\| of memory | plate padim seed 0 | {ALL} m" in shown


def test_a_calibrated_metric_is_gated_where_thresholds_were_set() -> None:
    held_out = replace(CUP, calibrate=40)
    rates = dict.fromkeys(CALIBRATED, 0.5)
    new_baseline(held_out, **rates)
    assert baseline.read(Path("base.json")).tolerances.keys() == KNOWN.keys()
    assert marks(write("same", held_out, **rates)) == {"unchanged": ALL + len(CALIBRATED)}
    worse = {**rates, "calibrated_recall_05": 0.4, "calibrated_false_alarm_rate_01": 0.6}
    assert check(write("worse", held_out, **worse)) == 3
    assert marks("worse") == {"unchanged": ALL + len(CALIBRATED) - 2, "worse": 2}
    assert check(write("plain", CUP), "--update") == 0
    assert baseline.read(Path("base.json")).tolerances.keys() == METRICS.keys()


@pytest.mark.parametrize("undefined", [None, float("nan"), float("inf")])
def test_a_value_that_is_no_number_any_more_is_a_new_failure(undefined: float | None) -> None:
    new_baseline(CUP)
    write("run", CUP)
    (path,) = Path("run/cells").glob("*/*.json")
    cell = json.loads(path.read_text())
    cell["metrics"]["f1_max"] = undefined
    path.write_text(json.dumps(cell))
    assert check("run") == 3
    assert marks("run") == {"unchanged": ALL - 1, "new failure": 1}


def test_a_cell_that_failed_before_is_fixed_or_unchanged() -> None:
    new_baseline(CUP, replace(PLATE, status="failed"))
    assert check(write("fixed", CUP, PLATE)) == 0
    assert marks("fixed") == {"unchanged": ALL, "fixed": ALL}
    assert check(write("same", CUP, replace(PLATE, status="failed"))) == 0
    assert marks("same") == {"unchanged": 2 * ALL}


def test_a_cell_that_is_gone_is_missing_and_another_is_new(
    capsys: pytest.CaptureFixture[str],
) -> None:
    new_baseline(CUP, PLATE)
    capsys.readouterr()
    assert check(write("fewer", CUP)) == 3
    assert marks("fewer") == {"unchanged": ALL, "missing": ALL}
    assert (
        f"| missing | plate padim seed 0 | {ALL} metrics |  |  |  |  |" in capsys.readouterr().out
    )
    assert check(write("more", CUP, PLATE, Stored("cup", "spade"))) == 0
    assert marks("more") == {"unchanged": 2 * ALL, "new": ALL}


@pytest.mark.usefixtures("changed_metrics")
def test_a_metric_that_is_gone_is_missing_and_another_is_new() -> None:
    new_baseline(CUP)
    write("run", CUP)
    known = METRICS.pop("f1_max")
    assert marks("run") == {"unchanged": ALL - 1, "missing": 1}
    METRICS.update(f1_max=known, f2_max=replace(known, name="f2_max"))
    assert marks("run") == {"unchanged": ALL, "new": 1}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"fingerprint": "f1"}, "dataset_fingerprint f0 → f1"),
        ({"image_size": 128}, "protocol.image_size 224 → 128, protocol.resize 256 → 146"),
        ({"weights": "V2"}, "protocol.backbone.weights IMAGENET1K_V → V2"),
        ({"dataset": "others"}, "dataset parts → others"),
    ],
)
def test_another_specification_is_not_comparable(
    changed: Mapping[str, Any], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    new_baseline(CUP, PLATE)
    assert check(write("run", replace(CUP, **changed), PLATE, image_auroc=0.1)) == 3
    assert marks("run") == {"not comparable": ALL, "worse": 1, "unchanged": ALL - 1}
    assert (
        f"| not comparable: {says} | cup padim seed 0 | {ALL} metrics |" in capsys.readouterr().out
    )


def test_another_version_of_the_metrics_is_not_comparable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    new_baseline(CUP)
    fields = protocol.CellSpec.__init__.__defaults__
    assert fields is not None
    monkeypatch.setattr(protocol.CellSpec.__init__, "__defaults__", (*fields[:2], 99, *fields[3:]))
    assert check(write("run", CUP)) == 3
    assert marks("run") == {"not comparable": ALL}
    assert f"metrics_version {protocol.METRICS_VERSION} → 99" in capsys.readouterr().out


def test_other_seeds_and_shots_are_other_rows() -> None:
    new_baseline(CUP, replace(CUP, seed=1), replace(CUP, shots=5))
    write("run", CUP, replace(CUP, seed=1), replace(CUP, shots=5), replace(CUP, shots=2))
    assert marks("run") == {"unchanged": 3 * ALL, "new": ALL}


def test_a_run_may_hold_other_protocols_beside_the_baselines() -> None:
    new_baseline(CUP)
    write("run", CUP, replace(CUP, image_size=128), replace(CUP, image_size=64))
    assert marks("run") == {"unchanged": ALL, "new": 2 * ALL}


# --- updates ---------------------------------------------------------------------------------


def test_an_update_says_what_changed_and_keeps_the_tolerances(
    capsys: pytest.CaptureFixture[str],
) -> None:
    new_baseline(CUP)
    before = baseline.read(Path("base.json"))
    capsys.readouterr()
    assert check(write("run", CUP, image_auroc=0.8), "--update") == 0
    shown = capsys.readouterr()
    assert (
        "| worse | cup padim seed 0 | image_auroc | 0.900000 | 0.800000 | -0.100000 |" in shown.out
    )
    assert shown.err == "base.json: 1 cells written\n"
    after = baseline.read(Path("base.json"))
    assert after.tolerances == before.tolerances
    assert after.cells[0].metrics == {**VALUES, "image_auroc": 0.8}
    assert check("run") == 0
    assert check("before") == 0
    assert marks("before") == {"unchanged": ALL - 1, "better": 1}


@pytest.fixture
def changed_metrics() -> Iterator[None]:
    """Let a test change what metrics there are: afterwards they stand in their order again."""
    with patch.dict(METRICS):
        yield


@pytest.mark.usefixtures("changed_metrics")
def test_an_update_judges_a_new_metric_too_and_no_metric_that_is_gone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    new_baseline(CUP)
    tolerances = baseline.read(Path("base.json")).tolerances
    METRICS["f2_max"] = replace(METRICS["f1_max"], name="f2_max")
    del METRICS["image_ap"]
    capsys.readouterr()
    assert check(write("run", CUP, f2_max=0.5), "--update") == 0
    assert "base.json: f2_max new: rounding alone is tolerated" in capsys.readouterr().err
    after = baseline.read(Path("base.json")).tolerances
    assert after.keys() == METRICS.keys()
    assert after["f2_max"] == Tolerance(baseline.FLOOR, "fraction", "rounding alone, not measured")
    assert after["f1_max"] == tolerances["f1_max"]
    assert marks("run") == {"unchanged": ALL}
    assert check(write("worse", CUP, f2_max=0.4)) == 3


def test_a_baseline_read_and_written_again_is_the_same_file() -> None:
    new_baseline(CUP, replace(PLATE, status="failed"), replace(CUP, shots=5))
    first = Path("base.json").read_bytes()
    baseline.write(Path("base.json"), baseline.read(Path("base.json")))
    assert Path("base.json").read_bytes() == first


def test_a_changed_value_is_one_line_that_says_whose_it_is() -> None:
    new_baseline(CUP, PLATE)
    before = Path("base.json").read_text().splitlines()
    assert check(write("run", CUP, PLATE), "--update") == 0
    assert check(write("run", CUP, aupro_30=0.6), "--update") == 0
    changed = set(Path("base.json").read_text().splitlines()) - set(before)
    assert ' "cup padim seed 0 aupro_30": 0.6,' in changed


# --- the summary -----------------------------------------------------------------------------


def test_the_summary_counts_and_shows_what_is_not_unchanged() -> None:
    new_baseline(CUP, PLATE)
    write("run", CUP, Stored("cup", "spade"), image_auroc=0.875, false_positives_at_full_recall=4.0)
    assert check("run", "--summary", "deep/summary.md") == 3
    expected = [
        f"**{ALL + 1} of {3 * ALL} rows regressed**: 1 worse, {ALL} missing, 1 better, {ALL} new, "
        f"{ALL - 2} unchanged.",
        "",
        "| mark | cell | metric | baseline | value | difference | tolerance |",
        "|:--|:--|:--|--:|--:|--:|--:|",
        "| worse | cup padim seed 0 | image_auroc "
        "| 0.900000 | 0.875000 | -0.025000 | 1e-05 fraction |",
        f"| missing | plate padim seed 0 | {ALL} metrics |  |  |  |  |",
        "| better | cup padim seed 0 | false_positives_at_full_recall "
        "| 6.000000 | 4.000000 | -2.000000 | 0 images |",
        f"| new | cup spade seed 0 | {ALL} metrics |  |  |  |  |",
    ]
    assert Path("deep/summary.md").read_text().splitlines() == expected


# --- misuse and damage -----------------------------------------------------------------------


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the one line with which a command is refused."""
    capsys.readouterr()
    assert check(*arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1
    return shown.err


def test_a_baseline_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    write("run", CUP)
    assert "base.json: No such file or directory; restore it" in refused(capsys, "run")
    assert not Path("base.json").exists()


def test_a_first_baseline_takes_one_step_and_tolerates_rounding_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("run", CUP, PLATE)
    assert check("run", "--update") == 0
    shown = capsys.readouterr()
    assert shown.err.splitlines() == [
        "base.json: 2 cells written",
        "base.json: all metrics new: rounding alone is tolerated, 1e-05 of a fraction and no "
        "image; docs/trust.md says how to measure what re-runs differ by",
    ]
    tolerances = baseline.read(Path("base.json")).tolerances
    assert tolerances.keys() == METRICS.keys()
    assert {(known.amount, known.unit) for known in tolerances.values()} == {
        (0, "images"),
        (baseline.FLOOR, "fraction"),
    }
    assert check("run") == 0
    write("run", CUP, PLATE, pixel_auroc=VALUES["pixel_auroc"] - 0.9e-5)
    assert check("run") == 0
    write("run", CUP, PLATE, pixel_auroc=VALUES["pixel_auroc"] - 1.1e-5)
    assert check("run") == 3
    write("run", CUP, PLATE, error_at_full_recall=VALUES["error_at_full_recall"] + 1 / 30)
    assert check("run") == 3


def test_what_is_said_of_a_damaged_baseline_helps(capsys: pytest.CaptureFixture[str]) -> None:
    write("run", CUP)
    Path("base.json").write_text("{")
    assert "delete it and write it anew with --update" in refused(capsys, "run", "--update")
    Path("base.json").unlink()
    assert check("run", "--update") == 0
    assert check("run") == 0


def damaged(text: str) -> dict[str, str]:
    """Return ways to spoil a baseline, each with what is said about it."""
    stored = json.loads(text)
    first = next(iter(stored["cells"]))
    spec = stored["cells"][first]["spec"]

    def but(**sections: Any) -> str:
        return json.dumps({**stored, **sections})

    cell = {**stored["cells"][first], "spec": {**spec, "seed": 7}}
    gone = {name: value for name, value in stored["values"].items() if "f1_max" not in name}
    wide = {**stored["tolerances"]["f1_max"], "amount": -1}
    return {
        text[: len(text) // 2]: "not a baseline",
        "": "not a baseline",
        "[]": "not a baseline",
        "metric,value\nimage_auroc,0.9\n": "not a baseline",
        but(cells={}, values={}): "no cells",
        but(cells={first: cell}): f"the specification of {first} is not what its key says",
        but(values=gone): f"{first} f1_max is missing",
        but(values={**stored["values"], "saucer padim seed 0 f1_max": 0.5}): "no cell for saucer",
        but(values={**stored["values"], f"{first} f1_max": "0.85"}): "'0.85' is not a number",
        but(values={**stored["values"], f"{first} f1_max": float("nan")}): "NaN is not a number",
        but(tolerances={**stored["tolerances"], "f1_max": wide}): "a tolerance of -1",
        but(tolerances={**stored["tolerances"], "f1_max": {"amount": 1}}): "origin",
        json.dumps({"cells": stored["cells"]}): "tolerances is missing",
    }


def test_a_damaged_baseline_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    new_baseline(CUP)
    whole = Path("base.json").read_text()
    for text, says in damaged(whole).items():
        Path("base.json").write_text(text)
        error = refused(capsys, "before")
        assert error.startswith("error: base.json: ")
        assert says in error
        assert "restore it, or delete it and write it anew with --update" in error


def test_bytes_that_are_no_text_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    write("run", CUP)
    Path("base.json").write_bytes(b"\xff\xfe\x00")
    assert "not a baseline" in refused(capsys, "run")


def test_a_run_without_metrics_or_cells_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    new_baseline(CUP)
    Path("empty").mkdir()
    assert "no metrics.csv in empty or results/empty" in refused(capsys, "empty")
    Path("empty/metrics.csv").write_text("image_auroc\n")
    assert "empty/cells: no cells" in refused(capsys, "empty")


def test_an_unreadable_cell_is_named_and_missing(capsys: pytest.CaptureFixture[str]) -> None:
    new_baseline(CUP, PLATE)
    write("run", CUP, PLATE)
    path = next(iter(Path("run/cells").glob("*/plate*.json")))
    path.write_text(path.read_text()[:40])
    assert check("run") == 3
    assert marks("run") == {"unchanged": ALL, "missing": ALL}
    assert f"warning: {path}: not a readable cell" in capsys.readouterr().err


def test_an_ambiguous_run_is_no_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    new_baseline(CUP)
    write("run", CUP, replace(CUP, image_size=128))
    whole = Path("base.json").read_bytes()
    assert "cup padim seed 0: two such cells" in refused(capsys, "run", "--update")
    assert Path("base.json").read_bytes() == whole


@pytest.mark.parametrize("arguments", [[], ["run"], ["--baseline", "base.json"], ["--nonsense"]])
def test_argparse_mistakes_exit_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        compare_command.main(arguments)
    assert stopped.value.code == 2


def test_help_starts_without_heavy_libraries() -> None:
    code = (
        "import sys\nfrom benchmarks.compare import __main__ as command\n"
        "try: command.main(['--help'])\nexcept SystemExit as stop: status = stop.code\n"
        "heavy = {'torch._C', 'pandas', 'matplotlib', 'sklearn', 'scipy'}\n"
        "sys.exit(status or ' '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=ROOT
    )
    assert (done.returncode, done.stderr) == (0, "")


# --- the baseline that is shipped ------------------------------------------------------------


def test_the_shipped_baseline_is_small_whole_and_of_this_code() -> None:
    stored = baseline.read(SHIPPED)
    assert SHIPPED.stat().st_size < 100_000
    sizes = [cell.spec.protocol.image_size for cell in stored.cells]
    assert (sizes.count(64), sizes.count(96), len(sizes)) == (5 * 5, 2, 27)
    assert {cell.spec.dataset for cell in stored.cells} == {"synthetic"}
    versions = {(c.spec.extractor_version, c.spec.metrics_version) for c in stored.cells}
    assert versions == {(protocol.EXTRACTOR_VERSION, protocol.METRICS_VERSION)}
    assert stored.tolerances.keys() <= METRICS.keys()
    rows = re.findall(r"^\| one thread \| (\d+) \|", QUOTED.read_text("utf-8"), re.MULTILINE)
    assert rows == [str(len(sizes) * len(stored.tolerances))]
    undefined = [
        (cell.spec.protocol.image_size, metric)
        for cell in stored.cells
        for metric in stored.tolerances
        if cell.metrics[metric] is None
    ]
    assert undefined == [(64, "aupimo")] * 25  # too few nominal pixels


def test_a_metric_that_the_shipped_baseline_never_saw_is_new_and_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(METRICS, "f2_max", replace(METRICS["f1_max"], name="f2_max"))
    stored = baseline.read(SHIPPED)
    seen = [replace(cell, metrics={**cell.metrics, "f2_max": 0.5}) for cell in stored.cells]
    rows = [row for row in compare.compare(stored, seen) if row.metric == "f2_max"]
    assert [row.mark for row in rows] == ["new"] * len(seen)
    assert "new" not in compare.REGRESSIONS


def test_no_shipped_tolerance_is_wide() -> None:
    for metric, tolerance in baseline.read(SHIPPED).tolerances.items():
        assert tolerance.unit == baseline.unit(metric)
        assert tolerance.amount <= (1 if tolerance.unit == "images" else 1e-4)
        cells = 2 if metric == "aupimo" else 27  # those that it is defined of
        assert f"largest difference in {cells} cells" in tolerance.origin
