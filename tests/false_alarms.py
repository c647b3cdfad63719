"""Runs the gate's unchanged code in other surroundings, and with noise on every feature.

    python -m tests.false_alarms    # Markdown, in a quarter of an hour on two cores

Nothing here sets a tolerance: it asks whether the stored ones hold, and how far the edge is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.backbones.filterbank import FilterBank
from benchmarks.compare.baseline import read
from benchmarks.compare.check import REGRESSIONS, Row
from benchmarks.results import Cell, Store
from benchmarks.results.scores import read_scores
from tests.helpers.paths import ROOT
from tests.mutations.gate import BASELINE, Gate, Patch, Plant, calls, judged

GATE = read(BASELINE)
CALLS = calls(GATE)
CATEGORIES = tuple(dict.fromkeys(cell.spec.category for cell in GATE.cells))

NOISE = (1e-6, 1e-5)
"""Standard deviations of the noise, in parts of each feature's value."""
DRAWS = 6

Scores = dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]
"""Cell → labels and image scores."""


@dataclass(frozen=True)
class Surroundings:
    """What is different about a run: in words, in its environment, in its command."""

    name: str
    environment: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    order: int = 1


def threads(count: int) -> dict[str, str]:
    return {"OMP_NUM_THREADS": str(count)}


# fmt: off
SURROUNDINGS = (
    Surroundings("one thread", threads(1)),
    Surroundings("two threads", threads(2)),
    Surroundings("four threads", threads(4)),
    Surroundings("methods and categories in reversed order", order=-1),
    Surroundings("next to no memory", options=("--memory-gb", "1e-9")),
    Surroundings("no vector instructions in PyTorch's own loops",
                 {"ATEN_CPU_CAPABILITY": "default"}),
    Surroundings("AVX2", {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2",
                          "MKL_ENABLE_INSTRUCTIONS": "AVX2"}),
    Surroundings("SSE 4", {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41",
                           "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}),
    Surroundings("two processes", options=("--jobs", "2")),
    Surroundings("three processes", options=("--jobs", "3")),
    Surroundings("two Ray workers", options=("--executor", "ray", "--jobs", "2")),
)
# fmt: on


def run(gate: Gate, folder: Path, surroundings: Surroundings) -> Path:
    """Run the gate's commands without cached features; return the folder of their results.

    Raises:
        subprocess.CalledProcessError: the command failed.
    """
    name = surroundings.name.replace(" ", "-")
    out, cache = folder / "runs" / name, gate.cache_without_features(f"cache-{name}")
    kept = {name: value for name, value in os.environ.items() if name != "MVTEC_AD_ROOT"}
    environment = {**kept, "PYTHONPATH": str(ROOT), **surroundings.environment}
    for size, names in CALLS.items():
        chosen = [",".join(some[:: surroundings.order]) for some in names]
        command = [sys.executable, "-m", "benchmarks.run", "--methods", chosen[0]]
        command += ["--categories", chosen[1], "--image-size", str(size), "--device", "cpu"]
        command += ["--cache", str(cache), "--out", str(out), *surroundings.options]
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return out


def image_scores(results: Path, cells: list[Cell]) -> Scores:
    """Return the image scores of every cell."""
    return {
        f"{cell.spec.category}, {cell.spec.method}": read_scores(results / str(cell.scores))
        for cell in cells
    }


def movement(before: Scores, after: Scores) -> float:
    """Return the largest change of an image score, relative to its cell's mean score."""
    return max(
        float(np.abs(after[name][1] - scores).max() / scores.mean())
        for name, (_, scores) in before.items()
    )


def nearest_edge(found: Scores) -> tuple[float, str]:
    """Return the smallest distance of a good image's score from a defective one's, and its cell.

    Relative to the cell's mean score. Nearer than scores move, a count of images would turn.
    """
    return min(
        (float(np.abs(scores[labels == 0, None] - scores[labels == 1]).min() / scores.mean()), name)
        for name, (labels, scores) in found.items()
    )


def turned(rows: list[Row]) -> tuple[int, int]:
    """Return how many rows stop the gate, and how many changed at all."""
    marks = Counter(row.mark for row in rows)
    return sum(marks[mark] for mark in REGRESSIONS), len(rows) - marks["unchanged"]


def noise(share: float, seed: int) -> Plant:
    """Return what multiplies every feature by 1 plus noise of this standard deviation."""
    original, generator = FilterBank.__call__, torch.Generator().manual_seed(seed)

    def noisy(bank: FilterBank, *given: Any) -> dict[int, Tensor]:
        return {
            level: maps * (1 + share * torch.randn(maps.shape, generator=generator))
            for level, maps in original(bank, *given).items()
        }

    def plant(patch: Patch) -> None:
        patch.setattr(FilterBank, "__call__", noisy)

    return plant


def report_surroundings(gate: Gate, folder: Path) -> Iterator[str]:
    """Yield a table of the surroundings, then how near scores of good and defective images lie."""
    first: Scores = {}
    yield "| the same code with | rows | stop the gate | changed | image scores moved by |"
    yield "|:--|--:|--:|--:|--:|"
    for one in SURROUNDINGS:
        results = run(gate, folder, one)
        cells = Store(results).cells()
        rows, found = judged(GATE, cells), image_scores(results, cells)
        first = first or found
        moved = movement(first, found)
        yield f"| {one.name} | {len(rows)} | {' | '.join(map(str, turned(rows)))} | {moved:.1e} |"
    distance, cell = nearest_edge(first)
    yield f"\nNearest scores of a good and a defective image: {distance:.1e} ({cell}).\n"


def report_noise(gate: Gate) -> Iterator[str]:
    """Yield a table of what noise on every feature turns."""
    yield "| noise on every feature | runs | stop the gate | rows that stop it, at most |"
    yield "|--:|--:|--:|--:|"
    for share in NOISE:
        stops = [
            sum(
                turned(gate.rows(",".join(names), noise(share, seed), places, extract=True))[0]
                for names, places in CALLS.values()
            )
            for seed in range(DRAWS)
        ]
        yield f"| {share:.0e} | {DRAWS} | {sum(map(bool, stops))} | {max(stops)} |"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        the_gate = Gate(place, CATEGORIES)
        for report in (report_surroundings(the_gate, place), report_noise(the_gate)):
            for line in report:
                print(line, flush=True)
