"""Above which scores images and pixels are alarms, as held-out images say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.console import say
from benchmarks.files import as_csv, write_file
from benchmarks.metrics.calibrated import PER_CENT, images_needed
from benchmarks.results import ResultSet
from benchmarks.results.result_set import category_of, distinctions
from benchmarks.tables.rendering import captioned_table

CAPTION = (
    "Thresholds that held-out images set for 1, 5 and 10 % of false alarms: an image is an alarm "
    "where its score is above image_01, image_05 or image_10; a pixel of its map likewise."
)


def write_thresholds(sets: Sequence[ResultSet], folder: Path) -> list[Path]:
    """Write thresholds.md and .csv where images were held out, and say so; return their paths.

    Raises:
        StorageError: they can't be written.
    """
    names = [f"{level}_{rate:02}" for level in ("image", "pixel") for rate in PER_CENT]
    settings = distinctions(sets)
    header = [*settings[0], "category", "method", "seed", "n_held_out", *names]
    rows: list[list[object]] = [
        [
            *(*labels.values(), category_of(cell), title, cell.spec.seed, cell.n_held_out),
            *(cell.thresholds.get(name, "") for name in names),
        ]
        for results, labels in zip(sets, settings, strict=True)
        for title, cell in results.titled
        if cell.thresholds
    ]
    if not rows:
        return []
    paths = [folder / "thresholds.md", folder / "thresholds.csv"]
    texts = [list(map(_text, header, row)) for row in rows]
    write_file(paths[0], captioned_table(CAPTION, header, texts).encode())
    write_file(paths[1], as_csv([header, *rows]))
    say(f"thresholds of scores: {paths[0]}")
    return paths


def _text(name: str, value: object) -> str:
    """Return a number with six digits, and for an absent one how many images it takes."""
    if value is None:
        return f"needs {images_needed(int(name[-2:]))}"
    return f"{value:.6g}" if isinstance(value, float) else str(value) or "–"
