"""Kills runs at random moments and compares what survives with an undisturbed run.

    python -m tests.survival --kills 50

Prints one line a kill; exit status 1 where anything stored was lost, or a number differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.data_sets import write_dataset
from tests.helpers.paths import ROOT

METHODS = "patchcore-25,spade,padim"
CATEGORIES = 6


@dataclass(frozen=True)
class Outcome:
    """What some kills did: cells that were stored and then gone or changed, and equality.

    `stored` are the cells there after each kill; a run that ended before the blow is none.
    """

    kills: int
    lost: int
    stored: tuple[int, ...]
    equal: bool


def start(folder: Path, out: str) -> subprocess.Popen[bytes]:
    """Start a run over `folder`/data that writes to `folder`/`out` and shares one cache."""
    arguments = ["--data", "data", "--backbone", "filterbank", "--image-size", "32"]
    arguments += ["--methods", METHODS, "--cache", "cache", "--out", out, "--device", "cpu"]
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.run", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def cells(run: Path) -> dict[str, bytes]:
    """Return what each stored cell holds, by its path; a file that is no whole cell raises."""
    found = {}
    for path in sorted(run.glob("cells/*/*.json")):
        content = path.read_bytes()
        assert json.loads(content)["status"] == "ok", path
        found[path.relative_to(run).as_posix()] = content
    return found


def numbers(run: Path) -> dict[str, object]:
    """Return every cell's metrics and image scores."""
    found: dict[str, object] = {}
    for name, content in cells(run).items():
        cell = json.loads(content)
        found[name] = (cell["metrics"], (run / cell["scores"]).read_bytes())
    return found


def survive(folder: Path, kills: int, seed: int) -> Outcome:
    """Kill a run `kills` times, each after a random time; then let it finish, and compare."""
    dice = random.Random(seed)
    write_dataset(folder / "data", *(f"c{number}" for number in range(CATEGORIES)))
    begun = time.monotonic()
    start(folder, "undisturbed").wait()
    whole = time.monotonic() - begun
    lost, stored = 0, []
    while len(stored) < kills:
        before, begun = cells(folder / "killed"), time.monotonic()
        process = start(folder, "killed")
        try:
            process.wait(dice.uniform(0.1, 1.0) * whole)
            whole = time.monotonic() - begun  # it was done before the blow: strike earlier
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            stored.append(len(cells(folder / "killed")))
        after = cells(folder / "killed")
        lost += sum(after.get(name) != content for name, content in before.items())
        if len(after) == CATEGORIES * len(METHODS.split(",")):
            _forget(folder, dice)
    start(folder, "killed").wait()
    equal = numbers(folder / "killed") == numbers(folder / "undisturbed")
    return Outcome(kills, lost, tuple(stored), equal)


def _forget(folder: Path, dice: random.Random) -> None:
    """Remove all cells and half of the cache, so that there is something left to kill."""
    for path in (folder / "killed").glob("*/*/*"):
        path.unlink()
    for path in (folder / "cache").glob("features/*"):
        if dice.random() < 0.5:
            path.unlink()


def main() -> int:
    """Kill as often as asked, and print what survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = survive(Path(folder), options.kills, options.seed)
    print(outcome)
    return 0 if outcome.equal and not outcome.lost else 1


if __name__ == "__main__":
    sys.exit(main())
