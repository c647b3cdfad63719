"""Measures the host's share of a run: processor seconds a stage, on a set of MVTec AD's size.

The method and the backbone cost next to nothing, so that what is left is what every run pays.

    python -m benchmarks.speed.host FILE [argument of benchmarks.run …]

runs `benchmarks.run` and writes a JSON object, stage → seconds that its threads spent there, to
FILE. A stage within another isn't counted in that.
"""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchmarkError
from benchmarks.files import write_file
from benchmarks.places import default_folder
from benchmarks.processes import cores
from benchmarks.speed.drawn_set import drawn_set
from benchmarks.tables.rendering import captioned_table

STAGES: Mapping[str, tuple[str, ...]] = {
    "files: read, hash, check": ("datasets.whole_files.inspect",),
    "masks: decode": ("datasets.indexing.mask_facts",),
    "what crop and resizing take": ("datasets.seen.see",),
    "ground truth": ("evaluation.category.read_masks",),
    "index: the rest": ("run.request.chosen_dataset",),
    "images: decode, resize": ("features.crops.load_image",),
    "features": ("execution.extracting.Extractor.arrays",),
    "cache: checksums": ("features.extraction.FeatureCache.load",),
    "methods": ("evaluation.evaluating._score_within",),
    "measuring": ("evaluation.evaluating.measure_pixels", "evaluation.evaluating.image_metrics"),
    "previews, maps to keep": ("evaluation.evaluating.maps_to_keep",),
    "storing": ("execution.recorder.Store.write",),
    "tables": ("run.program.write_tables", "run.program.terminal_tables"),
    "figures": ("figures.writing.write_figures",),
    "report": ("run.program.write_report",),
}
"""Stage → the functions that are it, where they are looked up."""

CHILDREN = "other processes, as of figures"

COMMAND = "--methods padim --backbone filterbank --image-size 64 --device cpu"

REST, WHOLE, WALL = "imports, threads of PyTorch, the rest", "all", "wall time"


def measure_host(out: Path, caption: str, share: float = 1.0) -> Path:
    """Run the command twice, features not cached and cached; return the table's file.

    Args:
        out: folder of the table.
        caption: what it was measured on.
        share: of MVTec AD's sides and numbers of images.

    Raises:
        BenchmarkError: the set can't be drawn, or the command fails.
    """
    data = drawn_set(default_folder() / "speed", share)
    with tempfile.TemporaryDirectory() as folder:
        runs = {state: _run(data, Path(folder), state) for state in ("cold", "warm")}
    path = out / "host.md"
    write_file(path, _table(runs, caption).encode())
    return path


def _run(data: Path, folder: Path, state: str) -> Mapping[str, float]:
    """Return a run's processor seconds, its children's included, by stage, and its wall time."""
    file, before, begun = folder / f"{state}.json", _seconds(), time.perf_counter()
    places = ("--data", data, "--cache", folder / "cache", "--out", folder / state)
    named = [str(file), *COMMAND.split(), *map(str, places)]
    program = [sys.executable, "-m", "benchmarks.speed.host", *named]
    ended = subprocess.run(program, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    whole, wall = _seconds() - before, time.perf_counter() - begun
    if ended.returncode:
        lines = ended.stderr.decode(errors="replace").strip().splitlines()
        raise BenchmarkError(f"host: the {state} run ended with {ended.returncode}: {lines[-1:]}")
    stages: dict[str, float] = json.loads(file.read_text("utf-8"))
    return {**stages, REST: whole - sum(stages.values()), WHOLE: whole, WALL: wall}


def _seconds() -> float:
    """Return processor seconds of children that have ended."""
    return sum(os.times()[2:4])


def _table(runs: Mapping[str, Mapping[str, float]], caption: str) -> str:
    stages = (*STAGES, *(name for name in runs["warm"] if name not in STAGES))
    rows = [[name, *(f"{run.get(name, 0):.1f}" for run in runs.values())] for name in stages]
    about = (
        f"`benchmarks.run {COMMAND}` on drawn images of MVTec AD's numbers and sizes, "
        f"features not cached (cold) and cached (warm), user and system time of all processes; "
        f"wall time on {cores()} cores, load average {os.getloadavg()[0]:.1f} at the end."
    )
    return captioned_table(f"{about}\n{caption}", ["CPU seconds", *runs], rows)


class Stopwatch:
    """Processor seconds of functions, in whichever threads they run."""

    def __init__(self) -> None:
        self.seconds = defaultdict[str, float](float)
        self._thread, self._lock = threading.local(), threading.Lock()

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function whose seconds count for a stage, less those of stages within it."""

        @wraps(function)
        def run(*arguments: Any, **named: Any) -> Any:
            around = getattr(self._thread, "within", 0.0)
            self._thread.within, begun = 0.0, time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                whole = time.thread_time() - begun
                with self._lock:
                    self.seconds[stage] += whole - self._thread.within
                self._thread.within = around + whole

        return run


def main(file: str, *arguments: str) -> int:
    """Have the stages' functions timed, run, and return the exit status of `benchmarks.run`."""
    stopwatch = Stopwatch()
    for stage, functions in STAGES.items():
        for function in functions:
            place, _, name = f"benchmarks.{function}".rpartition(".")
            owner = pkgutil.resolve_name(place)
            setattr(owner, name, stopwatch.timed(stage, getattr(owner, name)))
    status: int = pkgutil.resolve_name("benchmarks.run.__main__:main")(arguments)
    stopwatch.seconds[CHILDREN] = _seconds()
    Path(file).write_text(json.dumps(stopwatch.seconds), encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
