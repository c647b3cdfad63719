"""What a shift or contamination costs: each metric with it and without, tested image by image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.files import as_csv, write_file
from benchmarks.metrics.calibrated import KNOWN
from benchmarks.results import ResultSet
from benchmarks.results.result_set import Place, distinctions
from benchmarks.results.scores import read_image_scores
from benchmarks.statistics.paired import paired_test
from benchmarks.statistics.pairs import Pair, corrected
from benchmarks.tables.rendering import captioned_table

COLUMNS = ("category", "method", "against", "metric", "without", "with", "drop", "Holm", "differ")

CAPTION = (
    "What conditions cost, of each method's first seed: a metric without and with the condition, "
    "and its drop, which is positive where the condition makes it worse. The image AUROC is tested "
    "image by image, Holm over all tests of the table, 5%."
)

NEUTRAL = {"shift": "", "contamination": 0.0}

Row = tuple[object, ...]


def write_conditions(sets: Sequence[ResultSet]) -> list[Path]:
    """Write tables/conditions.md and .csv where sets differ by a condition; return their paths.

    Raises:
        BenchmarkError: a score file is unreadable.
        StorageError: the tables can't be written.
    """
    rows = list(_rows(sets))
    if not rows:
        return []
    tested = [n for n, (*_, metric, _, _, _, p) in enumerate(rows) if metric == "image_auroc"]
    holm = dict(zip(tested, corrected([rows[n][-1] for n in tested]), strict=True))  # type: ignore[misc]
    finished = []
    for number, (*labels, without, with_it, drop, p) in enumerate(rows):
        pair = Pair("without", "with", 0, 0, p, holm.get(number))  # type: ignore[arg-type]
        verdict = pair.verdict if number in holm else ""
        finished.append((*labels, without, with_it, drop, holm.get(number), verdict))
    header = [*distinctions(sets)[0], *COLUMNS]
    shown = [[_text(value) for value in row] for row in finished]
    paths = [sets[0].run / "tables" / f"conditions.{suffix}" for suffix in ("md", "csv")]
    write_file(paths[0], captioned_table(CAPTION, header, shown).encode())
    write_file(paths[1], as_csv([header, *finished]))
    return paths


def _text(value: object) -> str:
    return (
        "–" if value in (None, "") else f"{value:.4f}" if isinstance(value, float) else str(value)
    )


def _rows(sets: Sequence[ResultSet]) -> Iterator[Row]:
    """Yield settings, category, method, condition, metric, two values, drop and p value."""
    for results, settings in zip(sets, distinctions(sets), strict=True):
        for name, neutral in NEUTRAL.items():
            wanted = {**results.spec.conditions, name: neutral}
            for plain in sets if wanted != results.spec.conditions else ():
                alike = (plain.dataset, plain.measure) == (results.dataset, results.measure)
                if alike and plain.spec.conditions == wanted:
                    for row in _compared(plain, results, f"no {name}"):
                        yield *settings.values(), *row


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
                yield *place, against, metric, *values, drop, p_value


def _p_value(plain: ResultSet, results: ResultSet, place: Place) -> float | None:
    """Return that of equal image AUROCs on the images that both judged; None without a verdict."""
    if place not in plain.scores or place not in results.scores:
        return None
    frames = [read_image_scores(part.scores[place]) for part in (plain, results)]
    both = frames[0].merge(frames[1], on=["path", "label"])
    return paired_test(*(both[name].to_numpy() for name in ("label", "score_x", "score_y")))
