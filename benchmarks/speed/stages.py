"""Runs `benchmarks.run` and notes in which stage its threads spend processor time.

    python -m benchmarks.speed.stages FILE [argument of benchmarks.run …]

writes a JSON object, stage → seconds, to FILE. A stage within another isn't counted in that.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

STAGES: Mapping[str, tuple[str, ...]] = {
    "files: read, hash, check": ("datasets.whole_files:inspect",),
    "masks: decode": ("datasets.indexing:mask_facts",),
    "what crop and resizing take": ("datasets.seen:see",),
    "ground truth": ("evaluation.category:read_masks",),
    "index: the rest": ("run.request:chosen_dataset",),
    "images: decode, resize": ("features.crops:load_image",),
    "features": ("execution.extracting:Extractor.arrays",),
    "cache: checksums": ("features.extraction:FeatureCache.load",),
    "methods": ("evaluation.evaluating:_score_within",),
    "measuring": ("evaluation.evaluating:measure_pixels", "evaluation.evaluating:image_metrics"),
    "previews, maps to keep": ("evaluation.evaluating:maps_to_keep",),
    "storing": ("execution.recorder:Store.write",),
    "tables": ("run.program:write_tables", "run.program:terminal_tables"),
    "figures": ("figures.writing:write_figures",),
    "report": ("run.program:write_report",),
}
"""Stage → the functions that are it, where they are looked up."""

CHILDREN = "other processes, as of figures"


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


def watch(stopwatch: Stopwatch) -> None:
    """Have the stages' functions timed."""
    for stage, places in STAGES.items():
        for place in places:
            module, _, path = place.partition(":")
            *inside, name = path.split(".")
            owner: Any = importlib.import_module(f"benchmarks.{module}")
            for outer in inside:
                owner = getattr(owner, outer)
            setattr(owner, name, stopwatch.timed(stage, getattr(owner, name)))


def main() -> int:
    """Run the command line and return the exit status of `benchmarks.run`."""
    file, *arguments = sys.argv[1:]
    stopwatch = Stopwatch()
    watch(stopwatch)
    status: int = importlib.import_module("benchmarks.run.__main__").main(arguments)
    times = os.times()
    stopwatch.seconds[CHILDREN] = times.children_user + times.children_system
    Path(file).write_text(json.dumps(stopwatch.seconds), encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
