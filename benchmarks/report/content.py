"""What the page shows of every comparison: facts, tables, cells, and what calls took."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.console import say
from benchmarks.figures.style import dash_lengths, style
from benchmarks.metrics import METRICS
from benchmarks.report.cells import category_parts
from benchmarks.report.differences import pairs
from benchmarks.report.facts import facts
from benchmarks.report.pictures import Sheets
from benchmarks.results import Published, journal
from benchmarks.results.journal import Call
from benchmarks.results.metrics_csv import read_rows
from benchmarks.results.published import FILE, TABLES
from benchmarks.results.result_set import MEAN, Comparison, Stored, comparisons
from benchmarks.specs import EvaluationProtocol, resize_for
from benchmarks.statistics.bootstrap import Interval
from benchmarks.tables import tested_marks
from benchmarks.tables.marks import note
from benchmarks.tables.metric_tables import marked_methods
from benchmarks.uncertainty import cell_intervals

if TYPE_CHECKING:
    import pandas as pd


Grid = list[list[float | None]]

Intervals = Mapping[tuple[str, str], Mapping[str, Interval]]

_LINE = 2
"""Width of the page's curves in pixels."""


def build(runs: Sequence[Path], sheets: Sheets) -> dict[str, Any]:
    """Return the content of the page of one run, or of two and their differences.

    Args:
        runs: their folders.
        sheets: where pictures are added.

    Raises:
        BenchmarkError: a run's metrics.csv, or a file that it refers to, is unreadable.
    """
    stored = [[Stored.of(run, one) for one in comparisons(read_rows(run))] for run in runs]
    return {
        "title": " against ".join(map(_name, runs)),
        "note": "",
        "metrics": [asdict(metric) for metric in METRICS.values()],
        "sets": [
            one
            for run, sets in zip(runs, stored, strict=True)
            for one in _sets(run, sets, sheets, suffix=f", {_name(run)}" if len(runs) > 1 else "")
        ],
        "pairs": pairs(*stored) if len(stored) == 2 else [],
    }


def _name(run: Path) -> str:
    return run.resolve().name


def _sets(
    run: Path, sets: Sequence[Stored], sheets: Sheets, suffix: str
) -> Iterator[dict[str, Any]]:
    """Yield everything of a run's comparisons, `suffix` behind their short names."""
    calls = journal.read(run, lambda line: say(f"warning: {line}"))
    every = [one.comparison for one in sets]
    for one in sets:
        first = one.rows.iloc[0]
        what = (one.comparison.dataset, first["backbone"], str(first["image_size"]))
        own = [c for c in calls if (c.dataset, c.backbone, str(c.image_size)) == what]
        yield {"short": _short(one.comparison, every) + suffix, **_set(one, own, sheets)}


def _set(stored: Stored, calls: Sequence[Call], sheets: Sheets) -> dict[str, Any]:
    """Return everything of one comparison; `calls` are those that evaluated its like."""
    comparison = stored.comparison
    parts = [category_parts(stored, category, sheets) for category in comparison.categories]
    return {
        "run": _name(stored.run),
        "caption": comparison.caption("Results").removeprefix("SYNTHETIC DATA. "),
        "synthetic": comparison.dataset == "synthetic",
        "facts": facts(stored, calls),
        "categories": [_category(stored, category) for category in comparison.categories],
        "methods": [_method(stored, method) for method in comparison.methods],
        "tables": _tables(stored),
        "images": [images for images, _ in parts],
        "cells": [cells for _, cells in parts],
        "extractions": _extractions(calls),
        "calls": [_call(call) for call in calls],
    }


def _short(comparison: Comparison, every: Sequence[Comparison]) -> str:
    """Return what tells a comparison from the others of its run, usual settings left out."""
    first = comparison.rows.iloc[0]
    alike = [one.rows.iloc[0] for one in every if one.rows.iloc[0]["backbone"] == first["backbone"]]
    size = int(first["image_size"])
    parts = [f"{first['backbone']} {size} px"]
    if "dataset" in comparison.varying:
        parts.insert(0, comparison.dataset)
    if any(first[column] != alike[0][column] for column in ("weights", "weights_sha256")):
        parts.append(f"weights {first['weights']}, sha256 {first['weights_sha256'][:8]}")
    if first["layers"] != alike[0]["layers"]:
        parts.append(f"layers {', '.join(json.loads(first['layers']).values())}")
    usual = {
        "fit": EvaluationProtocol.fit,
        "resize": resize_for(size) if first["fit"] == "crop" else size,
        "dtype": EvaluationProtocol.dtype,
        "mask_resize": EvaluationProtocol.mask_resize,
        "smoothing_sigma": EvaluationProtocol.smoothing_sigma,
        "shots": "",
    }
    for column, value in usual.items():
        if first[column] != str(value):
            parts.append(f"{column.replace('_', ' ')} {first[column]}")
    return ", ".join(parts)


def _category(stored: Stored, category: str) -> dict[str, Any]:
    """Return a category's name and numbers of images, as its cells saw them."""
    rows = stored.rows[stored.rows["category"] == category]
    counts = {"n_train": "n_train", "n_good": "n_test_good", "n_defect": "n_test_defect"}
    known = {name: [int(text) for text in rows[column] if text] for name, column in counts.items()}
    return {"name": category, **{name: next(iter(found), None) for name, found in known.items()}}


def _method(stored: Stored, method: str) -> dict[str, Any]:
    texts = stored.rows.loc[stored.rows["method"] == method, "params"]
    look = style(method)
    return {
        "name": method,
        "params": json.loads(texts.iloc[0] or "{}"),
        "seeds": list(stored.comparison.methods[method]),
        "colour": look.colour,
        "dash": " ".join(f"{_LINE * length:g}" for length in dash_lengths(look.line)),
    }


def _extractions(calls: Sequence[Call]) -> list[dict[str, Any]]:
    """Return images, passes and seconds of each category, summed over calls and backbones."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0, 0, 0.0])
    for one in (extraction for call in calls for extraction in call.extractions):
        sums[one.category][0] += one.images
        sums[one.category][1] += one.passed
        sums[one.category][2] += one.seconds
    names = ("category", "images", "passed", "seconds")
    return [dict(zip(names, (category, *sums[category]), strict=True)) for category in sorted(sums)]


def _call(call: Call) -> dict[str, Any]:
    names = ("started_utc", "seconds", "workers", "device", "cells", "failed")
    return {name: getattr(call, name) for name in names}


def _tables(stored: Stored) -> dict[str, dict[str, Any]]:
    """Return metric → its table, of all metrics that any cell names."""
    comparison = stored.comparison
    intervals = {
        (category, method): cell_intervals(path, stored.maps.get((category, method)))
        for (category, method), path in stored.scores.items()
        if len(comparison.methods[method]) == 1
    }
    full = comparison.dataset == "mvtec_ad" and not stored.rows["shots"].any()
    published = Published.load() if full and FILE.is_file() else Published()
    return {
        metric: _table(stored, metric, intervals, published)
        for metric in filter(comparison.has, METRICS)
    }


def _table(
    stored: Stored, metric: str, intervals: Intervals, published: Published
) -> dict[str, Any]:
    comparison = stored.comparison
    table = comparison.table(metric)
    marks = tested_marks(stored.run, comparison, table)
    methods = list(comparison.methods)
    best = [sorted(map(methods.index, row)) for row in marked_methods(table, marks)]
    rows = [*comparison.categories, None]
    spans = [
        [intervals.get((str(row), method), {}).get(metric) for method in methods] for row in rows
    ]
    beside = _published(published, metric, comparison)
    return {
        "values": _grid(table.values),
        "deviations": _grid(table.deviations),
        "failed": table.failed.to_numpy().tolist(),
        "low": _ends(spans, 0),
        "high": _ends(spans, 1),
        "best": best,
        "note": note(marks) if len(methods) > 1 else "",
        "published": beside,
        "published_note": _SOURCES.format(*TABLES[metric]) if beside else "",
    }


def _grid(frame: pd.DataFrame) -> Grid:
    rows = frame.to_numpy(float).tolist()
    return [[None if isnan(value) else value for value in row] for row in rows]


def _ends(spans: Sequence[Sequence[Interval | None]], end: int) -> Grid | None:
    """Return the lower (0) or upper (1) ends of intervals, None where nothing gives any."""
    grid = [[span and span[end] for span in row] for row in spans]
    return grid if any(span is not None for row in spans for span in row) else None


_SOURCES = (
    "As published, with WideResNet50 at 224 pixels: PatchCore from its paper's table {}, SPADE and "
    "PaDiM from their own papers; means that those lack from the PatchCore paper's table {}."
)


def _published(published: Published, metric: str, comparison: Comparison) -> Grid | None:
    """Return published values on the metric's own scale, None where there are none."""
    if metric not in TABLES:
        return None
    per_cent = [
        [published.main(method, metric, row) for method in comparison.methods]
        for row in (*comparison.categories, MEAN)
    ]
    grid = [[None if value is None else value / 100 for value in row] for row in per_cent]
    return grid if any(value is not None for row in grid for value in row) else None
