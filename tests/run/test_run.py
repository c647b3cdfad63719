"""The command as people type it: plan, cells, continuation, exit statuses, clear errors."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import chosen
from benchmarks.backbones.filterbank import NAME
from benchmarks.metrics.definitions import METRICS
from benchmarks.metrics.image import image_metrics
from benchmarks.run import __main__ as run
from benchmarks.synthetic import writing
from methods import patchcore
from tests.helpers.data_sets import write_dataset
from tests.helpers.passes import Passes
from tests.helpers.paths import ROOT
from tests.helpers.pictures import assert_drawn

pytestmark = pytest.mark.usefixtures("folder", "no_figures")

METHODS = "patchcore-25,spade,padim"


def command(*arguments: str) -> list[str]:
    return ["--data", "data", "--backbone", NAME, "--image-size", "32", "--out", "out", *arguments]


def rows(out: str = "out") -> list[dict[str, str]]:
    with (Path(out) / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def values(out: str = "out") -> dict[tuple[str, ...], str]:
    keys = ("category", "method", "seed", "shots", "metric")
    return {tuple(row[key] for key in keys): row["value"] for row in rows(out)}


def test_three_methods_share_one_pass_and_a_second_run_needs_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(Path("data"), "cup", "plate")
    passes = Passes(monkeypatch)
    assert run.main(command("--methods", METHODS)) == 0
    assert len(passes.images) == len(set(passes.images)) == 2 * 13
    shown = capsys.readouterr()
    assert "Image AUROC" in shown.out
    assert "SYNTHETIC" not in shown.out + shown.err
    before = Path("out/metrics.csv").read_bytes()

    assert run.main(command("--methods", METHODS)) == 0
    assert "nothing left to do" in capsys.readouterr().err
    assert run.main(command("--methods", METHODS, "--seeds", "0,1", "--shots", "all,2")) == 0
    assert len(passes.images) == 2 * 13
    assert before.splitlines()[1] in Path("out/metrics.csv").read_bytes().splitlines()
    assert len(rows()) == 2 * 3 * 4 * len(METRICS)


def test_cells_hold_what_made_them_and_their_scores_give_their_metrics() -> None:
    write_dataset(Path("data"), "cup")
    assert run.main(command("--methods", "patchcore-25[patch_size=5]", "--seeds", "3")) == 0
    (path,) = Path("out/cells").glob("*/*.json")
    cell = json.loads(path.read_text())
    assert cell["spec"]["method"] == "patchcore-25[patch_size=5]"
    assert cell["spec"]["params"]["patch_size"] == 5
    assert cell["spec"]["seed"] == 3
    assert (cell["n_train"], cell["n_test_good"], cell["n_test_defect"]) == (6, 3, 4)
    assert cell["versions"]["torch"]
    assert cell["peak_memory_mb"] > 0
    with (Path("out") / cell["scores"]).open(newline="") as file:
        scores = list(csv.DictReader(file))
    expected = image_metrics([int(r["label"]) for r in scores], [float(r["score"]) for r in scores])
    assert {name: cell["metrics"][name] for name in expected} == expected
    assert cell["metrics"]["image_auroc"] == 1.0  # the bright square is not subtle


def test_seeds_and_shots_do_not_depend_on_the_order_in_which_they_run() -> None:
    write_dataset(Path("data"), "cup")
    one = command("--methods", "patchcore-25,padim", "--seeds", "0,1", "--shots", "1,2,5")
    other = command("--methods", "padim,patchcore-25", "--seeds", "1,0", "--shots", "5,1,2")
    assert run.main(one) == 0
    other[other.index("out")] = "other"
    assert run.main(other) == 0
    assert values("out") == values("other")


def test_a_failing_cell_stops_nothing_and_runs_again_next_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(Path("data"), "cup", "plate")
    with monkeypatch.context() as patch:

        def fail(*_: object) -> None:
            raise RuntimeError("out of patience")

        patch.setattr(patchcore.PatchCore, "fit", fail)
        assert run.main(command("--methods", METHODS)) == 1
    failed = {(r["category"], r["method"]) for r in rows() if r["status"] == "failed"}
    assert failed == {("cup", "patchcore-25"), ("plate", "patchcore-25")}
    assert "FAILED: RuntimeError: out of patience" in capsys.readouterr().err
    assert run.main(command("--methods", METHODS)) == 0
    assert {row["status"] for row in rows()} == {"ok"}


def test_an_image_that_breaks_midway_fails_its_category_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = write_dataset(Path("data"), "cup", "plate")
    original = chosen.datasets.index

    def index_then_break(*arguments: Any, **more: Any) -> Any:
        found = original(*arguments, **more)
        (root / "cup" / "train" / "good" / "001.png").write_bytes(b"broken")
        return found

    monkeypatch.setattr(chosen.datasets, "index", index_then_break)
    assert run.main(command("--methods", "padim,spade")) == 1
    by_category = {(row["category"], row["status"]) for row in rows()}
    assert by_category == {("cup", "failed"), ("plate", "ok")}
    assert all("cup/train/good/001.png" in r["error"] for r in rows() if r["category"] == "cup")


def test_force_evaluates_again(capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset(Path("data"), "cup")
    assert run.main(command("--methods", "padim")) == 0
    first = rows()[0]["started_utc"]
    assert run.main(command("--methods", "padim", "--force")) == 0
    assert rows()[0]["started_utc"] > first
    assert len(rows()) == len(METRICS)


def test_dry_run_says_what_is_missing_and_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset(Path("data"), "cup", "plate")
    assert run.main(command("--methods", METHODS, "--dry-run")) == 0
    assert "6 of 6 cells to evaluate, 0 stored in out\n26 images to pass" in capsys.readouterr().out
    assert not Path("out").exists()
    assert run.main(command("--methods", "padim", "--categories", "cup")) == 0
    capsys.readouterr()
    assert run.main(command("--methods", "padim", "--dry-run")) == 0
    shown = capsys.readouterr().out
    assert "plate padim s0" in shown
    assert "1 of 2 cells to evaluate, 1 stored in out\n13 images to pass filterbank" in shown
    assert "about 1 min by what earlier cells took" in shown


def test_without_data_the_embedded_set_is_used_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(writing, "PRODUCTS", {"washer": writing.PRODUCTS["washer"]})
    arguments = ["--methods", "padim", "--categories", "washer", "--out", "out"]
    assert run.main(arguments) == 0
    shown = capsys.readouterr()
    assert "SYNTHETIC DATA" in shown.err
    assert "SYNTHETIC DATA" in shown.out
    assert {row["dataset"] for row in rows()} == {"synthetic"}
    assert {row["backbone"] for row in rows()} == {"filterbank"}


def test_the_environment_names_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(Path("data"), "cup")
    monkeypatch.setenv("MVTEC_AD_ROOT", "data")
    arguments = command("--methods", "padim")
    assert run.main(arguments[2:]) == 0
    assert {row["dataset"] for row in rows()} == {"data"}


@pytest.mark.figures
def test_tables_and_figures_are_written() -> None:
    write_dataset(Path("data"), "cup", "plate")
    assert run.main(command("--methods", METHODS)) == 0
    for suffix in ("md", "csv", "tex"):
        text = (Path("out/tables") / f"image_auroc.{suffix}").read_text(encoding="utf-8")
        assert all(name in text for name in ("cup", "plate", *METHODS.split(",")))
    names = {path.name for path in Path("out/plots").iterdir()}
    assert {"roc.png", "roc.svg", "precision_recall.png", "working_points.png"} <= names
    examples = {name for name in names if name.startswith("examples_")}
    assert examples == {"examples_cup.png", "examples_plate.png"}
    for path in Path("out/plots").iterdir():
        assert_drawn(path)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--methods", "patchcore25"], "did you mean patchcore-25"),
        (["--methods", ","], "--methods: name at least one of"),
        (["--categories", "cap"], "cup"),
        (["--seeds", "one"], "--seeds 'one': give integers"),
        (["--shots", "0"], "--shots '0': give integers"),
        (["--data", "nowhere"], "nowhere"),
        (["--backbone", "resnet999"], "resnet999"),
        (["--weights", "gone.pth", "--backbone", "resnet18"], "gone.pth"),
        (["--backbone", "mobilenet_v2"], "--layers"),
        (["--weights", "other.pth", "--backbone", "resnet18"], "other.pth doesn't fit ResNet"),
        (["--device", "cuda"], "--device cuda: no usable CUDA device"),
    ],
)
def test_mistakes_exit_with_2_and_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(Path("data"), "cup")
    torch.save({"fc.weight": torch.zeros(1), "other": torch.zeros(1)}, "other.pth")
    assert run.main(command("--methods", "padim", *arguments)) == 2
    shown = capsys.readouterr().err
    assert says in shown
    assert len(shown.splitlines()) == 1
    assert not Path("out/cells").exists()


@pytest.mark.parametrize(
    "arguments", [["--image-size", "0"], ["--nonsense"], ["--executor", "tpu"]]
)
def test_argparse_mistakes_exit_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run.main(command(*arguments))
    assert caught.value.code == 2


def test_too_many_shots_fail_their_cells_with_the_numbers() -> None:
    write_dataset(Path("data"), "cup")
    assert run.main(command("--methods", "padim", "--shots", "7,2")) == 1
    assert {(r["shots"], r["error"]) for r in rows()} == {
        ("7", "7 shots asked for, but there are 6 images"),
        ("2", ""),
    }


def test_a_results_folder_that_cannot_be_written_is_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_dataset(Path("data"), "cup")
    Path("out").write_text("a file in the way")
    assert run.main(command("--methods", "padim")) == 2
    (error,) = capsys.readouterr().err.splitlines()  # and nothing was extracted before it
    assert error.startswith("error: out")


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.run", *command(*arguments)],
        # a job in the background of a shell, as CI may be, hands down that Ctrl-C is ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_continues_where_it_stopped(blow: signal.Signals) -> None:
    names = [f"c{number}" for number in range(8)]
    write_dataset(Path("data"), *names)
    process = start("--methods", METHODS)
    while process.poll() is None and len(list(Path("out").glob("cells/*/*.json"))) < 4:
        time.sleep(0.005)
    process.send_signal(blow)
    _, errors = process.communicate()
    if blow != signal.SIGKILL:
        assert process.returncode == 130
        assert "the same command continues" in errors
        assert "Traceback" not in errors
    stored = {path: path.read_bytes() for path in Path("out").glob("cells/*/*.json")}
    assert 4 <= len(stored) < 24
    assert run.main(command("--methods", METHODS)) == 0
    assert {path: path.read_bytes() for path in stored} == stored
    assert len(list(Path("out").glob("cells/*/*.json"))) == 24
    undisturbed = command("--methods", METHODS)
    undisturbed[undisturbed.index("out")] = "undisturbed"
    assert run.main(undisturbed) == 0
    assert values("out") == values("undisturbed")


def test_help_and_list_start_without_torch() -> None:
    code = (
        "import sys\nfrom benchmarks.run import __main__ as run\n"
        "try: status = run.main(sys.argv[1:])\nexcept SystemExit as stop: status = stop.code\n"
        "heavy = {'torch._C', 'torchvision', 'timm', 'pandas', 'matplotlib', 'sklearn', 'scipy'}\n"
        "sys.exit(status or ' '.join(heavy & set(sys.modules)) or 0)"
    )
    for arguments in (["--help"], ["--list"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], check=False, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout


def test_features_do_not_depend_on_the_order_of_categories() -> None:
    write_dataset(Path("data"), "cup", "plate")
    assert run.main(command("--methods", "padim", "--categories", "plate,cup")) == 0
    backwards = command("--methods", "padim", "--categories", "cup,plate")
    backwards[backwards.index("out")] = "backwards"
    assert run.main([*backwards, "--cache", "fresh"]) == 0
    assert values("out") == values("backwards")
    defined = {key: value for key, value in values("out").items() if value}
    assert {key[-1] for key in values("out").keys() - defined} == {"aupimo"}  # too few pixels
    assert np.isfinite([float(value) for value in defined.values()]).all()


def test_memory_changes_no_number_and_reaches_the_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(Path("data"), "cup")
    given: list[int] = []
    original = patchcore.PatchCore.fit

    def fit(method: Any, features: Any, generator: torch.Generator) -> Any:
        given.append(features.memory)
        return original(method, features, generator)

    monkeypatch.setattr(patchcore.PatchCore, "fit", fit)
    for memory, out in (("0.25", "large"), ("1e-9", "small")):
        arguments = command("--methods", METHODS, "--memory-gb", memory)
        assert run.main([*arguments, "--out", out]) == 0
    assert given == [250_000_000, 1]
    assert values("small") == values("large")


@pytest.mark.parametrize("amount", ["0", "-1", "nan", "inf", "much"])
def test_memory_that_is_no_amount_is_refused(
    amount: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run.main(command("--memory-gb", amount))
    assert stopped.value.code == 2
    assert f"--memory-gb: '{amount}' is not a positive number" in capsys.readouterr().err
