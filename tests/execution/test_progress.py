"""What is seen while cells run: the grid at any size, the log, and the time left worked by hand."""

from __future__ import annotations

import io
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from benchmarks.console import on_terminal, say
from benchmarks.evaluation.job import Job
from benchmarks.execution import Plan
from benchmarks.execution.plan import JobsByCategory
from benchmarks.execution.progress.board import Board, State
from benchmarks.execution.progress.forecast import (
    Forecast,
    Rates,
    earlier_rates,
    image_rates,
    pixels,
)
from benchmarks.execution.progress.terminal import LiveBoard
from benchmarks.execution.progress.tracking import Progress, about
from benchmarks.results import Cell, Store, journal
from benchmarks.results.journal import Call, Extraction
from benchmarks.run import __main__ as run
from benchmarks.run import request
from methods.testing.pretended import pretended_cuda
from tests.helpers.data_sets import write_dataset
from tests.helpers.runs import MVTEC_AD

METHODS = [
    *("patchcore-100", "patchcore-25", "patchcore-10", "patchcore-1"),
    *("spade", "spade-5", "padim", "padim-550"),
]
PIXELS = 13 * 32**2
"""That one cell reads: 6 training and 7 test images."""


pytestmark = pytest.mark.usefixtures("folder", "no_figures")


@pytest.fixture(autouse=True)
def _any_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)


def seen(board: Board, width: int = 80, height: int = 24) -> list[str]:
    """Return the lines that a terminal of that size shows."""
    console = Console(
        file=io.StringIO(), record=True, width=width, height=height, force_terminal=True
    )
    console.print(LiveBoard(lambda: board))
    return console.export_text().splitlines()


def board_of(states: dict[tuple[str, str], Sequence[State]], running: str = "") -> Board:
    return Board("1 of 2 cells", "0:00:05 elapsed, about 3 min left", running, states)


def plan_of(*arguments: str) -> Plan:
    write_dataset(Path("data"), "cup", "plate")
    command = ["--data", "data", "--backbone", "filterbank", "--image-size", "32", *arguments]
    return request.plan_of(run._parser().parse_args(command))


def cell_of(job: Job, status: str = "ok", seconds: float = 1.0) -> Cell:
    metrics = {"image_auroc": 0.987} if status == "ok" else {}
    times = {"fit_seconds": seconds, "score_seconds": 0.0}
    return Cell(job.spec, status, "no luck", metrics, **times, device="cpu")  # type: ignore[arg-type]


class Clock:
    """Shows what it is set to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def progress_of(
    plan: Plan, missing: JobsByCategory, earlier: Rates | None = None, passing: int = 13
) -> tuple[Progress, Clock]:
    clock = Clock()
    images = {(category.name, "filterbank"): passing for category in missing}
    forecast = Forecast(earlier or Rates({}, {}), 1)
    return Progress(plan, missing, images, forecast, clock), clock


def test_the_grid_shows_stages_results_failures_and_what_was_stored() -> None:
    plan = plan_of("--methods", "padim,spade,patchcore-25")
    work = {category: jobs[:2] for category, jobs in plan.work.items()}
    progress, clock = progress_of(plan, work)
    (padim, spade), (other, _) = work.values()
    progress.advance("cup", "filterbank", 13)
    progress.extracted(Extraction("cup", "filterbank", 13, 13, 2.0))
    progress.stage(padim, "features")
    progress.cell(cell_of(padim))
    progress.cell(cell_of(spade, "failed"))
    for stage in ("features", "fit", "score", "measure"):
        progress.stage(other, stage)
        clock.now = 65
        counts, times, titles, cup, plate = seen(progress.board())
        assert plate.split() == ["plate", stage, "·", "="]
    assert titles.split() == ["padim", "spade", "patchcore-25"]
    assert cup.split() == ["cup", "98.7", "✗", "="]
    assert counts == "2 of 4 cells, 13 of 26 images through the backbone, 0 from the cache"
    assert times == "0:01:05 elapsed, time left unknown; now: plate padim s0 measure"


def test_several_seeds_share_a_place_in_the_grid() -> None:
    plan = plan_of("--methods", "padim", "--seeds", "0,1,2", "--categories", "cup")
    progress, _ = progress_of(plan, plan.work)
    ((first, second, third),) = plan.work.values()
    progress.cell(cell_of(first))
    assert seen(progress.board())[-1].split() == ["cup", "1/3"]
    progress.stage(second, "fit")
    assert (
        seen(progress.board())[-1].split() == ["cup", "▸1/3"] or "1/3" in seen(progress.board())[-1]
    )
    progress.cell(cell_of(second, "failed"))
    progress.cell(cell_of(third))
    assert seen(progress.board())[-1].split() == ["cup", "3/3✗"]


def test_fifteen_categories_and_eight_methods_fit_a_small_terminal() -> None:
    states = {(c, m): [State("done", "100.0")] for c in MVTEC_AD for m in METHODS}
    states["screw", "spade"] = [State("running", "measure")]
    states["screw", "padim"] = [State("running", "features")]
    lines = seen(board_of(states, "screw spade s0 measure"))
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.split()[0] in MVTEC_AD}
    assert list(rows) == MVTEC_AD
    assert rows["screw"] == ["100.0"] * 4 + ["measure", "100.0", "▸", "100.0"]
    text = " ".join(lines).replace("\xa0", " ")
    assert lines[2].split() == ["1", "2", "3", "4", "spade", "spade-5", "padim", "5"]
    assert "1 patchcore-100" in text
    assert "5 padim-550" in text


def test_many_categories_show_those_that_run_and_the_next() -> None:
    states = {
        (f"c{number:02}", "padim"): [State("done", "50.0") if number < 30 else State("waiting")]
        for number in range(60)
    }
    states["c30", "padim"] = [State("running", "fit")]
    lines = seen(board_of(states), height=12)
    assert len(lines) <= 11
    shown = [line.split()[0] for line in lines if line.startswith("c")]
    assert shown == [f"c{number}" for number in range(30, 30 + len(shown))]
    assert len(shown) >= 5
    assert lines[-1] == f"other categories: {30 - len(shown)} waiting, 30 done"


def test_more_methods_than_categories_become_rows() -> None:
    names = [f"patchcore-25[patch_size={size}]" for size in range(1, 20)]
    states = {("cup", name): [State("waiting")] for name in names}
    lines = seen(board_of(states))
    assert [line.split()[0] for line in lines[3:]][: len(names)] == names
    assert lines[2].split() == ["cup"]


names = st.from_regex(r"[a-z0-9=_\[\]-]{1,50}", fullmatch=True)
settled = st.sampled_from(
    [State("waiting"), State("running", "features"), State("done", "100.0"), State("stored")]
)


@settings(max_examples=30)
@given(
    st.lists(names, min_size=1, max_size=25, unique=True),
    st.lists(names, min_size=1, max_size=25, unique=True),
    st.lists(settled, min_size=1, max_size=3),
    st.integers(40, 200),
    st.integers(16, 60),
)
def test_whatever_runs_fits_the_terminal(
    categories: list[str], methods: list[str], cells: list[State], width: int, height: int
) -> None:
    board = board_of({(c, m): cells for c in categories for m in methods}, "x " * 200)
    lines = seen(board, width, height)
    assert max(map(len, lines)) <= width
    assert len(lines) < height


def test_the_time_left_is_worked_from_earlier_rates_and_then_from_this_runs() -> None:
    plan = plan_of("--methods", "padim,spade")
    earlier = Rates({"padim": 2 / PIXELS, "spade": 10 / PIXELS}, {"filterbank": 0.5})
    progress, clock = progress_of(plan, plan.work, earlier)
    assert progress.seconds_left() == pytest.approx(2 * (2 + 10) + 26 * 0.5)
    progress.advance("cup", "filterbank", 10)
    assert progress.seconds_left() == pytest.approx(24 + 16 * 0.5)
    progress.advance("cup", "filterbank", 3)
    progress.extracted(Extraction("cup", "filterbank", 13, 13, 26.0))
    assert progress.seconds_left() == pytest.approx(24 + 13 * 2)
    (padim, spade), (_, last) = plan.work.values()
    progress.stage(padim, "features")
    clock.now = 100
    progress.stage(padim, "fit")
    clock.now = 101
    progress.stage(padim, "measure")
    progress.cell(cell_of(padim))  # a second, waiting for features apart
    assert progress.seconds_left() == pytest.approx(1 + 2 * 10 + 26)
    progress.cell(cell_of(spade, seconds=30))  # in a worker: as the cell says; 10 is the lower
    assert progress.seconds_left() == pytest.approx(1 + 10 + 26)
    progress.cell(cell_of(last, "failed"))
    assert progress.seconds_left() == pytest.approx(1 + 26)


def test_what_was_never_seen_takes_an_unknown_time() -> None:
    forecast = Forecast(Rates({"padim": 1.0, "patchcore-25": 3.0}, {"a": 1.0}), 2)
    assert forecast.seconds({"padim": 4}, {"a": 2}) == 3  # shared by two workers
    assert forecast.seconds({"patchcore-25[patch_size=5]": 4}, {}) == 6
    assert forecast.seconds({"spade": 4}, {}) is None
    assert forecast.seconds({"padim": 4}, {"b": 1}) is None
    assert forecast.seconds({"padim": 4, "spade": 0}, {"b": 0}) == 2


def test_earlier_rates_are_those_of_the_cells_and_journals_beside_a_run(tmp_path: Path) -> None:
    call = Call("2025-03-04T05:06:07.000+00:00", 9, "d", "a", 32, "cpu", 1, 1, 0, ())
    one = Extraction("cup", "a", 10, 10, 5.0)
    journal.write(tmp_path / "one", replace(call, extractions=(one, replace(one, passed=0))))
    journal.write(tmp_path / "two", replace(call, extractions=(replace(one, seconds=15),)))
    journal.write(tmp_path / "three", replace(call, image_size=64, extractions=(one,)))
    journal.write(tmp_path / "four", replace(call, device="cuda", extractions=(one,)))
    assert earlier_rates(tmp_path / "one", 32, "cpu") == Rates({}, {"a": 1.0})
    assert earlier_rates(tmp_path / "new", 64, "cpu") == Rates({}, {"a": 0.5})
    assert image_rates([replace(one, passed=0)]) == {}


def test_no_forecast_mixes_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (_, [job]), _ = plan_of("--methods", "padim").work.items()
    call = Call("2025-03-04T05:06:07.000+00:00", 9, "d", "a", 32, "cuda", 1, 1, 0, ())
    one = Extraction("cup", "a", 10, 10, 5.0)
    runs = [("cpu", "", 1), ("cuda", "H100", 2), ("cuda:1", "H100", 4), ("cuda", "T4", 7)]
    for number, (device, card, times) in enumerate([*runs, ("cuda", "", 9)]):
        folder = tmp_path / str(number)
        cell = replace(cell_of(job, seconds=times), device=device, card={"name": card}, n_train=6)
        Store(folder).write(cell)
        extraction = replace(one, seconds=10 * times)
        journal.write(folder, replace(call, device=device, card=card, extractions=(extraction,)))
    pixel = 6 * 32**2
    with pretended_cuda():
        for device, card, seconds in [("cuda:0", "H100", 3), ("cuda", "T4", 7), ("cpu", "", 1)]:
            monkeypatch.setattr(torch.cuda, "get_device_name", lambda device, card=card: card)
            earlier = earlier_rates(tmp_path / "new", 32, device)
            assert earlier.cells == {"padim": pytest.approx(seconds / pixel)}
            assert earlier.images == {"a": pytest.approx(seconds)}
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "A100")
        assert earlier_rates(tmp_path / "new", 32, "cuda") == Rates({}, {})


def test_an_ensembles_cells_read_their_pixels_once_a_member(tmp_path: Path) -> None:
    plan = plan_of("--methods", "padim", "--backbone", "filterbank+filterbank")
    (cup, [job]), _ = plan.work.items()
    counts = {"n_train": 6, "n_test_good": 3, "n_test_defect": 4}
    Store(tmp_path / "one").write(replace(cell_of(job, seconds=4), **counts))
    earlier = earlier_rates(tmp_path / "new", 32, "cpu")
    assert earlier.cells == {"padim": pytest.approx(4 / (2 * PIXELS))}
    assert Forecast(earlier, 1).seconds({"padim": pixels(plan, cup, job)}, {}) == pytest.approx(4)


def test_a_job_says_what_stage_it_is_at(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str]] = []

    def stage(progress: Progress, job: Job, stage: str) -> None:
        seen.append((job.spec.category, stage))

    monkeypatch.setattr(Progress, "stage", stage)
    write_dataset(Path("data"), "cup", "plate")
    command = ["--data", "data", "--backbone", "filterbank+filterbank", "--image-size", "32"]
    assert run.main([*command, "--methods", "padim", "--out", "out"]) == 0
    stages = ("features", "fit", "score", "fit", "score", "measure")
    assert seen == [(category, stage) for category in ("cup", "plate") for stage in stages]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "less than 1 min"),
        (59, "about 1 min"),
        (250, "about 4 min"),
        (3600, "about 1 h 0 min"),
        (7530, "about 2 h 6 min"),
    ],
)
def test_durations_are_said_as_roughly_as_they_are_known(seconds: float, said: str) -> None:
    assert about(seconds) == said


def test_workers_are_at_their_tasks_and_at_nothing_else() -> None:
    plan = plan_of("--methods", "padim,spade")
    progress, _ = progress_of(plan, plan.work)
    cup, plate = plan.work
    progress.at_work([], [cup.name, plate.name])
    assert progress.board().running == "cup features, plate features"
    progress.at_work(plan.work[plate], [])
    lines = seen(progress.board())
    assert lines[-2].split() == ["cup", "·", "·"]
    assert lines[-1].split() == ["plate", "running", "running"]
    progress.at_work([], [])
    assert seen(progress.board())[-1].split() == ["plate", "·", "·"]


def test_a_log_has_plain_lines_with_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset(Path("data"), "cup", "plate")
    command = ["--data", "data", "--backbone", "filterbank", "--image-size", "32", "--out", "out"]
    assert run.main([*command, "--methods", "padim,spade"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "cup: 13 images passed the backbone, 0 came from the cache"
    assert [line[:5] for line in lines[1:3]] == ["[1/4]", "[2/4]"]
    assert lines[2].startswith("[2/4] cup spade s0: Image AUROC ")
    assert "left" not in lines[1]  # nothing is known yet of spade
    assert lines[2].endswith(" min left")
    assert lines[3] == "plate: 13 images passed the backbone, 0 came from the cache"
    assert "left" not in lines[5]
    assert run.main([*command, "--methods", "padim", "--seeds", "1"]) == 0
    error = capsys.readouterr().err
    assert "cup: 0 images passed the backbone, 13 came from the cache" in error
    assert all(character.isprintable() for character in error.replace("\n", ""))


def test_control_characters_never_reach_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    say("cup/\x1b[31mred\r\x07.png: broken – ✗")
    assert capsys.readouterr().err == "cup/\\x1b[31mred\\r\\x07.png: broken – ✗\n"


@pytest.mark.parametrize(
    ("variables", "drawn"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"NO_COLOR": ""}, True)],
)
def test_only_a_capable_terminal_is_drawn_on(
    variables: dict[str, str], drawn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert on_terminal() is drawn
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    assert not on_terminal()


def test_the_grid_stays_below_what_is_said_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    plan = plan_of("--methods", "padim", "--categories", "cup")
    progress, _ = progress_of(plan, plan.work)
    say("warning: [bold]a line[/bold]")
    progress.close()
    written = terminal.getvalue()
    assert "warning: [bold]a line[/bold]" in written
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") == 1  # the cursor is back
    assert sys.stderr is terminal
    assert written.rindex("\x1b[2K") > written.rindex("elapsed")  # the last grid is wiped


def test_what_runs_nothing_starts_without_rich() -> None:
    code = (
        "import sys\nfrom benchmarks.run import __main__ as run\n"
        "try: status = run.main(sys.argv[1:])\nexcept SystemExit as stop: status = stop.code\n"
        "sys.exit(status or 'rich' in sys.modules)"
    )
    write_dataset(Path("data"), "cup")
    data = ["--data", "data", "--backbone", "filterbank", "--image-size", "32"]
    for arguments in (["--help"], ["--list"], [*data, "--dry-run"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def test_a_reader_that_stops_reading_stops_nothing() -> None:
    """As in `python -m benchmarks.run | head`."""
    program = "from benchmarks.console import say, show; show('x' * 10**6); show('y'); say('on')"
    command = f'{shlex.quote(sys.executable)} -c "{program}" | head --bytes 1'
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "x", "on\n")
