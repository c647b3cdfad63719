"""Assembles the page: one file that needs nothing else."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.files import write_file
from benchmarks.report.content import build
from benchmarks.report.decision import POINT
from benchmarks.report.pictures import Sheet, Sheets, shrunk_to
from benchmarks.report.schema import Content
from benchmarks.results import ResultSet

FOLDER = Path(__file__).parent / "page"

SCRIPTS = (
    "base.js",
    "codecs.js",
    "address.js",
    "controls.js",
    "tables.js",
    "svg.js",
    "histogram.js",
    "pictures.js",
    "outcomes.js",
    "cards.js",
    "failures.js",
    "decision.js",
    "summary.js",
    "overview.js",
    "reproduction.js",
    "curves.js",
    "threshold.js",
    "gallery.js",
    "viewer.js",
    "pareto.js",
    "speed.js",
    "differences.js",
    "main.js",
)
"""In the order in which they run."""

LIMIT = 15_000_000
"""Bytes that a page has at most, as long as its pictures can be made smaller."""

FRAME = 100
"""More bytes than stand around a sheet in the page."""


def write_report(
    runs: Sequence[Sequence[ResultSet]],
    out: Path,
    metrics: Sequence[str] = (),
    points: float = POINT,
) -> Path:
    """Write the report of one run, or of two and their differences, to `out`; return `out`.

    The same cells give the same bytes.

    Args:
        runs: the result sets of each.
        out: the page.
        metrics: those that are shown first.
        points: the smallest difference of AUROC that matters, in per cent.

    Raises:
        BenchmarkError: a file that a run refers to is unreadable.
        StorageError: the page can't be written.
    """
    gathered = Sheets()
    content = build(runs, gathered, metrics, points)
    rest = len(_page(content, ()).encode()) + FRAME * len(gathered.all())
    sheets, times = shrunk_to(gathered.all(), LIMIT - rest)
    if times:
        share = f"1/{2**times} of their stored size"
        content["note"] = f"Pictures are shown at {share}, so that all fit."
    write_file(out, _page(content, sheets).encode())
    return out


def _page(content: Content, sheets: Sequence[Sheet]) -> str:
    # A "<" could end the script that holds it.
    data = json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    parts = {
        "<!--TITLE-->": html.escape(content["title"]),
        "/*STYLE*/": _read("style.css"),
        "/*SCRIPT*/": "\n".join(map(_read, SCRIPTS)),
        "<!--CONTENT-->": f'<script type="application/json" id="content">{data}</script>',
        "<!--SHEETS-->": "\n".join(
            f'<script type="text/plain" id="sheet-{number}">{sheet.text}</script>'
            for number, sheet in enumerate(sheets)
        ),
    }
    places = "|".join(map(re.escape, parts))
    return re.sub(places, lambda place: parts[place[0]], _read("page.html"))


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
