"""What the reader sees while cells run, on stderr: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import sys

from tqdm import tqdm

from benchmarks.metrics import METRICS
from benchmarks.store import Cell

SHOWN = ("image_auroc", "pixel_auroc", "aupro_30")


def say(line: str) -> None:
    """Print one line on stderr, above the bar where there is one."""
    tqdm.write(line, file=sys.stderr)
    sys.stderr.flush()


class Progress:
    """Counts extracted images and finished cells.

    Args:
        images: images that have to pass the backbone.
        cells: cells that have to be evaluated.
    """

    def __init__(self, images: int, cells: int) -> None:
        self._cells, self._done = cells, 0
        on_terminal = sys.stderr.isatty()
        self._bar = tqdm(
            total=images, unit="image", desc="backbone", disable=not on_terminal, leave=False
        )

    def advance(self, images: int) -> None:
        """Note that images have passed the backbone."""
        self._bar.update(images)

    def cell(self, cell: Cell) -> None:
        """Note a finished cell and print its line."""
        self._done += 1
        spec = cell.spec
        name = f"[{self._done}/{self._cells}] {spec['category']} {spec['method']} s{spec['seed']}"
        if spec["shots"] is not None:
            name += f" {spec['shots']} shots"
        if cell.status == "failed":
            say(f"{name}: FAILED: {cell.error}")
            return
        values = ", ".join(f"{METRICS[m].label} {_per_cent(cell.metrics.get(m))}" for m in SHOWN)
        say(f"{name}: {values} ({cell.fit_seconds:.1f} s fit, {cell.score_seconds:.1f} s score)")

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()


def _per_cent(value: float | None) -> str:
    return "undefined" if value is None else f"{100 * value:.1f} %"
