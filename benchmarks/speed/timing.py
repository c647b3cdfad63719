"""Times ours and the references in turn, in one run."""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.console import say
from benchmarks.evaluation.device import PeakMemory
from benchmarks.processes import processor_name
from benchmarks.speed.inputs import Inputs, Scale
from benchmarks.speed.report import Comparison, Point
from methods.lazy import Tensor, torch

Run = Callable[[], object]

Step = Callable[["Bench"], list[Comparison]]


@dataclass(frozen=True)
class Reference:
    """What ours is timed against; the whole takes `times` as long as `run`."""

    name: str
    run: Run
    times: float = 1.0
    note: str = ""


@dataclass(frozen=True)
class Agreement:
    """Whether a result is its definition's, and how far."""

    holds: bool | None = None
    text: str = ""


NOT_COMPARED = Agreement()


@dataclass(frozen=True)
class TimedStep:
    """What is timed of a step.

    Attributes:
        rows: ours and the references at one size.
        growth: the same at several sizes, where the step has that.
    """

    rows: Step
    growth: Callable[[Bench], list[Point]] | None = None


class Bench:
    """One run: its inputs and the rows of the steps so far."""

    def __init__(self, scale: Scale, device: str, folder: Path) -> None:
        self.scale, self.device = scale, device
        self.inputs = Inputs(scale, device, folder)
        self._rows: dict[Step, list[Comparison]] = {}

    def rows(self, step: Step) -> list[Comparison]:
        """Return a step's rows, measured when first asked for."""
        if step not in self._rows:
            started = time.perf_counter()
            self._rows[step] = step(self)
            say(f"{step.__name__}: {time.perf_counter() - started:.0f} s")
        return self._rows[step]

    def row(self, step: Step, name: str, reference: str) -> Comparison:
        """Return the first row of a step whose name and reference begin as given."""
        return next(
            row
            for row in self.rows(step)
            if row.step.startswith(name) and row.reference.startswith(reference)
        )

    def time_and_memory(self, run: Run) -> tuple[float, float]:
        """Return a call's seconds and the memory it took beyond what was in use, in 10⁶ bytes."""
        _return_what_is_free()
        memory = PeakMemory(self.device)
        before = memory.megabytes()
        memory.synchronise()
        started = time.perf_counter()
        result = run()
        memory.synchronise()
        elapsed = time.perf_counter() - started
        del result
        return elapsed, max(0.0, memory.megabytes() - before)

    def compare(
        self,
        step: str,
        size: str,
        ours: Run,
        references: Sequence[Reference],
        agreement: Agreement = NOT_COMPARED,
        *,
        times: float = 1.0,
    ) -> list[Comparison]:
        """Time ours and the references in turn; return a row a reference.

        Args:
            step: what the rows are called.
            size: on how much ours runs.
            ours: this project's way.
            references: others' ways.
            agreement: how ours agrees with its definition.
            times: what ours is multiplied by, as where it runs on several images.
        """
        runs = [ours, *(reference.run for reference in references)]
        rounds = [[self.time_and_memory(run) for run in runs] for _ in range(self.scale.repeats)]
        measured, *others = zip(*rounds, strict=True)
        return [
            Comparison(
                step=step,
                size=size,
                ours_seconds=times * median(seconds for seconds, _ in measured),
                reference=reference.name,
                reference_seconds=reference.times * median(seconds for seconds, _ in turns),
                extrapolated=reference.times != 1,
                peak_memory_mb=max(memory for _, memory in measured),
                agrees=agreement.holds,
                agreement=agreement.text,
                note=reference.note,
            )
            for reference, turns in zip(references, others, strict=True)
        ]

    def growth(
        self,
        step: str,
        unit: str,
        most: int,
        at: Callable[[int], tuple[Run, Reference]],
        shares: Sequence[int] = (8, 4, 2, 1),
    ) -> list[Point]:
        """Time ours and a reference in turn at several sizes, one part in `shares` of the most."""
        rows = {}
        for size in (most // share for share in shares):
            ours, reference = at(size)
            (rows[size],) = self.compare(step, "", ours, [reference])
        points = [
            Point(step, "ours", unit, size, row.ours_seconds, row.peak_memory_mb)
            for size, row in rows.items()
        ]
        return points + [
            Point(step, row.reference, unit, size, row.reference_seconds)
            for size, row in rows.items()
        ]


def _return_what_is_free() -> None:
    """Give freed memory back to the system, as what it then takes again would go uncounted."""
    with contextlib.suppress(OSError, AttributeError):  # a C library without it, as on macOS
        ctypes.CDLL(None).malloc_trim(0)


def describe_machine(device: str) -> str:
    """Return what the machine is and how busy it is now: CPU, cores, load, GPU."""
    parts = [
        f"{processor_name()}, {len(os.sched_getaffinity(0))} cores",
        f"{torch.get_num_threads()} threads",
        f"load average {os.getloadavg()[0]:.2f} at the start",
    ]
    return ", ".join(parts if device == "cpu" else [torch.cuda.get_device_name(device), *parts])


TIE = 1e-5
"""Relative difference of distances below which two neighbours tie in float32."""


def close(ours: Tensor, expected: Tensor, what: str) -> Agreement:
    """Compare numbers with what they should be, by their relative difference."""
    error = float(((ours.double() - expected).abs() / expected.abs()).max())
    return Agreement(error < TIE, f"{ours.numel()} {what} differ by at most {error:.0e}")
