"""What a shift or contamination costs: each metric with it and without, tested image by image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.files import as_csv, write_file
from benchmarks.metrics.calibrated import KNOWN
from benchmarks.metrics.definitions import HEADLINE
from benchmarks.results import Cell, ResultSet
from benchmarks.results.pairs import category_pairs
from benchmarks.results.result_set import Place, distinctions
from benchmarks.specs import CONDITIONS
from benchmarks.statistics.pairs import Pair, correct_table
from benchmarks.tables.rendering import captioned_table

COLUMNS = ("category", "method", "against", "metric", "without", "with", "drop", "Holm", "differ")

SHOWN = (*HEADLINE, "calibrated_false_alarm_rate_05")
"""Metrics of the Markdown table."""

CAPTION = (
    "What conditions cost, of each method's first seed: a metric without and with the condition, "
    "and its drop, which is positive where the condition makes it worse. The image AUROC is tested "
    "image by image, Holm over all tests of the table, 5%. conditions.csv has all metrics."
)

NEUTRAL = {"shift": "", "contamination": 0.0}

Row = dict[str, Any]


def write_conditions(sets: Sequence[ResultSet], folder: Path) -> list[Path]:
    """Write conditions.md and .csv where sets differ by a condition; return their paths.

    Raises:
        BenchmarkError: a score file is unreadable.
        StorageError: the tables can't be written.
    """
    rows = list(_rows(sets))
    if not rows:
        return []
    for number, pairs in correct_table({n: row["pairs"] for n, row in enumerate(rows)}).items():
        for pair in pairs:
            rows[number] |= {"Holm": pair.holm, "differ": pair.verdict}
    names = distinctions(sets)[0]
    telling = [n for n in names if n in CONDITIONS or len({row[n] for row in rows}) > 1]
    header = [*telling, *COLUMNS]
    shown = [[_text(row.get(n)) for n in header] for row in rows if row["metric"] in SHOWN]
    paths = [folder / f"conditions.{suffix}" for suffix in ("md", "csv")]
    write_file(paths[0], captioned_table(CAPTION, header, shown).encode())
    write_file(paths[1], as_csv([header, *([row.get(name) for name in header] for row in rows)]))
    return paths


def _text(value: object) -> str:
    number = f"{value:.4f}" if isinstance(value, float) else str(value)
    return "–" if value in (None, "") else number


def _rows(sets: Sequence[ResultSet]) -> Iterator[Row]:
    """Yield what a row holds, by column, and `pairs`, the test of its image AUROC."""
    settled = zip(sets, distinctions(sets), strict=True)
    for (results, settings), (name, neutral), plain in product(settled, NEUTRAL.items(), sets):
        wanted = results.dataset, results.measure, {**results.spec.conditions, name: neutral}
        if plain is results or (plain.dataset, plain.measure, plain.spec.conditions) != wanted:
            continue
        for place, after in results.first.items():
            before = plain.first.get(place)
            if before is not None and before.spec.seed == after.spec.seed:
                start = {**settings, **dict(zip(COLUMNS, (*place, f"no {name}"), strict=False))}
                for metric, values in _measured(before, after):
                    tested = metric == "image_auroc"
                    pairs = _tested(plain, results, place) if tested else ()
                    yield {**start, "metric": metric, **values, "pairs": pairs}


def _measured(before: Cell, after: Cell) -> Iterator[tuple[str, Row]]:
    """Yield each metric that both cells have, with its values and their difference."""
    for metric, known in KNOWN.items():
        values = before.metrics.get(metric), after.metrics.get(metric)
        if values[0] is not None and values[1] is not None:
            lost = values[0] - values[1] if known.higher_is_better else values[1] - values[0]
            yield metric, dict(zip(("without", "with", "drop"), (*values, lost), strict=True))


def _tested(plain: ResultSet, results: ResultSet, place: Place) -> tuple[Pair, ...]:
    """Return the test of equal image AUROCs on the images that both judged; empty without any."""
    both = {"without": plain.scores, "with": results.scores}
    files = {(place[0], name): scores[place] for name, scores in both.items() if place in scores}
    return category_pairs(files, place[0], [name for _, name in files], common=True)
