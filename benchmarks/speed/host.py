"""Measures the host's share of a run: processor seconds a stage, on a set of MVTec AD's size.

The method and the backbone cost next to nothing, so that what is left is what every run pays.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.console import say
from benchmarks.errors import BenchmarkError
from benchmarks.files import write_file
from benchmarks.places import default_folder
from benchmarks.processes import cores
from benchmarks.speed.drawn_set import drawn_set
from benchmarks.speed.stages import STAGES

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
    program = [sys.executable, "-m", "benchmarks.speed.stages", *named]
    ended = subprocess.run(program, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    whole, wall = _seconds() - before, time.perf_counter() - begun
    if ended.returncode:
        lines = ended.stderr.decode(errors="replace").strip().splitlines()
        raise BenchmarkError(f"host: the {state} run ended with {ended.returncode}: {lines[-1:]}")
    say(f"host, {state}: {whole:.0f} CPU s, {wall:.0f} s")
    stages: dict[str, float] = json.loads(file.read_text("utf-8"))
    return {**stages, REST: whole - sum(stages.values()), WHOLE: whole, WALL: wall}


def _seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _table(runs: Mapping[str, Mapping[str, float]], caption: str) -> str:
    from tabulate import tabulate

    stages = (*STAGES, *(name for name in runs["warm"] if name not in STAGES))
    rows = [[name, *(f"{run.get(name, 0):.1f}" for run in runs.values())] for name in stages]
    table = tabulate(rows, ["CPU seconds", *runs], "pipe", disable_numparse=True)
    load = os.getloadavg()[0]
    return (
        f"`benchmarks.run {COMMAND}` on drawn images of MVTec AD's numbers and sizes, "
        f"features not cached (cold) and cached (warm), user and system time of all processes; "
        f"wall time on {cores()} cores, load average {load:.1f} at the end.\n{caption}\n\n{table}\n"
    )
