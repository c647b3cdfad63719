"""Counts every step on a pretended device; where there is a real one, times it there too."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.console import say
from benchmarks.evaluation import anomaly_maps
from benchmarks.speed.counting.growth import Growth
from benchmarks.speed.counting.processor import Processor, time_processor
from benchmarks.speed.counting.steps import CountedStep, Material, counted_steps
from benchmarks.speed.counting.work import Ledger, Load
from benchmarks.speed.inputs import Inputs, Scale
from methods.components.precision import full_precision
from methods.lazy import torch
from methods.testing.pretended import Counts, pretended_cuda

TRAIN, TEST, MAPS = 40, 4, 100
"""Images whose features are made, and maps that are measured."""


@dataclass(frozen=True)
class Counted:
    """A step, and what it asked for at each of its sizes.

    Attributes:
        step: the step.
        loads: one a size.
        seconds: as measured on a real GPU, one a size; empty where there is none.
    """

    step: CountedStep
    loads: Sequence[Load]
    seconds: Sequence[float] = ()

    @property
    def growth(self) -> Growth:
        """How what it asks for grows."""
        return Growth(
            self.step.terms, self.step.asked or self.step.terms, self.step.sizes, self.loads
        )


def count(scale: Scale, folder: Path) -> tuple[list[Counted], Processor]:
    """Count, and time where there is a GPU; time the processor's part.

    Args:
        scale: shapes and backbone.
        folder: for image files, weights and caches.
    """
    inputs = Inputs(replace(scale, train=TRAIN, test=TEST), "cpu", folder)
    steps = counted_steps(inputs)
    measured = _measure(steps, inputs) if torch.cuda.is_available() else {}
    counted = []
    anomaly_maps._matrix_on.cache_clear()  # what it holds lies on a real device
    with pretended_cuda() as counts, full_precision():
        material = Material(inputs, "cuda")
        for step in steps:
            begun = time.perf_counter()
            loads = [_load(step, material, place, counts) for place in range(len(step.sizes))]
            counted.append(Counted(step, loads, measured.get(step.name, ())))
            say(f"{step.name}: {time.perf_counter() - begun:.0f} s")
    anomaly_maps._matrix_on.cache_clear()
    measured_maps = Inputs(replace(scale, test=MAPS), "cpu", folder)
    return counted, time_processor(measured_maps, folder)


def _load(step: CountedStep, material: Material, place: int, counts: Counts) -> Load:
    run = step.prepare(material, step.sizes[place])
    ledger = Ledger(counts)
    run()
    return ledger.close()


def _measure(steps: Sequence[CountedStep], inputs: Inputs) -> dict[str, list[float]]:
    """Return step → its seconds on a real GPU at each size, the second time."""
    found: dict[str, list[float]] = {}
    with full_precision():
        material = Material(inputs, "cuda")
        for step in steps:
            for size in step.sizes:
                step.prepare(material, size)()
                run = step.prepare(material, size)
                torch.cuda.synchronize()
                begun = time.perf_counter()
                run()
                torch.cuda.synchronize()
                found.setdefault(step.name, []).append(time.perf_counter() - begun)
    return found
