"""Two runs' comparisons set against each other: what differs, and which AUROCs do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.report.schema import PagePair
from benchmarks.results import ResultSet
from benchmarks.results.scores import read_image_scores
from benchmarks.specs import flat
from benchmarks.statistics.paired import paired_test
from benchmarks.statistics.pairs import LEVEL, corrected

Specs = Mapping[tuple[str, str], Mapping[str, Any]]
"""(category, method) → the flattened specification of the first seed's cell."""


def pairs(before: Sequence[ResultSet], after: Sequence[ResultSet]) -> list[PagePair]:
    """Return every comparison of one run beside the most alike of the other, on the same data set.

    Their numbers count the first run's comparisons, then the second's.

    Raises:
        BenchmarkError: a file of scores is unreadable.
    """
    specs, others = [list(map(_specs, sets)) for sets in (before, after)]
    compared = []
    for number, results in enumerate(before):
        alike = {
            place: _alike(specs[number], others[place])
            for place, other in enumerate(after)
            if other.dataset == results.dataset
        }
        if alike:
            place = max(alike, key=alike.__getitem__)
            pair = PagePair(
                first=number,
                second=len(before) + place,
                spec=_differences(specs[number], others[place]),
                tests=_tests(results, after[place]),
                level=LEVEL,
            )
            compared.append(pair)
    return compared


def _specs(results: ResultSet) -> Specs:
    return {place: dict(flat(asdict(cell.spec))) for place, cell in results.first.items()}


def _alike(before: Specs, after: Specs) -> int:
    """Return how many fields of the protocols agree."""
    first, second = (next(iter(specs.values()), {}) for specs in (before, after))
    shared = ("shots", *(name for name in first if name.startswith("protocol.")))
    return sum(name in second and first.get(name) == second[name] for name in shared)


def _differences(before: Specs, after: Specs) -> list[list[Any]]:
    """Return field, value before and value after of what differs between the same cells."""
    fields = [
        (name, *(_said(name, specs[key]) for specs in (before, after)))
        for key in before
        if key in after
        for name in {**before[key], **after[key]}
    ]
    different = [field for field in fields if field[1] != field[2]]
    return [list(field) for field in {repr(field): field for field in different}.values()]


def _said(name: str, spec: Mapping[str, Any]) -> Any:
    """Return a field's value, in words where it is None, or not stored for being the default."""
    if name not in spec:
        return "default"
    return {"shots": "all"}.get(name, "none") if spec[name] is None else spec[name]


def _tests(before: ResultSet, after: ResultSet) -> dict[str, dict[str, float | None]]:
    """Return category → method → p value of equal AUROCs, of the cells that both have.

    Corrected for all of them by Holm's method; None without a verdict.
    """
    p_values: dict[tuple[str, str], float | None] = {}
    for place in before.scores:
        if place in after.scores:
            frames = [read_image_scores(results.scores[place]) for results in (before, after)]
            common = frames[0].merge(frames[1], on=["path", "label"])
            p_values[place] = paired_test(common["label"], common["score_x"], common["score_y"])
    tests: dict[str, dict[str, float | None]] = {}
    for (category, method), p_value in zip(p_values, corrected([*p_values.values()]), strict=True):
        tests.setdefault(category, {})[method] = p_value
    return tests
