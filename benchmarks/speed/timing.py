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
from benchmarks.evaluation.device import PeakMemory, card_name
from benchmarks.evaluation.provenance import git_sha, versions
from benchmarks.processes import cores, processor_name
from benchmarks.speed.inputs import Inputs, Scale
from benchmarks.speed.report import Comparison
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


Agreement = tuple[bool | None, str]
"""Whether a result is its definition's, None where they weren't compared; and how far."""


class Bench:
    """One run: its inputs and the rows of the steps so far."""

    def __init__(self, scale: Scale, device: str, folder: Path) -> None:
        self.scale, self.device = scale, device
        self.measured = (
            f"scale {scale.name}, medians of rounds ({scale.repeats}) in which ours and the "
            f"references take turns; the category is run once. {describe_machine(device)}"
        )
        self.inputs = Inputs(scale, device, folder)
        self._rows: dict[Step, list[Comparison]] = {}

    def rows(self, step: Step) -> list[Comparison]:
        """Return a step's rows, of its full size last, measured when first asked for."""
        if step not in self._rows:
            self._rows[step] = step(self)
            say(f"{step.__name__}: measured")
        return self._rows[step]

    def time_and_memory(self, run: Run) -> tuple[float, float]:
        """Return a call's seconds and the memory it took beyond what was in use, in 10⁶ bytes."""
        with contextlib.suppress(OSError, AttributeError):  # a C library without it, as on macOS
            ctypes.CDLL(None).malloc_trim(0)  # what is free and taken again would go uncounted
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
        agreement: Agreement = (None, ""),
        *,
        amount: tuple[int, str] = (1, ""),
        times: float = 1.0,
    ) -> list[Comparison]:
        """Time ours and the references in turn; return a row a reference.

        Args:
            step: what the rows are called.
            size: on how much ours runs.
            ours: this project's way.
            references: others' ways.
            agreement: how ours agrees with its definition.
            amount: of several sizes, how many, and of what.
            times: what ours is multiplied by, as where it runs on several images.
        """
        runs = [ours, *(reference.run for reference in references)]
        rounds = [[self.time_and_memory(run) for run in runs] for _ in range(self.scale.repeats)]
        seconds = [median(seconds for seconds, _ in turns) for turns in zip(*rounds, strict=True)]
        return [
            Comparison(
                step=step,
                size=size,
                ours_seconds=times * seconds[0],
                reference=reference.name,
                reference_seconds=reference.times * theirs,
                extrapolated=reference.times != 1,
                peak_memory_mb=max(measured[0][1] for measured in rounds),
                agrees=agreement[0],
                agreement=agreement[1],
                note=reference.note,
                amount=amount[0],
                unit=amount[1],
                measured=self.measured,
            )
            for reference, theirs in zip(references, seconds[1:], strict=True)
        ]


def describe_machine(device: str) -> str:
    """Return what the machine is and how busy it is now, CPU, cores, load, GPU; and versions."""
    load = f"load average {os.getloadavg()[0]:.2f} at the start"
    threads = f"{cores()} cores, {torch.get_num_threads()} threads"
    machine = ", ".join(filter(None, (card_name(device), processor_name(), threads, load)))
    packages = ", ".join(" ".join(pair) for pair in versions().items())
    return f"Machine: {machine}.\nRevision {git_sha() or 'unknown'}; {packages}."


TIE = 1e-5
"""Relative difference of distances below which two neighbours tie in float32."""


def close(ours: Tensor, expected: Tensor, what: str) -> Agreement:
    """Compare numbers with what they should be, by their relative difference."""
    error = float(((ours.double() - expected).abs() / expected.abs()).max())
    return error < TIE, f"{ours.numel()} {what} differ by at most {error:.0e}"
