"""What a shift or contamination costs: each metric with it and without, tested image by image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.metrics.calibrated import KNOWN
from benchmarks.results import ResultSet
from benchmarks.results.result_set import Place, distinctions
from benchmarks.results.scores import read_image_scores
from benchmarks.statistics.paired import paired_test
from benchmarks.statistics.pairs import Pair, corrected
from benchmarks.tables.rendering import write_rows

COLUMNS = ("category", "method", "against", "metric", "without", "with", "drop", "Holm", "differ")

CAPTION = (
    "What conditions cost, of each method's first seed: a metric without and with the condition, "
    "and its drop, which is positive where the condition makes it worse. The image AUROC is tested "
    "image by image, Holm over all tests of the table, 5%."
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
    tested = [row for row in rows if row["metric"] == "image_auroc"]
    p_values = corrected([row["p"] for row in tested])
    for row, p_value, holm in zip(tested, [row["p"] for row in tested], p_values, strict=True):
        verdict = Pair("without", "with", 0, 0, p_value, holm).verdict
        row |= {"Holm": holm, "differ": verdict}
    header = [*distinctions(sets)[0], *COLUMNS]
    texts = [[_text(row.get(name)) for name in header] for row in rows]
    values = [[row.get(name) for name in header] for row in rows]
    return write_rows(folder / "conditions", CAPTION, header, texts, values)


def _text(value: object) -> str:
    number = f"{value:.4f}" if isinstance(value, float) else str(value)
    return "–" if value in (None, "") else number


def _rows(sets: Sequence[ResultSet]) -> Iterator[Row]:
    """Yield what a row holds, by column, and `p`, the p value of its image AUROC."""
    for results, settings in zip(sets, distinctions(sets), strict=True):
        for name, neutral in NEUTRAL.items():
            wanted = {**results.spec.conditions, name: neutral}
            for plain in sets if wanted != results.spec.conditions else ():
                alike = (plain.dataset, plain.measure) == (results.dataset, results.measure)
                if alike and plain.spec.conditions == wanted:
                    for row in _compared(plain, results, f"no {name}"):
                        yield {**settings, **row}


def _compared(plain: ResultSet, results: ResultSet, against: str) -> Iterator[Row]:
    for place, cell in results.first.items():
        before = plain.first.get(place)
        if before is None or before.spec.seed != cell.spec.seed:
            continue
        p_value = _p_value(plain, results, place)
        for metric in filter(results.has, KNOWN):
            values = before.metrics.get(metric), cell.metrics.get(metric)
            if values[0] is not None and values[1] is not None:
                sign = 1 if KNOWN[metric].higher_is_better else -1
                drop = sign * (values[0] - values[1])
                row = *place, against, metric, *values, drop
                yield {**dict(zip(COLUMNS, row, strict=False)), "p": p_value}


def _p_value(plain: ResultSet, results: ResultSet, place: Place) -> float | None:
    """Return that of equal image AUROCs on the images that both judged; None without a verdict."""
    if place not in plain.scores or place not in results.scores:
        return None
    frames = [read_image_scores(part.scores[place]) for part in (plain, results)]
    both = frames[0].merge(frames[1], on=["path", "label"])
    return paired_test(*(both[name].to_numpy() for name in ("label", "score_x", "score_y")))
