"""A run's intervals and pairs as tables, Markdown and CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.files import frame_as_csv, write_file
from benchmarks.metrics.calibrated import KNOWN, SHOWN
from benchmarks.metrics.definitions import MAIN
from benchmarks.results import ResultSet
from benchmarks.results.captions import noted_once
from benchmarks.results.intervals import estimates
from benchmarks.results.pairs import OVER, WITHIN, all_pairs
from benchmarks.results.result_set import distinctions
from benchmarks.statistics.proportions import COVERAGE
from benchmarks.tables.rendering import captioned_table
from benchmarks.uncertainty.caveats import caveat
from benchmarks.uncertainty.pairs import pairs_markdown

if TYPE_CHECKING:
    import pandas as pd


FILES = ("uncertainty.md", "uncertainty.csv", "pairs.md", "pairs.csv")


def _estimates_table(results: ResultSet, frame: pd.DataFrame, metric: str) -> str:
    """Return one metric's categories × methods as Markdown."""
    fraction = KNOWN[metric].unit == "fraction"
    texts = {}
    row: Any
    for row in frame[frame["metric"] == metric].itertuples():
        value, low, high = (
            f"{100 * number:.1f}" if fraction else f"{number:.0f}"
            for number in (row.value, row.low, row.high)
        )
        spread = "" if np.isnan(row.low) else f" [{low}, {high}]"
        texts[row.category, row.method] = "–" if np.isnan(row.value) else value + spread
    unit = "%" if fraction else "images"
    subject = f"{KNOWN[metric].label} in {unit} [{COVERAGE:.0%} interval over test images]"
    subject += results.note_on(metric)
    rows = [
        [category, *(texts.get((category, method), "–") for method in results.methods)]
        for category in results.categories
    ]
    header = ["category", *results.methods]
    caption = f"{results.caption(subject, results.first_seed)} {caveat(metric)}"
    return captioned_table(caption, header, rows)


def _pairs_shown(results: ResultSet, frame: pd.DataFrame, metric: str) -> list[str]:
    """Return what is printed of a metric's pairs: of few categories what each of them tells."""
    pairs = frame[frame["metric"] == metric]
    verdicts = pairs[pairs["holm"].notna()]
    if len(results.categories) > 1 and (OVER in {*verdicts["test"]} or verdicts.empty):
        return [pairs_markdown(results, frame, metric, [OVER])]
    has_pairs = WITHIN in {*pairs["test"]}
    return [pairs_markdown(results, frame, metric, [WITHIN])] if has_pairs else []


def uncertainty_files(sets: Sequence[ResultSet]) -> tuple[dict[str, str], str]:
    """Return file of uncertainty and pairs, .md and .csv, → its text, and the main tables.

    Args:
        sets: a run's result sets.

    Raises:
        BenchmarkError: a stored file is unreadable.
    """
    texts: dict[str, list[str]] = {name: [] for name in FILES[::2]}
    heads, bodies = dict.fromkeys(FILES[1::2], ""), dict.fromkeys(FILES[1::2], "")
    shown = []
    for results, settings in zip(sets, distinctions(sets), strict=True):
        cells, tests = estimates(results), all_pairs(results)
        captions = results.caption("Intervals", results.first_seed), results.caption("Pairs")
        for name, caption, frame in zip(heads, captions, (cells, tests), strict=True):
            labelled = frame.assign(**settings)[[*settings, *frame.columns]]
            header = not heads[name]  # one file is one table
            heads[name] += f"# {caption}\n"
            bodies[name] += frame_as_csv(labelled, header=header)
        for metric in filter(results.has, KNOWN):
            texts["uncertainty.md"].append(_estimates_table(results, cells, metric))
            if metric in (*MAIN, *SHOWN) and results.measured(metric):
                shown.append(texts["uncertainty.md"][-1])
            texts["pairs.md"].append(pairs_markdown(results, tests, metric))
            if metric in MAIN and results.measured(metric):
                shown += _pairs_shown(results, tests, metric)
    files = {name: heads[name] + bodies[name] for name in heads}
    files |= {name: "\n".join(texts[name]) for name in texts}
    notes = [note for results in sets for note in results.notes]
    return files, "\n".join(noted_once(shown, notes))


def write_uncertainty(files: Mapping[str, str], folder: Path) -> list[Path]:
    """Write the files that `uncertainty_files` returned to a folder; return their paths.

    Raises:
        StorageError: they can't be written.
    """
    for name, text in files.items():
        write_file(folder / name, text.encode())
    return [folder / name for name in files]
