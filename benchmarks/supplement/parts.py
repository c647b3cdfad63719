"""The parts of the supplement: what each needs evaluated, and what it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from benchmarks import reproduction
from benchmarks.reproduction import verdicts
from benchmarks.results import Published, result_sets
from benchmarks.supplement import trials
from benchmarks.supplement.conventions import differences
from benchmarks.supplement.material import Material
from benchmarks.supplement.method_curves import draw_method_curves
from benchmarks.supplement.misclassification import count_errors, counts_csv, counts_markdown
from benchmarks.supplement.misclassified import draw_misclassified
from benchmarks.supplement.planning import Maps, Requests
from benchmarks.supplement.size_sweep import draw_size_sweep
from benchmarks.supplement.tables import s1_s2_s3, s4, s5, s6
from benchmarks.supplement.trials import Settings, Trial
from benchmarks.tables import RENDERERS
from benchmarks.tables.rendering import TextTable
from benchmarks.uncertainty import cell_intervals

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TRIALS: dict[str, Callable[[Settings], Mapping[Any, Trial]]] = {
    "S1": trials.main_trials,
    "S2": trials.main_trials,
    "S3": trials.main_trials,
    "S4": trials.large_trials,
    "S5": trials.shot_trials,
    "S6": trials.backbone_trials,
    "figS1": trials.error_trials,
    "figS2": trials.error_trials,
    "figS3": trials.main_trials,
    "figS4": trials.sweep_trials,
    "verdicts": trials.seed_trials,
    "differences": trials.difference_trials,
}
PARTS = tuple(_TRIALS)

SUPPLEMENT = PARTS[:-1]
"""What is made where nothing is named: all that the paper's supplement has, and the verdicts."""

_ERRORS = ("figS1", "figS2")

_MAPS = {
    **dict.fromkeys(("S1", "S2", "S3", "figS3", "verdicts"), Maps(kept="errors")),
    **dict.fromkeys(_ERRORS, Maps(kept="errors", needed="errors")),
}


def requests(part: str, settings: Settings) -> Requests:
    """Return the trials of a part, with the maps that it needs or that are worth keeping."""
    found = dict.fromkeys(_TRIALS[part](settings).values(), _MAPS.get(part, Maps()))
    if part == "differences":
        found[next(iter(found))] = Maps(kept="all", needed="all")
    return found


def tables(part: str, material: Material) -> Iterator[tuple[str, str]]:
    """Yield the names and texts of a part's tables, as Markdown, CSV and mostly LaTeX.

    Raises:
        BenchmarkError: the published numbers, or stored scores or maps, can't be read.
    """
    if part == "verdicts" and (found := verdicts(result_sets(material.run), cell_intervals)):
        yield "verdicts.md", reproduction.markdown(found)
        yield "verdicts.csv", reproduction.comma_separated(found)
    for sheet in _sheets(part, material):
        for suffix, render in RENDERERS.items():
            yield f"{sheet.name}.{suffix}", render(sheet)
    if part in _ERRORS:
        counts = count_errors(material)
        yield "errors.md", counts_markdown(counts, material)
        yield "errors.csv", counts_csv(counts)


def _sheets(part: str, material: Material) -> list[TextTable]:
    if part == "differences":
        return differences(material)
    makers = dict.fromkeys(("S1", "S2", "S3"), s1_s2_s3) | {"S4": s4, "S5": s5, "S6": s6}
    if part not in makers:
        return []
    made = makers[part](material, Published.load())
    return [sheet for sheet in made if sheet.name.startswith(part)]


def figures(part: str, material: Material) -> Iterator[tuple[str, Figure]]:
    """Yield the names and figures of a part.

    Raises:
        BenchmarkError: stored scores or maps can't be read.
    """
    if part in _ERRORS:
        pages = draw_misclassified(material)
        yield from ((name, page) for name, page in pages if name.startswith(part))
    elif part == "figS3":
        yield part, draw_method_curves(material)
    elif part == "figS4":
        yield part, draw_size_sweep(material)
