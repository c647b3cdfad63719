"""`--metrics` chooses what is shown first, and nothing that is stored."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks.metrics.calibrated import KNOWN
from benchmarks.metrics.definitions import MAIN, METRICS
from benchmarks.report.__main__ import main as report
from benchmarks.results import derived
from benchmarks.run.__main__ import main as run_methods
from benchmarks.tables.__main__ import main as tables
from tests.helpers.runs import Cell, write_run

CHOSEN = "aupimo, pixel_f1_max"

COMMANDS = {"run": run_methods, "tables": tables, "report": report}


def old_and_new(folder: Path) -> Path:
    """Write a run with a cell from before there was AUPIMO, and one from after."""
    old = Cell("bolt", "padim", {"image_auroc": 0.8, "pixel_auroc": 0.7})
    new = Cell("gear", "padim", {"image_auroc": 0.9, "pixel_auroc": 0.8, "aupimo": 0.25})
    return write_run(folder, [old, new])


def labels(shown: str) -> list[str]:
    """Return the labels of printed tables, in order."""
    named = [name for line in shown.splitlines() for name in METRICS if METRICS[name].label in line]
    return list(dict.fromkeys(named))


def test_tables_print_the_metrics_that_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = old_and_new(tmp_path / "run")
    assert tables([str(run)]) == 0
    before = capsys.readouterr().out
    assert labels(before) == [name for name in MAIN if name in ("image_auroc", "pixel_auroc")]
    written = (run / "tables" / "aupimo.csv").read_bytes()
    assert tables([str(run), "--metrics", CHOSEN]) == 0
    shown = capsys.readouterr().out
    assert shown.index("AUPIMO in %") < shown.index("Maximal pixel F1 in %")
    assert re.search(r"bolt +–", shown)
    assert re.search(r"gear +25\.0", shown)
    assert "Image AUROC" not in shown
    assert (run / "tables" / "aupimo.csv").read_bytes() == written


def test_the_table_of_aupimo_counts_the_images_that_it_leaves_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = {"n_test_defect": 20, "unmarked_defects": 3}
    values = {"image_auroc": 0.9, "aupimo": 0.25}
    cells = [Cell("gear", "padim", values, measured=counts), Cell("bolt", "padim", values)]
    run = write_run(tmp_path / "run", cells)
    said = "; defect images without a mask pixel left out, gear: 3 of 20 on "
    assert tables([str(run), "--metrics", "aupimo"]) == 0
    assert said in " ".join(capsys.readouterr().out.split())
    assert said in (run / "tables" / "aupimo.csv").read_text()
    assert "left out" not in (run / "tables" / "image_auroc.md").read_text()


def test_a_report_has_them_in_front_of_the_others(tmp_path: Path) -> None:
    run = old_and_new(tmp_path / "run")

    def order() -> list[str]:
        page = (run / "report.html").read_text()
        (content,) = re.findall(r'id="content">(.*?)</script>', page)
        return [metric["name"] for metric in json.loads(content)["metrics"]]

    assert report([str(run)]) == 0
    assert order() == [*KNOWN]
    assert report([str(run), "--metrics", CHOSEN]) == 0
    assert order()[:3] == ["aupimo", "pixel_f1_max", "image_auroc"]
    assert sorted(order()) == sorted(KNOWN)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_metric_is_refused_with_the_nearest(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        COMMANDS[command](["anywhere"] * (command != "run") + ["--metrics", "aupmio"])
    assert refused.value.code == 2
    assert "there is no metric 'aupmio': did you mean aupimo" in capsys.readouterr().err


def test_what_shows_other_metrics_first_is_made_anew(tmp_path: Path) -> None:
    derived.record(tmp_path, [])
    assert derived.is_current(tmp_path)
    assert not derived.is_current(tmp_path, ["aupimo"])
    derived.record(tmp_path, [], ["aupimo"])
    assert derived.is_current(tmp_path, ["aupimo"])
    assert not derived.is_current(tmp_path)
