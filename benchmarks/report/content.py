"""What the page shows of every result set: facts, tables, cells, and what calls took."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from math import isnan
from typing import TYPE_CHECKING, TypeVar, cast

from benchmarks.console import say
from benchmarks.figures.pareto import Point, front, latest_costs
from benchmarks.figures.style import dash_lengths, style
from benchmarks.metrics.calibrated import CALIBRATED, KNOWN
from benchmarks.report import schema
from benchmarks.report.cells import category_parts
from benchmarks.report.decision import POINT, decision, enough
from benchmarks.report.differences import pairs
from benchmarks.report.facts import facts
from benchmarks.report.pictures import Sheets
from benchmarks.report.ranking import Ranking
from benchmarks.reproduction.verdicts import IntervalsOf, verdicts
from benchmarks.reproduction.writing import MEANING, verdict_counts, verdict_texts
from benchmarks.results import ResultSet, journal
from benchmarks.results.agreement import usual_settings
from benchmarks.results.captions import caption
from benchmarks.results.intervals import calibrated_intervals, cell_intervals
from benchmarks.results.journal import Call, Extraction
from benchmarks.results.metrics_csv import MEAN
from benchmarks.results.published import TABLES, Published
from benchmarks.results.result_set import category_of
from benchmarks.specs import IMPORTED
from benchmarks.statistics.proportions import Interval
from benchmarks.tables.marks import marks_note, tested_marks
from benchmarks.tables.metric_tables import marked_methods
from benchmarks.uncertainty.caveats import caveat

if TYPE_CHECKING:
    import pandas as pd


Intervals = Mapping[tuple[str, str], Mapping[str, Interval]]

Part = TypeVar("Part", schema.PageMetric, schema.PageCall)

_LINE = 2
"""Width of the page's curves in pixels."""


def build(
    runs: Sequence[Sequence[ResultSet]],
    sheets: Sheets,
    first: Sequence[str] = (),
    points: float = POINT,
) -> schema.Content:
    """Return the content of the page of one run, or of two and their differences.

    Args:
        runs: the result sets of each.
        sheets: where pictures are added.
        first: the metrics in front of the others.
        points: the smallest difference of AUROC that matters, in per cent.

    Raises:
        BenchmarkError: a file that a run refers to is unreadable.
    """
    names = [sets[0].run.resolve().name for sets in runs]
    suffixes = [f", {name}" for name in names] if len(runs) > 1 else [""]
    return schema.Content(
        title=" against ".join(names),
        note="",
        metrics=[
            _fields_of(schema.PageMetric, KNOWN[name]) for name in dict.fromkeys((*first, *KNOWN))
        ],
        sets=[
            page_set
            for suffix, sets in zip(suffixes, runs, strict=True)
            for page_set in _sets(sets, sheets, suffix)
        ],
        enough=[list(enough(results, points)) for sets in runs for results in sets],
        pairs=pairs(*runs) if len(runs) == 2 else [],
    )


def _fields_of(part: type[Part], source: object) -> Part:
    """Return the attributes of `source` that a part of the schema names."""
    return cast(Part, {name: getattr(source, name) for name in part.__annotations__})


def _sets(sets: Sequence[ResultSet], sheets: Sheets, suffix: str) -> Iterator[schema.PageSet]:
    """Yield everything of a run's result sets, `suffix` behind their short names."""
    calls = journal.read(sets[0].run, lambda line: say(f"warning: {line}"))
    for results in sets:
        backbones = {source.backbone for source in results.sources}
        alike = [
            call
            for call in calls
            if (call.dataset, call.image_size) == (results.dataset, results.measure.image_size)
            and call.backbone in backbones
        ]
        yield _set(results, _short(results) + suffix, alike, sheets)


def _set(results: ResultSet, short: str, calls: Sequence[Call], sheets: Sheets) -> schema.PageSet:
    """Return everything of one result set; `calls` are those that evaluated its like."""
    parts = [category_parts(results, category, sheets) for category in results.categories]
    intervals_of = cache(cell_intervals)
    checked, checked_note = _reproduction(results, intervals_of)
    return schema.PageSet(
        short=short,
        caption=caption("", [s for s in results.describe("Results") if s not in results.notes]),
        notes=results.notes,
        decision=decision(results),
        synthetic=results.dataset == "synthetic",
        facts=facts(results, calls),
        categories=[_category(results, category) for category in results.categories],
        methods=[_method(results, method) for method in results.methods],
        tables=_tables(results, intervals_of),
        verdicts=checked,
        verdicts_note=checked_note,
        images=[images for images, _ in parts],
        cells=[cells for _, cells in parts],
        extractions=_extractions(calls),
        calls=[_fields_of(schema.PageCall, call) for call in calls],
    )


def _short(results: ResultSet) -> str:
    """Return what tells a result set from the others of its run, usual settings left out."""
    shared, measure = results.shared, results.measure
    backbones = dict.fromkeys(source.backbone for source in results.sources)
    parts = [f"{', '.join(backbones) or IMPORTED} {measure.image_size} px"]
    if "dataset" in results.varying:
        parts.insert(0, results.dataset)
    for column, value in usual_settings(measure.image_size, measure.fit).items():
        if shared.get(column, value) != value:
            parts.append(f"{column.replace('_', ' ')} {shared[column]}")
    return ", ".join(parts)


def _category(results: ResultSet, category: str) -> schema.PageCategory:
    """Return a category's name and numbers of test images, as its cells saw them."""
    cells = [cell for cell in results.cells if category_of(cell) == category]
    return schema.PageCategory(
        name=category,
        n_good=next((c.n_test_good for c in cells if c.n_test_good is not None), None),
        n_defect=next((c.n_test_defect for c in cells if c.n_test_defect is not None), None),
    )


def _method(results: ResultSet, method: str) -> schema.PageMethod:
    look = style(method)
    return schema.PageMethod(
        name=method,
        params=dict(results.columns[method][0].spec.params),
        seeds=list(results.methods[method]),
        colour=look.colour,
        dash=" ".join(f"{_LINE * length:g}" for length in dash_lengths(look.line)),
    )


def _extractions(calls: Sequence[Call]) -> list[schema.PageExtraction]:
    """Return images, passes and seconds of each category, summed over calls and backbones."""
    by_category: dict[str, list[Extraction]] = defaultdict(list)
    for extraction in (extraction for call in calls for extraction in call.extractions):
        by_category[extraction.category].append(extraction)
    return [
        schema.PageExtraction(
            category=category,
            images=sum(extraction.images for extraction in extractions),
            passed=sum(extraction.passed for extraction in extractions),
            seconds=sum(extraction.seconds for extraction in extractions),
        )
        for category, extractions in sorted(by_category.items())
    ]


def _reproduction(results: ResultSet, intervals_of: IntervalsOf) -> tuple[list[list[str]], str]:
    """Return verdicts on published values, and what they mean; empty where none can be judged."""
    checked = verdicts([results], intervals_of)
    judged = [verdict for verdict in checked if verdict.tolerance is not None]
    note = f"{MEANING} Of all published values of these methods, {verdict_counts(checked)}."
    return [verdict_texts(verdict) for verdict in judged], note if judged else ""


def _tables(results: ResultSet, intervals_of: IntervalsOf) -> dict[str, schema.PageTable]:
    """Return metric → its table, of all metrics that are measured."""
    intervals = {
        place: {
            **intervals_of(path, results.maps.get(place)),
            **calibrated_intervals(results.first[place]),
        }
        for place, path in results.scores.items()
        if len(results.methods[place[1]]) == 1
    }
    full = results.dataset == "mvtec_ad" and not any(results.spec.conditions.values())
    published = Published.load() if full else Published()
    return {
        metric: _table(results, metric, intervals, published)
        for metric in filter(results.measured, KNOWN)
    }


def _table(
    results: ResultSet, metric: str, intervals: Intervals, published: Published
) -> schema.PageTable:
    table = results.table(metric)
    marks = tested_marks(results, table)
    methods = list(results.methods)
    best = [sorted(map(methods.index, row)) for row in marked_methods(table, marks)]
    rows = [*results.categories, None]
    spans = [
        [intervals.get((str(row), method), {}).get(metric) for method in methods] for row in rows
    ]
    beside = _published(published, metric, results)
    marked = marks_note(marks, with_mean=len(rows) > 2) if len(methods) > 1 else ""
    ranking = Ranking(table, results.dataset, spans, marks.rows)
    return schema.PageTable(
        values=_grid(table.values),
        deviations=_grid(table.deviations),
        ranges=[_grid(table.lows), _grid(table.highs)] if metric in CALIBRATED else None,
        failed=table.failed.to_numpy().tolist(),
        low=_ends(spans, 0),
        high=_ends(spans, 1),
        interval_note=caveat(metric),
        best=best,
        left_out=results.note_on(metric),
        note=marked,
        ranking=ranking.content(),
        front=_front(results, ranking),
        published=beside,
        published_note=_SOURCES.format(*TABLES[metric]) if beside else "",
    )


def _front(results: ResultSet, ranking: Ranking) -> list[int]:
    """Return the methods that no other is as good as in time and by a metric, fastest first."""
    costs, names = latest_costs(results), list(results.methods)
    chosen = [Point(n, costs[n], ranking.means[n], None) for n in ranking.ranked if n in costs]
    best = front(chosen, higher_is_better=ranking.table.metric.higher_is_better)
    return [names.index(point.method) for point in best]


def _grid(frame: pd.DataFrame) -> schema.Grid:
    rows = frame.to_numpy(float).tolist()
    return [[None if isnan(value) else value for value in row] for row in rows]


def _ends(spans: Sequence[Sequence[Interval | None]], end: int) -> schema.Grid | None:
    """Return the lower (0) or upper (1) ends of intervals, None where nothing gives any."""
    grid = [[span and span[end] for span in row] for row in spans]
    return grid if any(span is not None for row in spans for span in row) else None


_SOURCES = (
    "As published, with WideResNet50 at 224 pixels: PatchCore from its paper's table {}, SPADE and "
    "PaDiM from their own papers; means that those lack from the PatchCore paper's table {}."
)


def _published(published: Published, metric: str, results: ResultSet) -> schema.Grid | None:
    """Return published values on the metric's own scale, None where there are none."""
    if metric not in TABLES:
        return None
    per_cent = [
        [published.main(method, metric, row) for method in results.methods]
        for row in (*results.categories, MEAN)
    ]
    grid = [[None if value is None else value / 100 for value in row] for row in per_cent]
    return grid if any(value is not None for row in grid for value in row) else None
