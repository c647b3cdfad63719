"""Wherever a cell fails, its traceback is stored beside it, named, and shown by --raise."""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.errors import BenchmarkError, FailedCellError
from benchmarks.evaluation import evaluating, scoring
from benchmarks.evaluation.evaluating import begun, failed
from benchmarks.evaluation.job import Evaluated, Failure
from benchmarks.execution import local
from benchmarks.execution.extracting import Lazy
from benchmarks.execution.recorder import Recorder
from benchmarks.execution.workers.ray_cluster import Actor
from benchmarks.execution.workers.tasks import Done, Evaluate
from benchmarks.execution.workers.worker import Worker
from benchmarks.features import Extractor
from benchmarks.results import Cell, Store, journal
from benchmarks.run import __main__ as run
from methods import padim, spade
from tests.execution.test_workers import Losing, run_with
from tests.helpers.data_sets import write_dataset
from tests.results.test_store import SPEC

pytestmark = pytest.mark.usefixtures("folder", "no_figures")

TOO_SMALL = "padim[epsilon=1e-30]"
"""Fails in fit in every process, whatever is patched in this one."""


def command(*arguments: str, methods: str = "padim,spade") -> list[str]:
    data = ["--data", "data", "--backbone", "filterbank", "--image-size", "32", "--threads", "1"]
    return [*data, "--methods", methods, "--out", "out", *arguments]


def stored() -> dict[str, Cell]:
    return {f"{c.spec.category} {c.spec.method}": c for c in Store(Path("out")).cells()}


def logs() -> set[str]:
    return {path.relative_to("out").as_posix() for path in Path("out").glob("logs/*/*")}


def text_of(cell: Cell) -> str:
    assert cell.log is not None
    (path,) = Path("out/cells").glob(f"*/{Path(cell.log).stem}.json")
    assert cell.log == f"logs/{path.parent.name}/{path.stem}.txt"
    assert json.loads(path.read_text())["log"] == cell.log
    return (Path("out") / cell.log).read_text()


def raising(error: BaseException) -> Callable[..., Any]:
    def out_of_patience(*_: object, **__: object) -> None:
        raise error

    return out_of_patience


PLACES = {
    "fit": (padim.Padim, "fit"),
    "score": (padim.Padim, "score"),
    "post-processing": (scoring, "upsample_and_smooth"),
    "metrics": (evaluating, "measure_pixels"),
    "kept maps": (evaluating, "maps_to_keep"),
    "ground truth": (local, "GroundTruth"),
    "extraction": (Extractor, "arrays"),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_failure_anywhere_leaves_its_traceback_until_it_is_mended(
    place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(Path("data"), "cup")
    with monkeypatch.context() as patch:
        patch.setattr(*PLACES[place], raising(RuntimeError("size\nmismatch")))
        assert run.main(command(methods="padim")) == 1
    (cell,) = stored().values()
    assert cell.error == "RuntimeError: size mismatch"
    assert text_of(cell).startswith("Traceback (most recent call last):")
    assert "in out_of_patience" in text_of(cell)
    assert text_of(cell).endswith("RuntimeError: size\nmismatch\n")
    line = f"cup padim s0: FAILED: RuntimeError: size mismatch; traceback: {cell.log}"
    assert line in capsys.readouterr().err
    assert run.main(command(methods="padim")) == 0
    (cell,) = stored().values()
    assert (cell.status, cell.log, logs()) == ("ok", None, set())


def test_a_second_member_of_an_ensemble_fails_as_a_single_backbone_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_dataset(Path("data"), "cup")
    fits, fit = list[int](), padim.Padim.fit

    def second_fails(method: Any, *arguments: Any) -> Any:
        fits.append(1)
        if len(fits) == 2:
            raise RuntimeError("size mismatch")
        return fit(method, *arguments)

    monkeypatch.setattr(padim.Padim, "fit", second_fails)
    backbone = ["--backbone", "filterbank+filterbank"]
    assert run.main(command(*backbone, methods="padim")) == 1
    assert "in second_fails" in text_of(*stored().values())


def test_errors_that_users_mend_leave_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(Path("data"), "cup")
    monkeypatch.setattr(padim.Padim, "fit", raising(BenchmarkError("cup/001.png: spoilt")))
    assert run.main(command(methods="padim")) == 1
    assert stored()["cup padim"].log is None
    assert not Path("out/logs").exists()
    assert "FAILED: cup/001.png: spoilt\n" in capsys.readouterr().err
    assert run.main(command("--raise", methods="padim")) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_cells_that_share_a_failure_have_one_traceback_each_and_none_grows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_dataset(Path("data"), "cup")
    monkeypatch.setattr(Extractor, "arrays", raising(RuntimeError("no codec")))
    assert run.main(command(methods="padim,spade,spade-5,patchcore-1")) == 1
    texts = [text_of(cell) for cell in stored().values()]
    assert len(texts) == 4
    assert len({*texts}) == 1


def test_what_is_made_later_raises_the_same_traceback_to_all() -> None:
    shared, depths = Lazy(raising(RuntimeError("no codec"))), set()
    for _ in range(3):
        with pytest.raises(RuntimeError, match="no codec") as raised:
            shared()
        depths.add(len(raised.traceback))
    assert len(depths) == 1


def test_processes_send_their_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset(Path("data"), "cup")
    assert run.main(command("--jobs", "2", methods=f"padim-full,{TOO_SMALL}")) == 1
    assert stored()["cup padim-full"].log is None
    cell = stored()[f"cup {TOO_SMALL}"]
    assert text_of(cell).endswith(f"{cell.error}\n")
    assert "methods/padim.py" in text_of(cell)
    assert f"traceback: {cell.log}" in capsys.readouterr().err


def test_a_failed_extraction_by_a_worker_is_each_cells_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_dataset(Path("data"), "cup", "jug")
    monkeypatch.setattr(Extractor, "part", raising(RuntimeError("no codec")))
    run_with(Losing(0), out="out")
    assert len(stored()) == 6
    assert {cell.status for cell in stored().values()} == {"failed"}
    assert all("in out_of_patience" in text_of(cell) for cell in stored().values())


def test_a_lost_worker_leaves_a_line_alone() -> None:
    write_dataset(Path("data"), "jug")
    run_with(Losing(99), out="out")
    assert {cell.log for cell in stored().values()} == {None}
    assert all("worker was lost" in cell.error for cell in stored().values())


def test_what_an_actor_of_ray_answers_holds_the_traceback() -> None:
    write_dataset(Path("data"), "cup")
    pool = Losing(0)
    tasks: list[Evaluate] = []

    def kept(task: Any) -> Done:
        tasks.extend([task] if isinstance(task, Evaluate) else [])
        return Worker("cpu", 1 << 30).perform(task)

    pool.worker = SimpleNamespace(perform=kept)  # type: ignore[assignment]
    run_with(pool, methods=TOO_SMALL, out="out")
    actor = object.__new__(Actor)
    actor._worker = Worker("cpu", 1 << 30)
    done = pickle.loads(pickle.dumps(actor.perform(pickle.loads(pickle.dumps(tasks[0])))))
    assert "methods/padim.py" in done.evaluated[0].traceback


# --- --raise --------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [[], ["--jobs", "2"]])
def test_raise_stops_at_the_first_failure_and_shows_it(
    jobs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(Path("data"), "cup", "jug")
    assert run.main(command("--raise", *jobs, methods=f"{TOO_SMALL},padim[epsilon=2e-30]")) == 1
    said = capsys.readouterr().err
    cells = [cell for cell in stored().values() if cell.status == "failed"]
    assert len(cells) == 1
    assert f"error: --raise stops at {cells[0].spec.label}, the first cell to fail:\n" in said
    assert said.rstrip().endswith(text_of(cells[0]).rstrip())
    assert said.count("Traceback (most recent call last)") == 1
    assert Path("out/metrics.csv").exists()
    (call,) = journal.read(Path("out"))
    assert call.failed == 1


def test_raise_goes_on_where_nothing_fails() -> None:
    write_dataset(Path("data"), "cup")
    assert run.main(command("--raise")) == 0
    assert len(stored()) == 2


def test_raise_shows_the_first_of_several_failures_that_are_measured_together() -> None:
    kept: list[str] = []

    def write(cell: Cell, scores: object, maps: object, traceback: str, held_out: object) -> Cell:
        kept.append(traceback)
        return cell

    store: Any = SimpleNamespace(write=write)
    progress: Any = SimpleNamespace(cell=lambda cell: None)
    recorder, submitted = Recorder(store, progress, raises=True), threading.Event()

    def measuring(number: int) -> Callable[..., Evaluated]:
        def fails(at: object) -> Evaluated:
            submitted.wait(10)
            return failed(begun(SPEC), Failure("broken", f"traceback {number}"))

        return fails

    def measure_more_than_run_together() -> None:
        job: Any = None
        with local._measuring(recorder, True) as measure:
            for number in range(local.MEASURED_TOGETHER):
                measure(job, measuring(number))
            submitted.set()
            measure(job, measuring(local.MEASURED_TOGETHER))

    with pytest.raises(FailedCellError, match="traceback 0"):
        measure_more_than_run_together()
    assert kept == [f"traceback {number}" for number in range(local.MEASURED_TOGETHER + 1)]


def test_a_traceback_in_any_characters_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(Path("data"), "cup")
    monkeypatch.setattr(spade.Spade, "fit", raising(RuntimeError("größe \udcff of the grid")))
    assert run.main(command(methods="spade")) == 1
    assert "größe \\udcff of the grid" in text_of(stored()["cup spade"])
