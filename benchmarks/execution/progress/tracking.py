"""The progress of a run, shown on stderr: a grid on a terminal, plain lines in a log."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

from benchmarks.console import on_terminal, say
from benchmarks.evaluation.job import Job, Stage
from benchmarks.execution.plan import JobsByCategory, Plan
from benchmarks.execution.progress.board import Board, State
from benchmarks.execution.progress.forecast import MINUTE, Forecast, pixels
from benchmarks.features.crops import count_images
from benchmarks.metrics.definitions import HEADLINE, METRICS
from benchmarks.names import printable
from benchmarks.results import Cell
from benchmarks.results.journal import Extraction
from benchmarks.specs import CellSpec

Key = tuple[str, str, tuple[object, ...], int]


class Progress:
    """Follows the cells of a plan and the images that pass its backbones.

    Args:
        plan: the plan.
        missing: category → its cells to evaluate.
        images: (category, backbone) → images that have to pass it.
        forecast: estimates how long the rest takes.
        clock: returns seconds, from any origin.
    """

    def __init__(
        self,
        plan: Plan,
        missing: JobsByCategory,
        images: Mapping[tuple[str, str], int],
        forecast: Forecast,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._members, self._forecast, self._clock = len(plan.members), forecast, clock
        self._begun, self._fitting = clock(), clock()
        stored = (_key(job.spec) for jobs in plan.work.values() for job in jobs)
        self._states = dict.fromkeys(stored, State("stored"))
        self._pixels = {
            _key(job.spec): pixels(plan, category, job)
            for category, jobs in missing.items()
            for job in jobs
        }
        self._states |= dict.fromkeys(self._pixels, State("waiting"))
        self._to_pass = dict(images)
        self._images = {c.name: count_images(plan.parts(c)) for c in missing}
        self._evaluated, self._passed = 0, 0
        self._extracted = Counter[str]()
        self._from_cache = Counter[str]()
        self._extracting: tuple[str, ...] = ()
        self._live = None
        if on_terminal():
            from benchmarks.execution.progress.terminal import start

            self._live = start(self.board)

    def advance(self, category: str, backbone: str, images: int) -> None:
        """Note that images have passed a backbone."""
        self._passed += images
        self._to_pass[category, backbone] -= images

    def extracted(self, extraction: Extraction) -> None:
        """Note that a category's features, or some of them, were extracted or have failed."""
        category = extraction.category
        self._forecast.extraction(extraction)
        self._extracted[category] += extraction.images
        self._from_cache[category] += extraction.images - extraction.passed
        whole, cached = self._members * self._images[category], self._from_cache[category]
        if self._live is None and self._extracted[category] == whole:
            passed = whole - cached
            name = printable(category)
            say(f"{name}: {passed} images passed the backbone, {cached} came from the cache")

    def stage(self, job: Job, stage: Stage) -> None:
        """Note what is done for a job in this process."""
        key = _key(job.spec)
        if stage == "fit" and self._states[key].text == "features":
            self._fitting = self._clock()
        self._states[key] = State("running", stage)

    def at_work(self, jobs: Iterable[Job], extracting: Iterable[str]) -> None:
        """Note what workers do: jobs, and categories whose features they extract."""
        running = {_key(job.spec) for job in jobs}
        for key, state in self._states.items():
            if key in running:
                self._states[key] = State("running")
            elif state.kind == "running":
                self._states[key] = State("waiting")
        self._extracting = tuple(extracting)

    def cell(self, cell: Cell) -> None:
        """Note a finished cell; print its line, where there is no grid or it failed."""
        spec, auroc = cell.spec, cell.metrics.get("image_auroc")
        key = _key(spec)
        if cell.status == "ok":
            seconds = (cell.fit_seconds or 0) + (cell.score_seconds or 0)
            if self._states[key].text:  # it ran here, and was seen from its fit to its storage
                seconds = self._clock() - self._fitting
            self._forecast.cell(spec.method, seconds / self._pixels[key])
            self._states[key] = State("done", "–" if auroc is None else f"{100 * auroc:.1f}")
        else:
            self._states[key] = State("failed")
        self._evaluated += 1
        if self._live is None or cell.status == "failed":
            left = self.seconds_left()
            say(self._line(cell) + (f", {about(left)} left" if left else ""))

    def _line(self, cell: Cell) -> str:
        name = f"[{self._evaluated}/{len(self._pixels)}] {cell.spec.label}"
        if cell.status == "failed":
            return f"{name}: FAILED: {cell.failure}"
        known = {m: value for m in HEADLINE if (value := cell.metrics.get(m)) is not None}
        values = ", ".join(f"{METRICS[m].label} {100 * known[m]:.1f} %" for m in known)
        times = f"{cell.fit_seconds:.1f} s fit, {cell.score_seconds:.1f} s score"
        return f"{name}: {values or 'no metric is defined'} ({times})"

    def seconds_left(self) -> float | None:
        """Return how long the rest takes, None where that is unknown."""
        cells, images, unfinished = Counter[str](), Counter[str](), set[str]()
        for key, count in self._pixels.items():
            if self._states[key].kind in {"waiting", "running"}:
                cells[key[1]] += count
                unfinished.add(key[0])
        for (category, backbone), count in self._to_pass.items():
            if category in unfinished:  # a category without features has only failed cells
                images[backbone] += max(0, count)
        return self._forecast.seconds(cells, images)

    def board(self) -> Board:
        """Return the state of the run now."""
        states: dict[tuple[str, str], list[State]] = {}
        running = [f"{category} features" for category in self._extracting]
        for key, state in self._states.items():
            states.setdefault(key[:2], []).append(state)
            if state.kind == "running":
                running.append(" ".join([*key[:2], f"s{key[3]}", state.text]).strip())
        images = self._passed + sum(max(0, count) for count in self._to_pass.values())
        counts = (
            f"{self._evaluated} of {len(self._pixels)} cells, {self._passed} of {images} images "
            f"through the backbone, {self._from_cache.total()} from the cache"
        )
        left, elapsed = self.seconds_left(), timedelta(seconds=int(self._clock() - self._begun))
        known = "time left unknown" if left is None else f"{about(left)} left"
        return Board(counts, f"{elapsed} elapsed, {known}", ", ".join(running), states)

    def close(self) -> None:
        """Remove the grid."""
        if self._live is not None:
            self._live.stop()


def about(seconds: float) -> str:
    """Return a duration in words, rounded to minutes."""
    minutes = round(seconds / MINUTE)
    if minutes < 1:
        return "less than 1 min"
    hours = f"{minutes // 60} h " if minutes >= 60 else ""
    return f"about {hours}{minutes % 60} min"


def _key(spec: CellSpec) -> Key:
    return spec.category, spec.method, tuple(spec.conditions.values()), spec.seed
