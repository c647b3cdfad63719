"""The parts of the supplement: what each needs evaluated, and what it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.figures.style import Figure
from benchmarks.files import frame_as_csv
from benchmarks.reproduction import writing
from benchmarks.reproduction.verdicts import verdicts
from benchmarks.results import result_sets
from benchmarks.results.intervals import cell_intervals
from benchmarks.supplement import trials
from benchmarks.supplement.conventions import differences
from benchmarks.supplement.evaluated_trials import EvaluatedTrials
from benchmarks.supplement.judged_images import count_errors, counts_markdown
from benchmarks.supplement.method_curves import draw_method_curves
from benchmarks.supplement.misclassified import draw_misclassified
from benchmarks.supplement.planning import ALL_MAPS, MAPS_KEPT, MAPS_NEEDED, NO_MAPS, Requests
from benchmarks.supplement.size_sweep import draw_size_sweep
from benchmarks.supplement.tables import s1_s2_s3, s4, s5, s6
from benchmarks.supplement.trials import Settings, Trial
from benchmarks.tables.comparison import RENDERERS
from benchmarks.tables.rendering import TextTable

Files = Iterator[tuple[str, str]]
"""Names and texts of files."""

Figures = Iterator[tuple[str, Figure]]
"""Names and figures."""


@dataclass(frozen=True)
class Part:
    """What a part needs evaluated, and what is made of it.

    Attributes:
        trials: what it needs.
        maps: the maps of its trials that it needs, or that are worth keeping.
        tables: makes its tables, and may make others', as `figures`.
        figures: draws its figures, and may draw others' as well; names begin with their part's.
        files: makes other tables, as texts of files.
    """

    trials: Callable[[Settings], Mapping[Any, Trial]]
    maps: int = NO_MAPS
    tables: Callable[[EvaluatedTrials], Iterable[TextTable]] = lambda evaluated: ()
    figures: Callable[[EvaluatedTrials], Figures] = lambda evaluated: iter(())
    files: Callable[[EvaluatedTrials], Files] = lambda evaluated: iter(())


def _verdicts(evaluated: EvaluatedTrials) -> Files:
    if judged := verdicts(result_sets(evaluated.run), cell_intervals):
        yield "verdicts.md", writing.markdown(judged)
        yield "verdicts.csv", writing.comma_separated(judged)


def _errors(evaluated: EvaluatedTrials) -> Files:
    counts = count_errors(evaluated)
    yield "errors.md", counts_markdown(counts, evaluated)
    yield "errors.csv", frame_as_csv(counts)


def _curves(evaluated: EvaluatedTrials) -> Figures:
    yield "figS3", draw_method_curves(evaluated)


def _sweep(evaluated: EvaluatedTrials) -> Figures:
    yield "figS4", draw_size_sweep(evaluated)


_HEADLINE = Part(trials.main_trials, MAPS_KEPT, s1_s2_s3)
_ERRORS = Part(trials.error_trials, MAPS_NEEDED, figures=draw_misclassified, files=_errors)

PARTS = {
    "S1": Part(trials.s1_trials, MAPS_KEPT, s1_s2_s3),
    **{"S2": _HEADLINE, "S3": _HEADLINE},
    "S4": Part(trials.large_trials, tables=s4),
    "S5": Part(trials.shot_trials, tables=s5),
    "S6": Part(trials.backbone_trials, tables=s6),
    **{"figS1": _ERRORS, "figS2": _ERRORS},
    "figS3": Part(trials.main_trials, MAPS_KEPT, figures=_curves),
    "figS4": Part(trials.sweep_trials, figures=_sweep),
    "verdicts": Part(trials.seed_trials, MAPS_KEPT, files=_verdicts),
    "differences": Part(trials.difference_trials, tables=differences),
}


def tables(name: str, evaluated: EvaluatedTrials) -> Files:
    """Yield the names and texts of the files of a part's tables."""
    for table in PARTS[name].tables(evaluated):
        if table.name.startswith(name):
            for suffix, render in RENDERERS.items():
                yield f"{table.name}.{suffix}", render(table)
    yield from PARTS[name].files(evaluated)


def requests(name: str, settings: Settings) -> Requests:
    """Return the trials of a part, with the maps that it needs or that are worth keeping."""
    part = PARTS[name]
    maps = dict.fromkeys(part.trials(settings).values(), part.maps)
    if name == "differences":
        maps[next(iter(maps))] = ALL_MAPS
    return maps
